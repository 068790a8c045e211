from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.camera.frame import Shot
from edgeunet.camera.serving import viewer as module
from edgeunet.camera.serving.access import Access
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.serving.viewer import Viewer, serving_page
from edgeunet.camera.state.mask_state import STARTING
from edgeunet.camera.statistics import LoopStats, Quantiles
from edgeunet.imaging.letterbox import UInt8
from tests.camera.shots import shot_of
from tests.camera.videos import SIZE, number_of, numbered
from tests.models import toy_spec

SOURCES = ("left", "right")
AGE = Quantiles(4, 100_000_000, 20_000_000, 30_000_000, 41_500_000, 42_000_000)
STATS = {"left": LoopStats(published=7, dropped=2, misses=1, recent_fps=29.97, recent_age_ms=21.04, age=AGE)}
WAIT_S = 20


class Running:
    """A page on a free port, and the streams that the test opened."""

    def __init__(self, viewer: Viewer, port: int, stack: ExitStack) -> None:
        self.viewer = viewer
        self.port = port
        self._stack = stack

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        self._stack.callback(connection.close)
        connection.request("GET", path)
        response = connection.getresponse()
        self._stack.callback(response.close)
        return response


@contextmanager
def running() -> Iterator[Running]:
    said: list[str] = []
    with serving_page(Access(HostPort("127.0.0.1", 0)), toy_spec(), SOURCES, lambda: STATS, said.append) as viewer:
        assert re.fullmatch(r"watch: http://127.0.0.1:\d+/", said[0])
        with ExitStack() as stack:
            yield Running(viewer, int(said[0].split(":")[-1].strip("/")), stack)


def next_picture(response: http.client.HTTPResponse) -> UInt8:
    """The next part of a stream, decoded; its boundary has come with it."""
    assert response.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(response.readline().removeprefix(b"Content-Length: "))
    assert response.readline() == b"\r\n"
    data = response.read(length)
    assert response.readline() == b"\r\n"
    assert response.readline() == b"--frame\r\n"
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def open_stream(page: Running, path: str) -> http.client.HTTPResponse:
    response = page.get(path)
    assert response.status == 200
    assert response.getheader("Content-Type") == "multipart/x-mixed-replace; boundary=frame"
    assert response.readline() == b"--frame\r\n"
    return response


def test_each_view_shows_its_picture() -> None:
    camera, overlay = np.full((96, 128, 3), 60, np.uint8), np.full((96, 128, 3), 200, np.uint8)
    mask = np.zeros(toy_spec().input_size, np.uint8)
    mask[:, 24:] = 1  # car, green
    with running() as page:
        page.viewer.write(shot_of(overlay, source="right", pixels=camera, mask=mask))
        pictures = {
            view: next_picture(open_stream(page, f"/stream/1/{view}")) for view in ("camera", "overlay", "mask")
        }
    assert np.abs(pictures["camera"].astype(int) - 60).max() <= 2
    assert np.abs(pictures["overlay"].astype(int) - 200).max() <= 2
    assert np.abs(pictures["mask"][:, :50].astype(int) - (0, 0, 255)).max() <= 4
    assert np.abs(pictures["mask"][:, 80:].astype(int) - (0, 255, 0)).max() <= 4


def test_a_picture_wider_than_a_jpeg_may_be_is_shown_smaller() -> None:
    with running() as page:
        page.viewer.write(shot_of(np.zeros((8, 70_000, 3), np.uint8), source="left"))
        assert next_picture(open_stream(page, "/stream/0/overlay")).shape == (1, module.MAX_SIDE, 3)


def test_viewers_see_every_frame_that_they_are_in_time_for() -> None:
    with running() as page:
        streams = [open_stream(page, "/stream/0/overlay") for _ in range(3)]
        for number in range(5):
            page.viewer.write(shot_of(numbered(number), number=number, source="left"))
            assert [number_of(next_picture(stream)) for stream in streams] == [number] * 3


def test_a_frame_is_encoded_once_a_view_and_only_if_somebody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[tuple[int, str]] = []
    encode = Viewer._encode

    def counting(self: Viewer, shot: Shot, view: str) -> bytes:
        encoded.append((shot.frame.number, view))
        return encode(self, shot, view)

    monkeypatch.setattr(Viewer, "_encode", counting)
    with running() as page:
        for number in range(10):
            page.viewer.write(shot_of(numbered(number), number=number, source="left"))
        assert encoded == []
        for stream in [open_stream(page, "/stream/0/overlay") for _ in range(5)]:
            assert number_of(next_picture(stream)) == 9
        assert encoded == [(9, "overlay")]


def test_a_viewer_that_never_reads_delays_no_other_and_a_slow_one_gets_the_newest() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (720, 1280, 3), np.uint8)  # more than the system buffers, after a few frames
    with running() as page:
        silent, quick = open_stream(page, "/stream/0/overlay"), open_stream(page, "/stream/0/overlay")
        for number in range(30):
            picture = noise.copy()
            picture[: SIZE[0], : SIZE[1]] = numbered(number)
            page.viewer.write(shot_of(picture, number=number, source="left"))
            assert number_of(next_picture(quick)[: SIZE[0], : SIZE[1]]) == number
        seen = [number_of(next_picture(silent)[: SIZE[0], : SIZE[1]])]
        while seen[-1] != 29:
            seen.append(number_of(next_picture(silent)[: SIZE[0], : SIZE[1]]))
    assert len(seen) < 20  # what was on its way, then the newest
    assert seen == sorted(set(seen))


def test_writing_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    let = threading.Event()
    monkeypatch.setattr(Viewer, "_encode", lambda self, shot, view: let.wait(WAIT_S) and b"")
    with running() as page:
        open_stream(page, "/stream/0/overlay")
        for number in range(1000):  # comes back although the first is not encoded yet
            page.viewer.write(shot_of(numbered(0), number=number, source="left"))
        let.set()


def test_large_pictures_are_reduced_and_sizes_may_change() -> None:
    with running() as page:
        stream = open_stream(page, "/stream/0/camera")
        for size, shown in (((1080, 1920), (720, 1280)), ((2000, 500), (1280, 320)), ((97, 131), (97, 131))):
            page.viewer.write(shot_of(np.zeros((*size, 3), np.uint8), source="left"))
            assert next_picture(stream).shape[:2] == shown


def test_the_page_loads_nothing_from_elsewhere_and_its_policy_names_its_own_parts() -> None:
    with running() as page:
        response = page.get("/")
        text, policy = response.read().decode(), response.getheader("Content-Security-Policy") or ""
    assert text == Path(module.__file__).with_name("page.html").read_text(encoding="utf-8")
    assert re.fullmatch(
        r"default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'sha256-[\w+/=]{44}'; "
        r"script-src 'sha256-[\w+/=]{44}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        policy,
    )
    assert "://" not in text


def test_the_state_has_the_classes_and_every_source_s_figures() -> None:
    with running() as page:
        state = json.loads(page.get("/state").read())
    assert state["classes"] == [
        {"name": "road", "color": "#ff0000"},
        {"name": "car", "color": "#00ff00"},
        {"name": "sky", "color": "#0000ff"},
    ]
    left, right = state["sources"]
    assert left == {
        "name": "left",
        "state": "none",
        "reason": STARTING.reason,
        "fps": 30.0,
        "age": 21.0,
        "age_p50": 20.0,
        "age_p99": 41.5,
        "published": 7,
        "dropped": 2,
        "misses": 1,
        "corrupt": 0,
        "failed": 0,
        "unpaired": 0,
        "reconnects": 0,
    }
    assert (right["name"], right["published"]) == ("right", 0)  # nothing has come from it yet


@pytest.mark.parametrize(
    "path", ["/stream/2/overlay", "/stream/-1/overlay", "/stream/0/secret", "/stream/0", "/page.html"]
)
def test_other_paths_do_not_exist(path: str) -> None:
    with running() as page:
        assert page.get(path).status == 404
