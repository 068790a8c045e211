"""`python -m benchmarks`: the same as `edgeunet bench`."""

import sys

from benchmarks.cli import app
from edgeunet.console import run

sys.exit(run(app))
