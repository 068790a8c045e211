"""The page in a real browser: whole at any width, with any number of classes, and its pictures grow when chosen."""

from __future__ import annotations

import colorsys
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.evaluation.page import EvaluationPage
from edgeunet.evaluation.score import evaluate_model
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import ClassInfo, ModelSpec
from tests.browser import CUT_OFF, Browser, check_print

pytestmark = pytest.mark.slow

SIZE = (96, 128)
SMALLEST_MATRIX = "Math.min(...[...document.querySelectorAll('.matrix td')].map(e => e.getBoundingClientRect().width))"


class Shifted:
    """Segments a frame that shows the class index of each pixel as its grey: moved down, and one class for another."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def segment(self, frame: UInt8) -> UInt8:
        mask = np.roll(frame[:, :, 0], 3, 0) // 6
        mask[mask == 1] = 0
        return np.asarray(mask, np.uint8)


def write_page(folder: Path, classes: int) -> Path:
    """A page on eight frames of so many classes, with names as long as those of Cityscapes."""
    rng = np.random.default_rng(classes)
    names = [f"{'rectification border'[: 4 + i % 14]} {i}" for i in range(classes)]
    colors = [tuple(int(255 * v) for v in colorsys.hsv_to_rgb(i / classes, 0.7, 0.9)) for i in range(classes)]
    for kind in ("images", "masks"):
        (folder / kind / "val").mkdir(parents=True)
    for number in range(8):
        coarse = rng.integers(0, classes, (8, 10), dtype=np.uint8)
        label = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / "images" / "val" / f"{number}.png"), cv2.merge([label * 6] * 3))
        cv2.imwrite(str(folder / "masks" / "val" / f"{number}.png"), label)
    entries = [{"index": i, "name": n, "color": c} for i, (n, c) in enumerate(zip(names, colors, strict=True))]
    (folder / "classes.json").write_text(json.dumps({"classes": entries}))
    model = folder / "model.onnx"
    model.write_bytes(b"stands for a model file")
    segmenter = Shifted(ModelSpec(tuple(ClassInfo(n, (*c,)) for n, c in zip(names, colors, strict=True)), SIZE))  # type: ignore[arg-type]
    page = EvaluationPage(folder / "page.html", force=False)
    page.write(evaluate_model(segmenter, model, folder, "val"), segmenter)
    return folder / "page.html"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """By the number of classes."""
    return {n: write_page(tmp_path_factory.mktemp("page"), n).as_uri() for n in (2, 34)}


@pytest.mark.parametrize("classes", [2, 34])
@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1280, "light")])
def test_it_is_whole_at_any_width_and_asks_no_network(
    browser: Browser, addresses: dict[int, str], width: int, scheme: str, classes: int
) -> None:
    browser.resize(width, scheme)
    browser.requests.clear()
    browser.open(addresses[classes])
    browser.wait_for("[...document.images].every(image => image.complete)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    cut_off = browser.evaluate(CUT_OFF)
    if width == 400:  # there the confusion matrix scrolls in its own box
        cut_off = [e for e in cut_off if e[0] not in ("TH", "TD")]
    assert cut_off == []
    assert browser.evaluate("document.images.length") > 20
    assert browser.evaluate("[...document.images].every(image => image.naturalWidth && image.width > 100 && image.alt)")
    assert browser.evaluate("document.querySelectorAll('.matrix td').length") == classes**2
    assert browser.evaluate(SMALLEST_MATRIX) > 20
    assert [r for r in browser.requests if not r.startswith("data:")] == [addresses[classes]]
    assert browser.problems == []


def test_a_picture_grows_when_it_is_chosen_and_shrinks_again(browser: Browser, addresses: dict[int, str]) -> None:
    browser.resize(1280, "light")
    browser.open(addresses[2])
    picture = "document.querySelector('#worst figure')"
    width = f"{picture}.getBoundingClientRect().width"
    small = browser.evaluate(width)
    browser.evaluate(f"{picture}.querySelector('a').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r"
        )
    browser.wait_for(f"{width} > 3 * {small}")
    browser.evaluate(f"{picture}.querySelector('.smaller').click()")
    browser.wait_for(f"{width} === {small}")


def test_it_follows_light_and_dark(browser: Browser, addresses: dict[int, str]) -> None:
    shown = []
    for scheme in ("light", "dark"):
        browser.resize(1280, scheme)
        browser.open(addresses[2])
        heat = "getComputedStyle(document.querySelector('.matrix td.right')).backgroundColor"
        shown.append((browser.evaluate("getComputedStyle(document.body).backgroundColor"), browser.evaluate(heat)))
    assert [s[0] for s in shown] == ["rgb(255, 255, 255)", "rgb(20, 23, 26)"]
    assert [s[1].rpartition(",")[0] for s in shown] == ["rgba(29, 79, 145", "rgba(143, 184, 238"]


def test_it_prints_on_white_without_cutting_anything_off(browser: Browser, addresses: dict[int, str]) -> None:
    check_print(browser, addresses[34])
