"""Files are told apart by their schema; what does not belong into a report is named with the remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeunet.errors import EdgeUNetError, RecordError, UsageError
from edgeunet.evaluation.scores_file import OLDER, SCHEMA, load_scores
from edgeunet_bench.report.report_inputs import load_inputs
from tests.bench.records import toy_record
from tests.bench.report.makers import inputs_of, toy_comparison, toy_qualification, toy_scores, toy_sweep


def _write(path: Path, item: Any) -> Path:
    item.save(path, force=False)
    return path


def _scores_file(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps({"schema": SCHEMA, **vars(toy_scores()), **changes}))
    return path


def test_every_kind_of_file_is_known_by_its_schema(tmp_path: Path) -> None:
    items = toy_sweep(), toy_qualification(), toy_comparison(), toy_record(np.ones(9))
    files = [_write(tmp_path / f"{i}.json", item) for i, item in enumerate(items)]
    inputs = load_inputs([*files, _scores_file(tmp_path / "scores.json")], [])
    assert [len(x) for x in (inputs.records, inputs.comparisons, inputs.sweeps, inputs.scores)] == [1, 1, 1, 1]
    assert inputs.qualifications == [toy_qualification()]
    assert inputs.measured == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "edgeunet.unknown/1"}, "is of the kind 'edgeunet.unknown/1', which cannot be in a report"),
        ({"schema": "edgeunet.latency/1"}, "measure again"),
        ({"schema": 7}, "schema: expected text, got a whole number"),
        ({"created": "yesterday"}, "ISO 8601"),
        ({"starts_ms": [0.0]}, "measure again"),
    ],
)
def test_other_files_are_named_in_one_line(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = _write(tmp_path / "r.json", toy_record(np.ones(9)))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(RecordError, match=r"r\.json") as error:
        load_inputs([path], [])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("item", [toy_sweep(), toy_qualification(), toy_comparison()])
def test_every_file_says_when_it_was_made(tmp_path: Path, item: Any) -> None:
    path = _write(tmp_path / "x.json", item)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"created": "2026-01-02T03:04:05"}))
    with pytest.raises(RecordError, match=r"x\.json.*UTC"):
        load_inputs([path], [])


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, None])
def test_what_cannot_be_read_is_no_traceback(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "r.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EdgeUNetError, match=r"r\.json"):
        load_inputs([path], [])


def test_scores_of_another_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no record is of the model behind the scores"):
        inputs_of(toy_record(np.ones(9)), toy_scores("00" * 32))
    with pytest.raises(RecordError, match="two scores files"):
        inputs_of(toy_record(np.ones(9)), toy_scores(), toy_scores())
    with pytest.raises(UsageError, match="accuracy only"):
        load_inputs([_scores_file(tmp_path / "scores.json")], [])


def test_scores_files_are_read_or_named(tmp_path: Path) -> None:
    path = _scores_file(tmp_path / "scores.json")
    assert load_scores(path) == toy_scores()
    assert load_scores(_scores_file(path, mean_boundary_f1=0.4)) == toy_scores(mean_boundary_f1=0.4)
    assert load_scores(_scores_file(path, schema=OLDER)) == toy_scores()
    for damage in (
        {"schema": "edgeunet.scores/9"},
        {"miou": "good"},
        {"miou": float("nan")},
        {"iou": [1]},
        {"mean_boundary_f1": "x"},
    ):
        _scores_file(path, **damage)
        with pytest.raises(RecordError, match=r"edgeunet evaluate"):
            load_scores(path)
    value = json.loads(_scores_file(path).read_text())
    del value["split"]
    path.write_text(json.dumps(value))
    with pytest.raises(RecordError, match="'split'"):
        load_scores(path)
