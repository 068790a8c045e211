"""The real command on topics that are not as they should be: one line with the remedy, and nothing is stuck."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.ros2.messages import DIAGNOSTICS, IMAGE, Image
from edgeunet.camera.ros2.opening import open_node
from edgeunet.camera.ros2.transport import Publication
from edgeunet.cli import main
from tests.camera.ros2.network import image_of, new_topic
from tests.camera.running import Ended, Running

pytestmark = pytest.mark.usefixtures("loopback")
GREY = np.zeros((32, 48, 1), np.uint8)


@contextmanager
def publishing(topic: str, message: Callable[[], bytes]) -> Iterator[Publication]:
    node, ended = open_node(), threading.Event()
    publication = node.advertise(topic, IMAGE)

    def work() -> None:
        while not ended.wait(0.03):
            publication.publish(message())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield publication
    finally:
        ended.set()
        thread.join()
        node.close()


def ended_well(ended: Ended) -> None:
    assert (ended.code, "Traceback" in ended.errors) == (0, False), ended.errors
    assert ended.seconds < 5


def test_it_waits_for_a_topic_that_nobody_publishes(model: Path) -> None:
    topic = new_topic()
    with Running(model, "--source", f"ros2://{topic}") as running:
        running.said(f"ros2://{topic}: no node publishes on it: check its name with `ros2 topic list`")
        ended_well(running.end(signal.SIGINT))


def test_it_ends_while_it_waits(model: Path) -> None:
    with Running(model, "--source", f"ros2://{new_topic()}", "--ros2", new_topic("masks")) as running:
        assert running.line()["state"] == "none"
        ended_well(running.end(signal.SIGINT))


def test_it_waits_for_a_topic_of_another_type(model: Path) -> None:
    topic, node = new_topic(), open_node()
    node.advertise(topic, DIAGNOSTICS)
    with Running(model, "--source", f"ros2://{topic}") as running:
        running.said("its type is diagnostic_msgs/msg/DiagnosticArray, and sensor_msgs/msg/Image is expected")
        ended_well(running.end(signal.SIGTERM))
    node.close()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            lambda: image_of(GREY, "bayer_rggb8"),
            "'bayer_rggb8', which is not read: image_proc's debayer_node makes bgr8",
        ),
        (lambda: image_of(GREY.astype(np.uint16), "mono16"), "delivers uint16 [32, 48, 1], and the model takes uint8"),
    ],
)
def test_images_that_cannot_be_used_end_it(model: Path, message: Callable[[], Image], said: str) -> None:
    topic = new_topic()
    with (
        publishing(topic, lambda: message().to_bytes()),
        Running(model, "--source", f"ros2://{topic}") as running,
    ):
        ended = running.end()
    assert ended.code == 1
    assert said in ended.errors
    assert "Traceback" not in ended.errors


def test_a_topic_that_stops_does_not_touch_another_source(model: Path) -> None:
    topic = new_topic()
    with Running(model, "--source", f"ros2://{topic}", "--source", "synthetic://?width=320&height=240") as running:
        with publishing(topic, lambda: image_of(GREY, "mono8").to_bytes()):
            while running.lines(1)[0]["source"] != f"ros2://{topic}":
                pass
        running.said("no node publishes on it")
        assert {line["source"] for line in running.lines(50)[-10:]} == {"synthetic://"}
        ended_well(running.end(signal.SIGINT))


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (("--source", "ros2://camera"), {}, 2, "'ros2://camera' names no ROS 2 topic, such as /camera/image_raw"),
        (("--source", "0", "--ros2", "seg"), {}, 2, "'--ros2 seg' names no ROS 2 topic"),
        (("--source", "ros2:///a", "--ros2", "/a"), {}, 2, "--ros2 /a would publish on a topic that is also --source"),
        (("--source", "ros2:///a"), {"ROS_DOMAIN_ID": "1000"}, 2, "ROS_DOMAIN_ID is 0 to 232, got '1000'"),
        (("--source", "ros2:///a"), {"CYCLONEDDS_URI": "<Nonsense"}, 1, "Cyclone DDS does not start"),
    ],
)
def test_wrong_use(
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    variables: dict[str, str],
    code: int,
    said: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Running(model, *arguments) as running:
        ended = running.end()
    assert (ended.code, "Traceback" in ended.errors) == (code, False), ended.errors
    assert said in " ".join(ended.errors.split())


@pytest.mark.parametrize("option", [("--source", "ros2:///a"), ("--source", "synthetic://", "--ros2", "/a")])
def test_nothing_is_installed(
    model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    monkeypatch.setattr("edgeunet.camera.ros2.opening.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["edgeunet", "camera", str(model), *option])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    errors = " ".join(capfd.readouterr().err.split())
    assert "pip install 'edgeunet[ros2]' on x86-64; where ROS 2 is installed: source /opt/ros/*/setup.bash" in errors
