"""A part that fails is missing, with the reason, and what else was measured is kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.studies.peers.exported_files import ExportedFiles
from benchmarks.studies.peers.kept_networks import KeptNetwork
from benchmarks.studies.peers.loops import video_loops as loops
from benchmarks.studies.peers.parts import found_or_missing, require_parts
from benchmarks.studies.peers.peer_python import PeerPython
from edgeunet.errors import CommandError, UsageError
from edgeunet.samples import CLIP


def test_a_part_that_fails_is_missing_with_its_reason(tmp_path: Path) -> None:
    def fails(error: Exception) -> None:
        raise error

    assert found_or_missing("bare", tmp_path, lambda: 3) == 3
    found = found_or_missing("bare", tmp_path, lambda: fails(CommandError(f"see {tmp_path}/loop.log")))
    assert found == {"missing": "see RUNS/loop.log"}
    assert found_or_missing("bare", tmp_path, lambda: fails(KeyError("fps"))) == {"missing": "KeyError: 'fps'"}


def test_a_part_of_no_name_is_refused() -> None:
    require_parts(("live", "video"))
    with pytest.raises(UsageError, match="no part 'age': --parts is some of scores,bare,video"):
        require_parts(("live", "age"))


def test_a_network_whose_loop_fails_is_missing_and_the_others_are_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files(name: str) -> ExportedFiles:
        path = tmp_path / f"{name}.onnx"
        return ExportedFiles(KeptNetwork(name, tmp_path, path, 1.0), path, path, {})

    turns: list[str] = []

    def our_loop(model: Path, source: Path, *, draw: bool) -> dict[str, float]:
        turns.append(model.stem)
        if model.stem == "lite" and draw:
            raise CommandError("it hangs")
        return {"frames": 221, "fps": 30.0, "cpu_ms": 4.0}

    monkeypatch.setattr(loops, "our_loop", our_loop)
    peer = PeerPython(Path(sys.executable), tmp_path)
    without = ExportedFiles(KeptNetwork("small", tmp_path, tmp_path, 1.0), None, None, {"fp32": "no weights"})
    found = loops.video_loops([files("lite"), files("nano"), without], peer, CLIP, (32, 48), 2)
    assert found["nano"]["plain"] == found["nano"]["drawn"] == {"frames": 221, "fps": 30.0, "cpu_ms": 4.0}
    assert (found["lite"], found["small"]) == ({"missing": "it hangs"}, {"missing": "no weights"})
    assert turns == ["lite", "lite", "nano", "nano", "nano", "nano"]
