from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeunet.doctor import Check, Host, examine
from tests.doctor.systems import SYSTEMS, System

Visit = Callable[[System], dict[str, Check]]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[System], Host]:
    """A system as the doctor sees it, with its modules to import."""

    def host_of(system: System) -> Host:
        for name, module in system.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        return system.host(tmp_path)

    return host_of


@pytest.fixture
def visit(host: Callable[[System], Host]) -> Visit:
    """What the doctor says of a system, by part."""
    return lambda system: {f.part: f for f in examine(host(system))}


@pytest.fixture(params=SYSTEMS)
def name(request: pytest.FixtureRequest) -> str:
    """Each system's name in turn."""
    return str(request.param)
