"""The Dockerfile copies what it needs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_image_gets_every_package() -> None:
    copied = re.findall(r"^COPY (.*) \S+$", (ROOT / "jetson/Dockerfile").read_text(), re.MULTILINE)
    sources = {name for line in copied for name in line.split()}
    assert {"pyproject.toml", "edgeunet", "export", "benchmarks", "jetson"} <= sources
    assert all((ROOT / name).exists() for name in sources)
