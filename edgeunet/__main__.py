"""The `edgeunet` command, and `python -m edgeunet`, which is how torch's launcher starts a training on several
processes."""

from __future__ import annotations

import signal
import sys
import warnings


def main() -> None:
    """Load the command line and run it; Ctrl-C while it loads ends it as quietly as later."""
    if "--debug" not in sys.argv and not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries, with their lines of code
    try:
        from edgeunet.cli import main as command_line
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    command_line()


if __name__ == "__main__":
    main()
