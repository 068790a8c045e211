"""The file of a comparison, what is made of it, and the verdict that anybody can compute again."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from edgeunet.errors import RecordError
from edgeunet_bench.guard.commands import judge_again
from edgeunet_bench.guard.comparison import Comparison, judgement_to_dict
from edgeunet_bench.guard.judging.judgement import Judgement, Verdict, judge
from edgeunet_bench.guard.judging.samples import ProcessPair, Round
from edgeunet_bench.guard.running.arms import Arm
from edgeunet_bench.guard.verdict_output import answer, markdown, write_junit, write_markdown


def toy_comparison(slower: float = 1.0, *, pairs: int = 9, seed: int = 3, **changes: object) -> Comparison:
    """A comparison of made samples, judged; `changes` replace its fields."""
    rng = np.random.default_rng(1)
    made = tuple(
        ProcessPair(
            tuple(
                Round(
                    rng.normal(2, 0.01, 8),
                    rng.normal(2 * slower, 0.01, 8),
                    np.ones(1),
                    np.ones(1),
                    rng.normal(0.1, 0.001, 3),
                    rng.normal(0.1, 0.001, 3),
                )
                for _ in range(60)
            ),
            0.01,
        )
        for _ in range(pairs)
    )
    judgement = judge(made, seed=seed)
    fields: dict[str, object] = {
        "a": Arm("old.onnx", {"model": "old.onnx", "SHA-256": "ab" * 32}),
        "b": Arm("new.onnx", {"model": "new.onnx", "SHA-256": "cd" * 32}),
        "machine": {"cpu": "Some CPU"},
        "judgement": judgement,
        "looks": (judgement,),
        "pairs": made,
        "seed": seed,
        "seconds": 60.0,
        "created": "2026-01-02T03:04:05+00:00",
        "command": "edgeunet bench compare old.onnx new.onnx",
    }
    return Comparison(**(fields | changes))  # type: ignore[arg-type]


def test_the_verdict_follows_from_the_file_to_the_last_digit(tmp_path: Path) -> None:
    comparison = toy_comparison(1.05)
    comparison.save(tmp_path / "c.json", force=False)
    loaded = Comparison.load(tmp_path / "c.json")
    assert loaded.judgement == comparison.judgement
    assert judge(loaded.pairs, seed=loaded.seed) == comparison.judgement
    assert loaded.looks == comparison.looks
    assert loaded.b == comparison.b


def test_figures_that_are_none_survive_the_file(tmp_path: Path) -> None:
    nothing = Judgement(Verdict.REFUSED, "measured under different conditions")
    replace(toy_comparison(), judgement=nothing, looks=(nothing,), pairs=()).save(tmp_path / "c.json", force=False)
    loaded = Comparison.load(tmp_path / "c.json").judgement
    assert loaded.verdict is Verdict.REFUSED
    assert math.isnan(loaded.ratio)
    assert judgement_to_dict(loaded)["ratio"] is None


def test_what_was_refused_after_some_pairs_stays_refused(tmp_path: Path) -> None:
    refused = Judgement(Verdict.REFUSED, "measured under different conditions")
    replace(toy_comparison(), judgement=refused, looks=(refused,)).save(tmp_path / "c.json", force=False)
    stored, again = judge_again(tmp_path / "c.json")
    assert again == stored.judgement
    toy_comparison(1.05).save(tmp_path / "d.json", force=False)
    stored, again = judge_again(tmp_path / "d.json")
    assert again == stored.judgement
    assert again.verdict is Verdict.REGRESSED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v | {"schema": "edgeunet.comparison/0"}, "expected 'edgeunet.comparison/1'"),
        (lambda v: {k: x for k, x in v.items() if k != "seed"}, "the field 'seed' is missing"),
        (lambda v: v | {"pairs": [{"foreign": 0, "throttled": False, "rounds": [{}]}]}, "the field 'a_ms' is missing"),
        (lambda v: v | {"seed": -1}, "seed: expected a whole number >= 0"),
        (lambda v: v | {"seed": 2**70}, "seed"),
        (lambda v: v | {"looks": []}, "at least one judgement"),
        (lambda v: v | {"created": "now"}, "created is 'now'"),
        (
            lambda v: v | {"pairs": [*v["pairs"], v["pairs"][0] | {"rounds": v["pairs"][0]["rounds"][1:]}]},
            "the same number of rounds",
        ),
        (lambda v: v | {"pairs": []}, "rounds without a time of A or B"),
        (lambda v: v | {"judgement": v["judgement"] | {"low": None}}, "a ratio and no low"),
        (lambda v: v | {"judgement": v["judgement"] | {"tail_a": -0.1}}, "judgement.tail_a"),
        (lambda v: v | {"judgement": v["judgement"] | {"reason": 5}}, "judgement.reason: expected text"),
        (lambda v: v | {"judgement": v["judgement"] | {"verdict": "FINE"}}, "verdict: invalid enum value 'FINE'"),
        (lambda v: v | {"machine": 5}, "machine: expected an object, got a whole number"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, change: object, said: str) -> None:
    value = toy_comparison(pairs=1).to_dict()
    (tmp_path / "c.json").write_text(json.dumps(change(value)))  # type: ignore[operator]
    with pytest.raises(RecordError, match=said):
        Comparison.load(tmp_path / "c.json")


@pytest.mark.parametrize("time", [-1.0, float("nan")])
def test_a_time_that_is_none_is_refused(tmp_path: Path, time: float) -> None:
    value = toy_comparison(pairs=1).to_dict()
    value["pairs"][0]["rounds"][0]["a_ms"][0] = time
    (tmp_path / "c.json").write_text(json.dumps(value))
    with pytest.raises(RecordError):
        Comparison.load(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("verdict", "element"),
    [("PASS", None), ("REGRESSED", "failure"), ("INCONCLUSIVE", "skipped"), ("INVALID", "error"), ("REFUSED", "error")],
)
def test_junit_says_what_a_build_understands(tmp_path: Path, verdict: str, element: str | None) -> None:
    comparison = toy_comparison(pairs=1, judgement=Judgement(Verdict[verdict], "because of a < b"))
    write_junit(tmp_path / "junit.xml", comparison)
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own file
    assert suite.get("tests") == "1"
    counts = {name: suite.get(name) for name in ("failures", "errors", "skipped")}
    plural = {"failure": "failures", "error": "errors", "skipped": "skipped", None: ""}[element]
    assert counts == {name: str(int(name == plural)) for name in counts}
    case = suite.find("testcase")
    assert case is not None
    assert case.get("name") == "new.onnx against old.onnx"
    found = [child.tag for child in case if child.tag != "system-out"]
    assert found == ([element] if element else [])
    if element:
        assert case[0].get("message") == "because of a < b"


def test_markdown_has_the_verdict_and_what_it_rests_on(tmp_path: Path) -> None:
    comparison = toy_comparison(1.05)
    write_markdown(tmp_path / "summary.md", comparison)
    text = (tmp_path / "summary.md").read_text()
    assert text == markdown(comparison)
    assert text.startswith("### Latency: REGRESSED\n")
    assert "| A: old.onnx, median | 2.00 ms |" in text
    assert "4320 calls of each in 540 rounds in 9 pairs" in text
    assert "the median of the ratios of all rounds" in text  # which is not the ratio of the two medians above it


def test_the_answer_says_how_much_faster() -> None:
    faster, slower, alike = (answer(toy_comparison(ratio).judgement) for ratio in (2 / 3, 1.1, 1.0))
    assert re.match(r"B is faster than A: .* −33.\d % \(.*\), 1.5\d times as fast", faster)
    assert slower.startswith("B is slower than A: the median call's time changes by +")
    assert alike.startswith("no difference is certain")


@pytest.mark.parametrize("word", ["\x1b[31m", "\x00", "\ud800", "\ufffe"])
def test_junit_leaves_out_what_no_xml_may_hold(tmp_path: Path, word: str) -> None:
    comparison = toy_comparison(1.05, pairs=1, a=Arm(f"./old {word} x"), b=Arm(f"./new {word}"))
    write_junit(tmp_path / "junit.xml", replace(comparison, judgement=Judgement(Verdict.INVALID, f"it said {word}!")))
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own file
    assert str(suite[0][0].get("message")).startswith("it said ")
    write_markdown(tmp_path / "summary.md", comparison)
    assert "\x1b" not in (tmp_path / "summary.md").read_text()
