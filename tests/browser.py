"""Chromium, steered over a pipe: the DevTools protocol (chromedevtools.github.io/devtools-protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.processes import started

WAIT_S = 30
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync", "--remote-debugging-pipe", "--window-size=1200,900"),
)

# The browser reads commands from descriptor 3 and answers on descriptor 4.
LAUNCH = """
import os, sys
first, second = (os.dup(int(descriptor)) for descriptor in sys.argv[1:3])
for source, target in ((first, 3), (second, 4)):
    os.dup2(source, target)
    os.set_inheritable(target, True)
os.execv(sys.argv[3], sys.argv[3:])
"""

# What stands beyond the window or its own box: [what it is, its text].
CUT_OFF = """[...document.querySelectorAll("h1, h2, h3, p, a, th, td, figure, figcaption, svg, .bounds")].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && (box.left < 0 || box.right > innerWidth + 0.5 || e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).display !== "inline" && !(e instanceof SVGElement));
}).map(e => [e.tagName, e.textContent.trim().slice(0, 40)])"""


class Browser:
    """One tab of a browser without a screen."""

    def __init__(self, commands: BinaryIO, answers: BinaryIO) -> None:
        self._commands = commands
        self._answers = answers
        self._number = 0
        self._session: str | None = None
        self._loaded = False
        self.problems: list[str] = []  # what the page's console has of errors and broken policies
        self.requests: list[str] = []  # every address that the page asked for
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the protocol and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, address: str) -> None:
        """Go to a page and wait until it is read."""
        self._loaded = False
        self.call("Page.navigate", url=address)
        while not self._loaded:
            self._next()

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Evaluate an expression until it is true."""
        end = time.monotonic() + WAIT_S
        while not (value := self.evaluate(script)):
            assert time.monotonic() < end, f"never true: {script}"
        return value

    def resize(self, width: int, scheme: str) -> None:
        """A window of this width; scheme: light or dark. At 400 it is a phone."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width == 400}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _next(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            data += byte
        answer: dict[str, Any] = json.loads(data)
        self._loaded |= answer.get("method") == "Page.domContentEventFired"
        if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
            self.problems.append(answer["params"]["entry"]["text"])
        if answer.get("method") == "Network.requestWillBeSent":
            self.requests.append(answer["params"]["request"]["url"])
        if answer.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(answer["params"]))
        return answer


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with a new profile in this folder; skips the test where no Chromium is installed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no browser to look at the page with: apt install chromium")
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    descriptors = (to_browser, from_browser)
    command = [sys.executable, "-c", LAUNCH, *map(str, descriptors), chromium, *OPTIONS, f"--user-data-dir={profile}"]
    with (
        started(command, pass_fds=descriptors, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
        os.fdopen(commands, "wb", buffering=0) as commands_file,
        os.fdopen(answers, "rb") as answers_file,
    ):
        for descriptor in descriptors:
            os.close(descriptor)
        yield Browser(commands_file, answers_file)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def check_print(browser: Browser, address: str) -> None:
    """A page is black on white on A4, tables are tables, and nothing is wider than the paper."""
    browser.resize(700, "dark")  # what A4 less its margins is at 96 dots an inch
    browser.open(address)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        assert browser.evaluate("getComputedStyle(document.querySelector('tbody tr')).display") == "table-row"
        assert browser.evaluate("document.documentElement.scrollWidth") <= 700
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert len(browser.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]) > 10_000
