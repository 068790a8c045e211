"""`python -m tests.networks.edgeunet_here …`: the command edgeunet, in a Python whose torchvision is for CUDA."""

from __future__ import annotations

from benchmarks.studies.peers.peer_program import define_operators
from edgeunet.cli import main

if __name__ == "__main__":
    define_operators()
    main()
