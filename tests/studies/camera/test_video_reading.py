from __future__ import annotations

from pathlib import Path

from benchmarks.studies.camera.video_reading import compare_readers
from tests.camera.videos import write_numbered


def test_both_readers_give_the_same_and_take_turns(tmp_path: Path) -> None:
    result = compare_readers(write_numbered(tmp_path / "n.mp4", 10), 2)
    assert result["differing_frames"] == 0
    assert len(result["rounds"]) == 2
    assert result["median_ratio"] > 0
