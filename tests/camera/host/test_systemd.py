from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeunet.camera.host.systemd import Service
from edgeunet.camera.state.mask_state import Finding, MaskState, StateStats
from edgeunet.camera.statistics import LoopStats


@pytest.fixture
def supervisor(tmp_path: Path) -> socket.socket:
    """A real socket, as systemd's."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(10)
    return listener


def test_states_are_sent_and_the_watchdog_only_as_often_as_it_needs(
    tmp_path: Path, supervisor: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("edgeunet.camera.host.systemd.time", SimpleNamespace(monotonic=lambda: now[0]))
    with supervisor:
        service = Service({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000"})
        service.ready()
        for now[0] in (100.0, 100.1, 101.9, 102.0, 103.9, 104.1):
            service.alive()
        service.stopping()
        messages = [supervisor.recv(100).decode() for _ in range(5)]
    assert messages == ["READY=1", *["WATCHDOG=1"] * 3, "STOPPING=1"]


def test_the_status_line_says_each_state_when_it_changes_and_not_too_often(
    tmp_path: Path, supervisor: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("edgeunet.camera.host.systemd.time", SimpleNamespace(monotonic=lambda: now[0]))
    black = LoopStats(state=StateStats(Finding(MaskState.FROZEN, "black")))
    fresh = LoopStats(state=StateStats(Finding(MaskState.FRESH)))
    with supervisor:
        service = Service({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for now[0], stats in ((100.0, fresh), (100.5, black), (101.0, black), (109.0, black)):
            service.status({"front\nREADY=1": stats, "back": fresh})
        service.stopping()
        messages = [supervisor.recv(100).decode() for _ in range(3)]
    said = ["STATUS=front READY=1: fresh; back: fresh", "STATUS=front READY=1: frozen (black); back: fresh"]
    assert messages == [*said, "STOPPING=1"]


@pytest.mark.parametrize(("ours", "first"), [(True, b"WATCHDOG=1"), (False, b"STOPPING=1")])
def test_the_watchdog_of_another_process_is_not_ours(
    tmp_path: Path, supervisor: socket.socket, *, ours: bool, first: bytes
) -> None:
    with supervisor:
        pid = str(os.getpid()) if ours else "1"
        service = Service({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": pid})
        service.alive()
        service.stopping()
        assert supervisor.recv(100) == first


def test_an_abstract_socket_is_found() -> None:
    name = f"edgeunet-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(10)
        Service({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert listener.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_sent_and_a_lost_one_is_no_error(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1"}):
        service = Service(environment)
        service.ready()
        service.alive()
