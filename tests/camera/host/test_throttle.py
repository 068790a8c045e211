from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgeunet.camera.host.throttle import ThrottleWatch
from tests.board.sensor_trees import AGX_ORIN, ORIN_NANO, VM, write_tree

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

WAIT_S = 20


def test_throttling_is_reported_again_and_again(tmp_path: Path) -> None:
    told = threading.Semaphore(0)
    with ThrottleWatch(told.release, root=write_tree(tmp_path, AGX_ORIN), every_s=0.01):
        for _ in range(3):
            assert told.acquire(timeout=WAIT_S)


def test_throttling_is_reported_from_its_start_and_not_before(tmp_path: Path) -> None:
    """Also by a counter of events, and although the first files vanish meanwhile."""
    told = threading.Semaphore(0)
    write_tree(tmp_path, ORIN_NANO)
    with ThrottleWatch(told.release, root=tmp_path, every_s=0.01):
        assert not told.acquire(timeout=0.2)
        for device in (tmp_path / "sys/class/thermal").glob("cooling_device*/cur_state"):
            device.unlink()
        write_tree(tmp_path, {"sys/class/hwmon/hwmon3/oc3_event_cnt": "38\n"})
        assert told.acquire(timeout=WAIT_S)


def test_a_sensor_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    told = threading.Semaphore(0)
    state = "sys/class/thermal/cooling_device1/cur_state"
    tree = {name: text for name, text in AGX_ORIN.items() if "event_cnt" not in name}
    write_tree(tmp_path, {name: "?\n" if name.endswith("cur_state") else text for name, text in tree.items()})
    with ThrottleWatch(told.release, root=tmp_path, every_s=0.01):
        assert not told.acquire(timeout=0.2)
        write_tree(tmp_path, {state: "1\n"})
        assert told.acquire(timeout=WAIT_S)


def test_a_machine_without_the_sensor_is_not_watched(tmp_path: Path) -> None:
    watch = ThrottleWatch(pytest.fail, root=write_tree(tmp_path, VM), every_s=0.01)
    with watch:
        watch._thread.join(WAIT_S)
        assert not watch._thread.is_alive()
