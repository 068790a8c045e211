"""What `edgeunet camera` uses by default: the demo's model, the sources of the environment, the first camera."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edgeunet.board.cameras import list_cameras
from edgeunet.errors import ModelFileError, SourceError

SOURCE_VARIABLE, TOKEN_VARIABLE = "EDGEUNET_SOURCE", "EDGEUNET_TOKEN"
DEMO = (Path("runs/demo/int8.onnx"), Path("runs/demo/fp32.onnx"))  # the faster one first


def default_model() -> Path:
    """The demo's model in the current folder. Raises ModelFileError, which says how to get one, if it is not there."""
    found = next((path for path in DEMO if path.is_file()), None)
    if found is None:
        raise ModelFileError(
            f"no model is given, and the demo's is not here ({DEMO[0]}): name one, `edgeunet camera MODEL`; "
            "in a checkout `make demo` trains one"
        )
    return found


def default_sources(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The addresses in EDGEUNET_SOURCE, a line each, or the first camera that can be opened.

    Other users of the machine see a command line, and the passwords in it, but not the environment. Raises SourceError,
    which says what to do, if there is none.
    """
    given = tuple(filter(None, (line.strip() for line in environment.get(SOURCE_VARIABLE, "").splitlines())))
    return given or (_first_camera(),)


def given_token(option: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The secret of page and metrics. An empty one in the environment is returned: it is a mistake, to be refused."""
    return environment.get(TOKEN_VARIABLE) if option is None else option


def _first_camera() -> str:
    cameras = list_cameras()
    found = next((camera.address for camera in cameras if not camera.problem), None)
    if found is None:
        seen = "; ".join(f"{camera.address}: {camera.problem}" for camera in cameras) or "this machine has none"
        raise SourceError(
            f"no camera can be opened ({seen}): connect one, or give --source a video, rtsp://… or synthetic://"
        )
    return found
