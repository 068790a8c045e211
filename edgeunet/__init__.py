"""Train a compact U-Net, export it, run it behind a camera, and guard its latency."""

__version__ = "0.1.0"
