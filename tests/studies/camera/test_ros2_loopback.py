"""Images over loopback, from process to process: none is read twice or waits for others, and lost ones are counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.studies.camera import ros2_loopback
from benchmarks.studies.camera.ros2_loopback import SMALL, exchange
from benchmarks.studies.study import app_of
from tests.camera.ros2.network import needs_cyclone
from tests.marks import slow

pytestmark = needs_cyclone
OLD_MS = 1000.0  # images that queue up grow older; other programs alone do not make them so old


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [2_000, *slow(100_000)])
def test_images_are_new_and_in_order(count: int) -> None:
    found = exchange(replace(SMALL, count=count))
    assert found["published"] == count == found["read"] + found["lost"]
    assert found["in_order"]
    assert found["corrupt"] == 0
    assert found["read"] > count / 2
    assert found["age_p50_ms"] <= found["age_p99_ms"] < OLD_MS
    assert found["notes"] == []


def test_the_study_writes_all_its_arms(tmp_path: Path) -> None:
    path = tmp_path / "ros2.json"
    ran = CliRunner().invoke(app_of(ros2_loopback.main), ["-o", str(path), "--small", "200", "--large", "10"])
    assert ran.exit_code == 0, ran.output
    result = json.loads(path.read_text())
    assert [result[name]["published"] for name in ("small", "hd", "hd_with_their_buffer")] == [200, 10, 10]
    assert result["codec"]["read_ms"] < result["codec"]["their_read_ms"]
    assert "hd: " in ran.stdout
