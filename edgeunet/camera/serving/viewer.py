"""The page that shows the loop in a browser: live pictures as MJPEG, the classes, ages and counts of frames."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2

from edgeunet.camera.frame import Shot
from edgeunet.camera.serving.access import Access, notice
from edgeunet.camera.serving.reply import Reply
from edgeunet.camera.serving.server import HttpServer
from edgeunet.camera.statistics import LoopStats
from edgeunet.imaging.drawing import class_colors
from edgeunet.imaging.pixels import picture_of
from edgeunet.spec import ModelSpec

VIEWS = ("overlay", "camera", "mask")
MAX_SIDE = 1280  # pixels; larger pictures are reduced: a phone shows no more, and encoding would take a core
QUALITY = 80  # of JPEG, 0 to 100
BOUNDARY = "frame"
_PAGE = Path(__file__).with_name("page.html")


class Viewer:
    """A sink whose newest frames a browser may ask for; serving_page() makes it.

    A frame is encoded once per view for all viewers together, and only while a viewer is connected. A slow viewer gets
    fewer frames, always the newest.
    """

    def __init__(self, spec: ModelSpec, sources: Sequence[str], stats: Callable[[], Mapping[str, LoopStats]]) -> None:
        self._spec = spec
        self._sources = tuple(sources)
        self._stats = stats
        self._colors = class_colors(spec.classes)
        self._streams = {f"/stream/{i}/{view}": (s, view) for i, s in enumerate(self._sources) for view in VIEWS}
        self._page = _page()
        self._newest: dict[str, Shot] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # of the server, once a viewer is connected
        self._news = asyncio.Event()
        self._pictures: dict[tuple[str, str], tuple[Shot, asyncio.Future[bytes]]] = {}

    def write(self, shot: Shot) -> None:
        """Take the newest frame; never waits."""
        self._newest[shot.source] = shot
        if self._loop is not None:
            with suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(self._tell)

    def answer(self, path: str) -> Reply | None:
        """The page, its figures, or a stream of one source and view; None for any other path."""
        if path == "/":
            return self._page
        if path == "/state":
            return Reply(json.dumps(self._state()).encode(), "application/json")
        if path in self._streams:
            return Reply(self._parts(*self._streams[path]), f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        return None

    def _state(self) -> dict[str, Any]:
        stats = self._stats()
        return {
            "classes": [{"name": c.name, "color": "#{:02x}{:02x}{:02x}".format(*c.color)} for c in self._spec.classes],
            "sources": [{"name": s, **_figures(stats.get(s, LoopStats()))} for s in self._sources],
        }

    def _tell(self) -> None:
        """Wake every viewer that waits for a frame."""
        self._news.set()
        self._news = asyncio.Event()

    async def _parts(self, source: str, view: str) -> AsyncGenerator[bytes, None]:
        """The parts of a multipart reply (RFC 2046), each with the newest picture at the time.

        The boundary follows its picture at once: browsers show a picture when they see where it ends.
        """
        self._loop = asyncio.get_running_loop()
        yield f"--{BOUNDARY}\r\n".encode()
        last: Shot | None = None
        while True:
            news = self._news
            shot, picture = await self._picture(source, view)
            if shot is None or shot is last:
                await news.wait()
                continue
            last = shot
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            yield head.encode() + picture + f"\r\n--{BOUNDARY}\r\n".encode()

    async def _picture(self, source: str, view: str) -> tuple[Shot | None, bytes]:
        """The newest frame as JPEG, or the one that is being encoded: one at a time per view."""
        known = self._pictures.get((source, view))
        shot = self._newest.get(source)
        if shot is None:
            return None, b""
        if known is None or (known[1].done() and known[0] is not shot):
            encoding = asyncio.get_running_loop().run_in_executor(None, self._encode, shot, view)
            known = self._pictures[source, view] = shot, encoding
        return known[0], await asyncio.shield(known[1])  # other viewers wait for it too

    def _encode(self, shot: Shot, view: str) -> bytes:
        if view == "mask":
            pixels = cv2.applyColorMap(shot.result.letterbox.restore_mask(shot.result.mask), self._colors)
        else:
            pixels = shot.plain if view == "overlay" else picture_of(shot.frame.pixels, self._spec.levels)
        scale = MAX_SIDE / max(pixels.shape[:2])
        if scale < 1:
            height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return bytes(cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1].data)


@contextmanager
def serving_page(
    access: Access,
    spec: ModelSpec,
    sources: Sequence[str],
    stats: Callable[[], Mapping[str, LoopStats]],
    notify: Callable[[str], None],
) -> Iterator[Viewer]:
    """A Viewer of these sources behind an HTTP server; `notify` gets its address.

    stats: returns the loop's figures by source; the server's thread calls it, once per second for each viewer. Raises
    OutputError if the address is taken or not this machine's.
    """
    viewer = Viewer(spec, sources, stats)
    with closing(HttpServer(access, viewer.answer)) as server:
        notify(notice("watch", access, server.port))
        yield viewer


def _figures(stats: LoopStats) -> dict[str, Any]:
    """The page's figures for a source; ages in ms."""
    return {
        "state": str(stats.state.finding.state),
        "reason": stats.state.finding.reason,
        "fps": round(stats.recent_fps, 1),
        "age": round(stats.recent_age_ms, 1),
        "age_p50": round(stats.age.p50_ns / 1e6, 1),
        "age_p99": round(stats.age.p99_ns / 1e6, 1),
        "published": stats.published,
        "dropped": stats.dropped,
        "misses": stats.misses,
        "corrupt": stats.corrupt,
        "failed": stats.failed,
        "unpaired": stats.unpaired,
        "reconnects": stats.reconnects,
    }


def _page() -> Reply:
    """The page, with a policy that allows its own pictures, figures and script, and nothing else."""
    page = _PAGE.read_bytes()
    hashes = {tag: _hash_of(page, tag) for tag in ("style", "script")}
    policy = (
        f"default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src '{hashes['style']}'; "
        f"script-src '{hashes['script']}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Reply(page, "text/html; charset=utf-8", headers=(("Content-Security-Policy", policy),))


def _hash_of(page: bytes, tag: str) -> str:
    """How a policy names the only element of this kind (Content Security Policy Level 3, section 2.3.1)."""
    content = page.partition(f"<{tag}>".encode())[2].partition(f"</{tag}>".encode())[0]
    return f"sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}"
