"""The report in a real browser: everything is there, nothing is asked of a network, nothing is cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet_bench.report.write import Format, write_report
from tests.bench.report.makers import everything
from tests.browser import CUT_OFF, Browser, check_print

pytestmark = pytest.mark.slow

# Words in a plot that stand beyond its edge.
BEYOND = """[...document.querySelectorAll("svg text")].filter(text => {
  const [box, plot] = [text, text.closest("svg")].map(e => e.getBoundingClientRect());
  return Math.max(plot.left - box.left, box.right - plot.right, plot.top - box.top, box.bottom - plot.bottom) > 1;
}).map(text => [text.closest("figure").querySelector("figcaption").textContent, text.textContent])"""
SEEN = """[...document.querySelectorAll("%s")].filter(e => {
  const box = e.getBoundingClientRect(); return box.width > 50 && box.height > 20;
}).length"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, everything(), Format.HTML, force=False)
    return path.as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1280, "light")])
def test_it_is_whole_at_any_width_and_asks_no_network(
    browser: Browser, address: str, tmp_path: Path, width: int, scheme: str
) -> None:
    browser.resize(width, scheme)
    browser.requests.clear()
    browser.open(address)
    browser.screenshot(tmp_path / "report.png")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(CUT_OFF) == []
    assert browser.evaluate(BEYOND) == []
    plots = browser.evaluate("document.querySelectorAll('figure').length")
    assert plots > 15
    assert browser.evaluate(SEEN % "figure svg") == plots
    assert browser.evaluate(SEEN % "table") == browser.evaluate("document.querySelectorAll('table').length") > 20
    assert browser.evaluate("[...document.querySelectorAll('table')].every(table => table.tBodies[0].rows.length)")
    assert browser.requests == [address]
    assert browser.problems == []


def test_it_follows_light_and_dark(browser: Browser, address: str) -> None:
    shown = []
    for scheme in ("light", "dark"):
        browser.resize(1280, scheme)
        browser.open(address)
        ink = "getComputedStyle(document.querySelector('figure svg text')).fill"
        shown.append((browser.evaluate("getComputedStyle(document.body).backgroundColor"), browser.evaluate(ink)))
    assert shown == [("rgb(255, 255, 255)", "rgb(26, 29, 33)"), ("rgb(20, 23, 26)", "rgb(230, 233, 236)")]


def test_it_leads_to_every_section(browser: Browser, address: str) -> None:
    browser.open(address)
    links = "[...document.querySelectorAll('nav a')]"
    assert browser.evaluate(f"{links}.length") == 19
    assert browser.evaluate(
        f"{links}.every(a => document.querySelector('section[id=\"' + a.hash.slice(1) + '\"] h2').textContent"
        " === a.textContent)"
    )


def test_it_prints_on_white_without_cutting_anything_off(browser: Browser, address: str) -> None:
    check_print(browser, address)
