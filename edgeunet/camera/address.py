"""Where frames come from, in one line of text: written as jetson-utils' users know it, read in this one place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, get_args
from urllib.parse import parse_qsl

from edgeunet.errors import UsageError

Kind = Literal["v4l2", "csi", "stream", "file", "gst", "synthetic"]
STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
EXAMPLES = "0, /dev/video0, csi://0, rtsp://…, http://…, a file, gst:… or synthetic://"
OPTIONS: dict[Kind, tuple[str, ...]] = {
    "v4l2": ("width", "height", "fps", "fourcc"),
    "csi": ("width", "height", "fps"),
    "synthetic": ("width", "height", "fps", "seconds"),
}
_LARGEST = 16_384  # pixels; more is a typing error
_CAMERA = re.compile(r"\d+|/dev/.+")
_LOGIN = re.compile(r"//[^/?#\s]*@")
_SECRET = re.compile(r"(?i)\b([\w-]*(?:pass|pwd|pw|token|secret|key)[\w-]*\s*=\s*)(?:\"[^\"]*\"|[^&\s]+)")


@dataclass(frozen=True)
class Address:
    """One source.

    name: what people are shown, without passwords. target: the device file, the number of the CSI sensor, the
    URL, the pipeline or the path. width, height, fps, fourcc: what to ask a camera for, None to leave it as it
    is; for synthetic what it makes, where fps 0 stands for "as fast as it is taken". seconds: when synthetic
    ends, None for never.
    """

    kind: Kind
    name: str
    target: str = field(default="", repr=False)  # may hold a password
    width: int | None = None  # pixels
    height: int | None = None
    fps: float | None = None
    fourcc: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            raise UsageError(f"{self.name}: width and height are given together")
        for side in (self.width, self.height):
            if side is not None and not 1 <= side <= _LARGEST:
                raise UsageError(f"{self.name}: a side is 1 to {_LARGEST} pixels, got {side}")
        if self.fps is not None and not (isfinite(self.fps) and (self.fps > 0 or self._timeless)):
            least = "0 or more" if self.kind == "synthetic" else "more than 0"
            raise UsageError(f"{self.name}: fps is {least}, got {self.fps:g}")
        if self.seconds is not None and not (isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"{self.name}: seconds is more than 0, got {self.seconds:g}")
        if self.fourcc is not None and not re.fullmatch(r"[\x20-\x7e]{4}", self.fourcc):
            raise UsageError(f"{self.name}: fourcc is four characters such as MJPG or YUYV, got {self.fourcc!r}")

    @property
    def live(self) -> bool:
        """Whether frames arrive by the clock; a file behind http:// turns out not to when it is opened."""
        return self.kind != "file" and not self._timeless

    @property
    def _timeless(self) -> bool:
        return self.kind == "synthetic" and self.fps == 0

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address; raises UsageError for an unknown scheme or option, or a value out of range."""
        if text.lower().startswith("gst:"):
            return cls("gst", _shown(text), _pipeline(text[4:].strip()))
        scheme, mark, rest = text.partition("://")
        scheme = scheme.lower()
        if not mark:
            rest, scheme = text, "v4l2" if _CAMERA.fullmatch(text.partition("?")[0]) else "file"
        if scheme == "file":
            if not rest:
                raise UsageError(f"{text!r} names no file: expected {EXAMPLES}")
            return cls("file", rest, rest)
        if scheme in STREAM_SCHEMES:
            return cls("stream", _shown(text), text)
        if scheme not in OPTIONS:
            known = ", ".join((*OPTIONS, "file", *STREAM_SCHEMES))
            raise UsageError(f"unknown source {_shown(text)}: {scheme}:// is none of {known}")
        return _device(scheme, rest)


def is_live(address: str) -> bool:
    """Whether this source's frames arrive by the clock: a camera or a stream. Raises UsageError as Address.parse()."""
    return Address.parse(address).live


def in_flight(address: str) -> int:
    """How many frames of a source the session should work on at once.

    A camera's frame must be done first; of a file the next one can be under way: more frames a second
    (benchmarks/loop.py measures it).
    """
    return 1 if is_live(address) else 2


def _device(scheme: str, rest: str) -> Address:
    """A camera of this machine or the synthetic one: what stands behind `scheme://`."""
    kind = next(k for k in get_args(Kind) if k == scheme)
    target, _, query = rest.partition("?")
    values = dict(parse_qsl(query, keep_blank_values=True))
    title = {"v4l2": f"camera {target}", "csi": f"csi://{target}", "synthetic": "synthetic://"}[scheme]
    if unknown := [key for key in values if key not in OPTIONS[kind]]:
        raise UsageError(f"{title}: unknown option {unknown[0]!r}, it takes {', '.join(OPTIONS[kind])}")
    if kind == "v4l2":
        target = f"/dev/video{target}" if target.isdigit() else target
        if not target.startswith("/dev/"):
            raise UsageError(f"{title}: expected a number or a device file, such as v4l2:///dev/video0")
    elif kind == "csi" and not target.isdigit():
        raise UsageError(f"{title}: expected the number of the sensor, such as csi://0")
    elif kind == "synthetic" and target:
        raise UsageError(f"{title} takes options only, such as synthetic://?width=640&height=480, got {target!r}")
    if kind != "v4l2":
        values = {"width": "1280", "height": "720", "fps": "30"} | values
    return Address(
        kind,
        title,
        target,
        _whole(title, "width", values),
        _whole(title, "height", values),
        _number(title, "fps", values),
        values.get("fourcc"),
        _number(title, "seconds", values),
    )


def _whole(title: str, key: str, values: dict[str, str]) -> int | None:
    try:
        return int(values[key]) if key in values else None
    except ValueError:
        raise UsageError(f"{title}: {key} is a whole number, got {values[key]!r}") from None


def _number(title: str, key: str, values: dict[str, str]) -> float | None:
    try:
        return float(values[key]) if key in values else None
    except ValueError:
        raise UsageError(f"{title}: {key} is a number, got {values[key]!r}") from None


def _pipeline(text: str) -> str:
    last = text.rpartition("!")[2].split()
    if not last or last[0] != "appsink":
        raise UsageError(
            f"a gst: pipeline ends in appsink, got {_shown(text) or 'nothing'!r}: "
            "add `! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1`"
        )
    return text


def _shown(text: str) -> str:
    """Without the login of a URL, and without the values of what is named like a password."""
    return _SECRET.sub(r"\1…", _LOGIN.sub("//", text))
