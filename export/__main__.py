"""`python -m export`, the same as `edgeunet export`."""

import sys

from edgeunet.console import run
from export.cli import app

if __name__ == "__main__":
    sys.exit(run(app))
