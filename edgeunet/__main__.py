"""`python -m edgeunet`: how torch's launcher starts a training on several processes."""

from __future__ import annotations

from edgeunet.cli import main

if __name__ == "__main__":
    main()
