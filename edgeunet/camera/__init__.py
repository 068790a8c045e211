"""Cameras and videos through a session: masks, drawn frames, figures. Never imports torch."""

from edgeunet.camera.options import CameraOptions, SinkOptions
from edgeunet.camera.run import run_camera
from edgeunet.camera.statistics import LoopStats

__all__ = ["CameraOptions", "LoopStats", "SinkOptions", "run_camera"]
