"""The launch file, read with stand-ins for ROS 2's `launch`: its command is one of edgeunet's."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.commands import parse

LAUNCH = Path(__file__).parents[2] / "jetson" / "ros2" / "segmentation.launch.py"


@pytest.fixture
def entities(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the launch file describes. FAKE: the classes only keep what they are given, as the real ones name it."""

    def argument(name: str, *, default_value: str | None = None, description: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, default=default_value, description=description)

    def process(*, cmd: Any, output: str, respawn: bool, respawn_delay: float) -> SimpleNamespace:
        return SimpleNamespace(cmd=cmd, output=output, respawn=respawn)

    members: dict[str, dict[str, Any]] = {
        "launch": {"LaunchDescription": list},
        "launch.actions": {"DeclareLaunchArgument": argument, "ExecuteProcess": process},
        "launch.substitutions": {"LaunchConfiguration": lambda name: SimpleNamespace(name=name)},
    }
    for name, held in members.items():
        module = ModuleType(name)
        module.__dict__.update(held)
        monkeypatch.setitem(sys.modules, name, module)
    described: list[Any] = runpy.run_path(str(LAUNCH))["generate_launch_description"]()
    return described


def test_the_launch_file_runs_a_command_of_edgeunet(entities: list[Any]) -> None:
    *arguments, process = entities
    values = {argument.name: argument.default or "model.engine" for argument in arguments}
    assert [argument.name for argument in arguments if argument.default is None] == ["model"]

    def text(part: Any) -> str:
        if isinstance(part, list):
            return "".join(map(text, part))
        return part if isinstance(part, str) else values[part.name]

    command = [text(part) for part in process.cmd]
    assert command[0] == "edgeunet"
    parse(command[1:])
    assert "ros2:///camera/image_raw" in command
    assert process.respawn
    used = {part.name for part in (*process.cmd, *process.cmd[4]) if isinstance(part, SimpleNamespace)}
    assert used == set(values), "an argument that nothing uses"
