"""What `edgeunet camera` takes where nothing is given: the demo's model and the first camera."""

from __future__ import annotations

from pathlib import Path

from edgeunet.camera.listing import list_cameras
from edgeunet.errors import ModelFileError, SourceError

DEMO = (Path("runs/demo/int8.onnx"), Path("runs/demo/fp32.onnx"))  # the faster one first


def default_model() -> Path:
    """The demo's model in the current folder. Raises ModelFileError, which says how to get one, if it is not there."""
    found = next((path for path in DEMO if path.is_file()), None)
    if found is None:
        raise ModelFileError(
            f"no model is given, and the demo's is not here ({DEMO[0]}): `make demo` trains it in 3 minutes, "
            "or name one: edgeunet camera MODEL"
        )
    return found


def default_source() -> str:
    """The address of the first camera that can be opened. Raises SourceError, which says what to do, without any."""
    cameras = list_cameras()
    found = next((camera.address for camera in cameras if not camera.problem), None)
    if found is None:
        seen = "; ".join(f"{camera.address}: {camera.problem}" for camera in cameras) or "this machine has none"
        raise SourceError(
            f"no camera can be opened ({seen}): connect one, or give --source a video, rtsp://… or synthetic://"
        )
    return found
