"""The page in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.serving.access import Access
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.serving.viewer import Viewer, serving_page
from edgeunet.camera.state.mask_state import Finding, MaskState, StateStats
from edgeunet.camera.statistics import LoopStats, Quantiles
from tests.browser import Browser
from tests.camera.shots import shot_of
from tests.models import toy_spec

pytestmark = pytest.mark.slow

SOURCES = ("camera 0", "rtsp://10.0.0.5:554/a-stream-with-a-very-long-name-that-does-not-fit-a-phone")
TOKEN = "a token; of 8 + characters"  # noqa: S105
AGE = Quantiles(40, 10**9, 20_000_000, 30_000_000, 41_500_000, 42_000_000)
# The colour in the middle of a picture, as [red, green, blue].
COLOR = """(index => {
  const image = document.querySelectorAll("figure img")[index];
  if (!image || !image.naturalWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return Array.from(context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data).slice(0, 3);
})(%d)"""
LIKE = "(([r, g, b], [x, y, z]) => Math.abs(r-x) + Math.abs(g-y) + Math.abs(b-z) < 20)(%s || [-99, -99, -99], %s)"


class Loop:
    """Replaces the loop: publishes a frame of each source every few milliseconds until it is stopped."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self.published = 0
        self.state = Finding(MaskState.FROZEN, "black")

    def stats(self) -> dict[str, LoopStats]:
        state = StateStats(self.state)
        one = LoopStats(
            published=self.published, dropped=3, misses=1, recent_fps=31.42, recent_age_ms=21, age=AGE, state=state
        )
        return dict.fromkeys(SOURCES, one)

    def __enter__(self) -> Loop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _publish(self) -> None:
        overlay, pixels = (
            np.full((180, 320, 3), (30, 20, 10), np.uint8),
            np.full((180, 320, 3), (0, 200, 200), np.uint8),
        )
        mask = np.ones(toy_spec().input_size, np.uint8)
        while not self._stop.wait(0.02):
            for source in SOURCES:
                self._viewer.write(shot_of(overlay, number=self.published, source=source, pixels=pixels, mask=mask))
            self.published += 1


@contextmanager
def page(token: str | None = None, port: int = 0) -> Iterator[tuple[str, Loop]]:
    """The address of a page whose loop runs."""
    said: list[str] = []
    loops: list[Loop] = []
    access = Access(HostPort("127.0.0.1", port), token)
    with serving_page(access, toy_spec(), SOURCES, lambda: loops[0].stats(), said.append) as viewer:
        loops.append(Loop(viewer))
        with loops[0] as loop:
            yield said[0].removeprefix("watch: ").partition("?")[0], loop


def shows(color: str, index: int = 0) -> str:
    """An expression that is true when a source's picture has this colour."""
    return LIKE % (COLOR % index, color)


def test_it_shows_every_source_live_and_switches_between_the_views(browser: Browser) -> None:
    with page() as (address, _):
        browser.open(address)
        for view, color in (("overlay", "[10, 20, 30]"), ("camera", "[200, 200, 0]"), ("mask", "[0, 255, 0]")):
            browser.wait_for(f"document.querySelector('input[value={view}]')?.closest('label').click() === undefined")
            for index in range(len(SOURCES)):
                browser.wait_for(shows(color, index))
        assert browser.evaluate("[...document.querySelectorAll('h2')].map(h => h.textContent)") == list(SOURCES)
        classes = (
            "[...document.querySelectorAll('#classes li')].map(c => [c.textContent, c.firstChild.style.background])"
        )
        assert browser.evaluate(classes) == [
            ["road", "rgb(255, 0, 0)"],
            ["car", "rgb(0, 255, 0)"],
            ["sky", "rgb(0, 0, 255)"],
        ]
        assert browser.evaluate("document.getElementById('status').textContent") == "live"
    assert browser.problems == []


def test_its_figures_move(browser: Browser) -> None:
    groups = "[...document.querySelectorAll('figure:first-child dl div:not([hidden])')]"
    figures = f"Object.fromEntries({groups}.map(group => [...group.children].map(child => child.textContent)))"
    with page() as (address, _):
        browser.open(address)
        browser.wait_for("document.querySelector('dd')?.textContent")
        first = browser.evaluate(figures)
        browser.wait_for(f"({figures}).frames > {first['frames']}")
    assert {name: value for name, value in first.items() if name != "frames"} == {
        "rate": "31.4 fps",
        "age now": "21 ms",
        "age p50": "20 ms",
        "age p99": "42 ms",
        "dropped": "3",
        "late": "1",
    }, "faults are shown once there is one"


def test_it_shows_each_state_and_whether_it_is_bad(browser: Browser) -> None:
    lines = "[...document.querySelectorAll('figcaption p')].map(line => [line.textContent, line.className])"
    with page() as (address, loop):
        browser.open(address)
        browser.wait_for(f"({lines}).length === {len(SOURCES)} && ({lines})[0][0] === 'frozen: black'")
        assert browser.evaluate(lines) == [["frozen: black", "bad"]] * len(SOURCES)
        loop.state = Finding(MaskState.FRESH)
        browser.wait_for(f"({lines})[0][0] === 'fresh'")
        assert browser.evaluate(lines) == [["fresh", ""]] * len(SOURCES)


def test_it_says_when_the_loop_has_ended_and_comes_back_with_it(browser: Browser) -> None:
    with page() as (address, _):
        browser.open(address)
        browser.wait_for("document.getElementById('status').className === 'live'")
    browser.wait_for("document.getElementById('status').className === 'lost'")
    assert "trying again" in browser.evaluate("document.getElementById('status').textContent")
    with page(port=int(address.strip("/").rpartition(":")[2])):
        browser.wait_for("document.getElementById('status').className === 'live'")
        browser.wait_for("document.querySelector('figure img').naturalWidth")
    browser.problems.clear()  # refused connections


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_it_fits_a_phone_and_follows_light_and_dark(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    browser.resize(width, scheme)
    with page() as (address, _):
        browser.open(address)
        browser.wait_for(shows("[10, 20, 30]"))
        browser.screenshot(Path(tmp_path) / "page.png")
        assert browser.evaluate("document.documentElement.scrollWidth") == width
        assert browser.evaluate("innerWidth") == width
        columns = browser.evaluate(
            "getComputedStyle(document.querySelector('main')).gridTemplateColumns.split(' ').length"
        )
        assert columns == (1 if width == 400 else 2)  # side by side where there is room
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(245, 246, 248)" if scheme == "light" else "rgb(15, 18, 22)"
        )


def test_a_token_opens_it_once_and_leaves_its_address(browser: Browser) -> None:
    with page(TOKEN) as (address, _):
        browser.open(address)
        browser.wait_for("document.body?.textContent.startsWith('401')")
        browser.problems.clear()
        browser.open(f"{address}?token=a+token%3B+of+8+%2B+characters")
        browser.wait_for(shows("[10, 20, 30]"))
        assert browser.evaluate("location.href") == address
    assert browser.problems == []
