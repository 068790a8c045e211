"""A camera or a video through a session: masks, drawn frames, figures. Never imports torch."""

from edgeunet.camera.loop import LoopStats
from edgeunet.camera.run import CameraOptions, run_camera

__all__ = ["CameraOptions", "LoopStats", "run_camera"]
