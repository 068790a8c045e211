"""Where frames come from, in one line of text, in the form of jetson-utils; parsed here and nowhere else."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import parse_qsl, quote, unquote

from edgeunet.camera.ros2.topics import require_topic
from edgeunet.camera.sources.injected_fault import InjectedFault
from edgeunet.errors import UsageError
from edgeunet.utils.limits import SIDE
from edgeunet.utils.redaction import shown_address

Kind = Literal["v4l2", "csi", "stream", "file", "gst", "ros2", "synthetic"]
STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
EXAMPLES = "0, /dev/video0, csi://0, rtsp://…, http://…, a file, gst:…, ros2:///topic or synthetic://"
OPTIONS: dict[Kind, tuple[str, ...]] = {
    "v4l2": ("width", "height", "fps", "fourcc"),
    "csi": ("width", "height", "fps", "flip", "mode"),
    "synthetic": ("width", "height", "fps", "seconds", "pixels", "fault"),
}
FLIPS = ("180", "horizontal", "vertical")
SYNTHETIC_PIXELS = ("bgr", "thermal")
# Elements of GStreamer: avdec_h264, nvv4l2decoder, decodebin; not jpegdec, of which each frame stands by itself.
_DECODER = re.compile(r"(?:^|[\s!])(?!\w*(?:jpeg|png))\w*(?:dec(?:_\w+|oder|odebin3?)?|playbin3?)(?=[\s!]|$)")
CODED = ("H264", "HEVC", "MPG4", "VP80", "VP90")  # of V4L2: not each frame by itself, as in MJPG
FASTEST = 1000.0  # fps; no camera has more
LONGEST_S = 10 * 365 * 86_400.0
MOST_CAMERAS = 10_000
MOST_MODES = 100
_CAMERA = re.compile(r"[0-9]+|/dev/.+")


@dataclass(frozen=True)
class Address:
    """One source.

    name: for people, without passwords, in letters that any output can write. target: the device file, the number of
    the CSI sensor, the URL, the pipeline, the topic or the path. width, height, fps, fourcc: what to ask a camera for,
    None to leave it as it is; what synthetic makes, where fps 0 means "as fast as it is read". seconds: when synthetic
    ends, None for never. pixels: of synthetic, "bgr" or "thermal"; fault: what it does wrong and when. flip: of a CSI
    camera, one of FLIPS, 180 for one that is mounted upside down; mode: the number of its sensor's mode.
    """

    kind: Kind
    name: str
    target: str = field(default="", repr=False)  # may hold a password
    width: int | None = None  # pixels
    height: int | None = None
    fps: float | None = None
    fourcc: str | None = None
    seconds: float | None = None
    pixels: str = "bgr"
    flip: str | None = None
    mode: int | None = None
    fault: InjectedFault | None = None

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            raise UsageError(f"{self.name}: give width and height together")
        for side in (self.width, self.height):
            if side is not None and not 1 <= side <= SIDE:
                raise UsageError(f"{self.name}: a side is 1 to {SIDE} pixels, got {side}")
        if self.fps is not None and not (0 < self.fps <= FASTEST or self._timeless):
            least = "0" if self.kind == "synthetic" else "more than 0"
            raise UsageError(f"{self.name}: fps is {least} to {FASTEST:g}, got {self.fps:g}")
        if self.seconds is not None and not 0 < self.seconds <= LONGEST_S:
            raise UsageError(f"{self.name}: seconds is more than 0 to {LONGEST_S:.0f}, got {self.seconds:g}")
        if self.fourcc is not None and not re.fullmatch(r"[\x20-\x7e]{4}", self.fourcc):
            raise UsageError(f"{self.name}: fourcc is four characters such as MJPG or YUYV, got {self.fourcc!r}")
        if self.flip not in (None, *FLIPS):
            raise UsageError(f"{self.name}: flip is {', '.join(FLIPS[:-1])} or {FLIPS[-1]}, got {self.flip[:40]!r}")
        if self.mode is not None and not 0 <= self.mode < MOST_MODES:
            raise UsageError(f"{self.name}: mode is 0 to {MOST_MODES - 1}, got {self.mode}")
        if self.pixels not in SYNTHETIC_PIXELS:
            raise UsageError(f"{self.name}: pixels is {' or '.join(SYNTHETIC_PIXELS)}, got {self.pixels[:40]!r}")

    @property
    def live(self) -> bool:
        """Whether frames arrive by the clock; only opening tells whether http:// is a file."""
        return self.kind != "file" and not self._timeless

    @property
    def coded(self) -> bool:
        """Whether its frames come from a video whose frames hold only what changes, as far as the address tells."""
        if self.kind == "gst":
            return _DECODER.search(self.target) is not None
        return self.kind == "stream" or self.fourcc in CODED

    @property
    def in_flight(self) -> int:
        """How many of its frames a session should work on at once.

        A camera's frame must be done first; of a file two give more fps: benchmarks/studies/camera/loop.py.
        """
        return 1 if self.live else 2

    @property
    def _timeless(self) -> bool:
        return self.kind == "synthetic" and self.fps == 0

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address; raises UsageError for an unknown scheme or option, or a value out of range.

        A file or folder that exists is one, whatever its name looks like.
        """
        if not text.startswith("/dev/") and _exists(text):
            return cls("file", shown_path(text), text)
        if text[:4].lower() == "gst:":
            return cls("gst", shown_path(shown_address(text)), _pipeline(text[4:].strip()))
        scheme, mark, rest = text.partition("://")
        scheme = scheme.lower()
        if not mark:
            rest, scheme = text, "v4l2" if _CAMERA.fullmatch(text.partition("?")[0]) else "file"
        if scheme == "file":
            return _file(rest, url=bool(mark))
        if scheme in STREAM_SCHEMES:
            # OpenCV crashes on the half characters in which Python keeps bytes that are not UTF-8.
            whole = "".join(quote(os.fsencode(c)) if "\ud800" <= c <= "\udfff" else c for c in rest)
            return cls("stream", shown_path(shown_address(text)), f"{scheme}://{whole}")
        if scheme == "ros2":
            return cls("ros2", text, require_topic(rest, shown_path(shown_address(text))))
        if scheme not in OPTIONS:
            known = ", ".join((*OPTIONS, "ros2", "file", *STREAM_SCHEMES)) + ", or gst:PIPELINE"
            raise UsageError(f"unknown source {shown_address(text)}: expected {known}")
        return _device(scheme, rest)


def addresses_by_name(texts: Sequence[str]) -> dict[str, Address]:
    """Addresses by the names that people see; equal names are numbered. Raises UsageError as Address.parse()."""
    addresses = [Address.parse(text) for text in texts]
    count = Counter(address.name for address in addresses)
    named: dict[str, Address] = {}
    for address in addresses:
        unique, number = address.name, 1
        while unique in named or (count[address.name] > 1 and unique == address.name):
            unique, number = f"{address.name} ({number})", number + 1
        named[unique] = address
    return named


def shown_path(path: str | Path) -> str:
    """A path as text that every output can write: bytes that are not UTF-8 become escapes."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _file(text: str, *, url: bool) -> Address:
    """A path, or what follows file://, where %20 is a space unless a file has that name."""
    if url and text.startswith("localhost/"):
        text = text.removeprefix("localhost")
    if url and not _exists(text):
        text = unquote(text, errors="surrogateescape")
    if not text or "\0" in text:
        raise UsageError(f"{shown_address(text)!r} does not name a file: expected {EXAMPLES}")
    return Address("file", shown_path(text if _exists(text) else shown_address(text)), text)


def _exists(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _device(scheme: str, rest: str) -> Address:
    """A camera of this machine or the synthetic one: what follows `scheme://`."""
    kind = next(k for k in get_args(Kind) if k == scheme)
    target, _, query = rest.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    values = dict(given)
    titles = {"v4l2": f"camera {target}", "csi": f"csi://{target}", "synthetic": "synthetic://"}
    title = shown_path(shown_address(titles[scheme]))
    if unknown := [key for key in values if key not in OPTIONS[kind]]:
        raise UsageError(f"{title}: unknown option {unknown[0]!r}, it takes {', '.join(OPTIONS[kind])}")
    if twice := [key for key, count in Counter(key for key, _ in given).items() if count > 1]:
        raise UsageError(f"{title}: {twice[0]} is given twice; once is enough")
    number = re.fullmatch(r"[0-9]{1,6}", target)
    if kind == "v4l2":
        if re.fullmatch(r"\d+", target) and not (number and int(target) < MOST_CAMERAS):
            raise UsageError(f"{title[:40]}: the number of a camera is 0 to {MOST_CAMERAS - 1}")
        target = f"/dev/video{int(target)}" if number else target
        if not target.startswith("/dev/") or shown_path(target) != target:
            raise UsageError(f"{title}: expected a number or a device file, such as v4l2:///dev/video0")
    elif kind == "csi" and not (number and int(target) < MOST_CAMERAS):
        raise UsageError(f"{title[:40]}: expected the number of the sensor, such as csi://0")
    elif kind == "synthetic" and target:
        raise UsageError(
            f"{title} takes options only, such as synthetic://?width=640&height=480, got {shown_address(target)!r}"
        )
    if kind != "v4l2":
        values = {"width": "1280", "height": "720", "fps": "30"} | values
    return Address(
        kind,
        title,
        target,
        _whole(title, "width", values),
        _whole(title, "height", values),
        _number(title, "fps", values),
        _fourcc(values.get("fourcc")),
        _number(title, "seconds", values),
        values.get("pixels", "bgr"),
        values.get("flip"),
        _whole(title, "mode", values),
        InjectedFault.parse(values["fault"]) if "fault" in values else None,
    )


def _fourcc(text: str | None) -> str | None:
    """Four characters: "Y16" → "Y16 "; "Y8" is another name of "GREY"."""
    return None if text is None else {"Y8": "GREY", "Y16": "Y16 "}.get(text, text)


def _whole(title: str, key: str, values: dict[str, str]) -> int | None:
    if key not in values:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", values[key]):
        raise UsageError(f"{title}: {key} is a whole number, got {values[key][:40]!r}")
    return int(values[key])


def _number(title: str, key: str, values: dict[str, str]) -> float | None:
    try:
        return float(values[key]) if key in values else None
    except ValueError:
        raise UsageError(f"{title}: {key} is a number, got {values[key][:40]!r}") from None


def _pipeline(text: str) -> str:
    if shown_path(text) != text:
        raise UsageError(f"gst:{shown_path(shown_address(f'gst:{text}')[4:])} is not valid UTF-8: type it again")
    last = text.rpartition("!")[2].split()
    if not last or last[0] != "appsink":
        raise UsageError(
            f"a gst: pipeline ends in appsink, got {shown_address(f'gst:{text}')[4:] or 'nothing'!r}: "
            "add `! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1`"
        )
    return text
