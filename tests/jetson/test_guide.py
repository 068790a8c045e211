"""jetson/README.md and the Dockerfile name commands and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.jetson.commands import unknown_options

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "jetson/README.md").read_text()


def test_commands_of_the_guide_exist() -> None:
    typed = [part for line in GUIDE.splitlines() if line.startswith("    ") for part in line.split("&&")]
    quoted = re.findall(r"`([^`]+)`", GUIDE)
    lines = [part.strip() for part in (*typed, *quoted)]
    calls = [line.removeprefix("edgeunet ") for line in lines if re.match(r"edgeunet [a-z]+ ", line)]
    assert len(calls) > 15
    assert [call for call in calls if unknown_options(call)] == []


def test_files_that_the_guide_names_are_there() -> None:
    named = set(re.findall(r"(?<!-)(?:jetson|tests/\w+)/[\w@.-]*\w|tests/doctor", GUIDE))
    assert {"jetson/setup.sh", "jetson/camera.env", "jetson/Dockerfile"} <= named
    assert [name for name in named if not list(ROOT.glob(f"{name}*"))] == []


def test_the_image_gets_every_package() -> None:
    copied = re.findall(r"^COPY (.*) \S+$", (ROOT / "jetson/Dockerfile").read_text(), re.MULTILINE)
    sources = {name for line in copied for name in line.split()}
    assert {"pyproject.toml", "edgeunet", "export", "benchmarks", "jetson"} <= sources
    assert all((ROOT / name).exists() for name in sources)
