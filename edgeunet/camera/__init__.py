"""Cameras and videos through a session: masks, drawn frames, figures. Never imports torch."""

from edgeunet.camera.run import CameraOptions, run_camera
from edgeunet.camera.sinks import SinkOptions
from edgeunet.camera.statistics import LoopStats

__all__ = ["CameraOptions", "LoopStats", "SinkOptions", "run_camera"]
