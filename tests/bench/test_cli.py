"""`edgeunet bench` as it is typed: outputs, exit codes, and bad input in one line."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from edgeunet.cli.bench import app
from edgeunet.errors import EdgeUNetError, UsageError
from edgeunet.latency.record import LatencyRecord
from edgeunet_bench.guard.comparison import Comparison
from tests.bench.guard.arms import spinning
from tests.bench.records import noisy, toy_record


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def _fails(*arguments: object) -> EdgeUNetError:
    """The error that the command ends with; it is one line."""
    error = _bench(*arguments).exception
    assert isinstance(error, EdgeUNetError)
    assert "\n" not in str(error)
    return error


def _record(name: str, median_ms: float, **changes: object) -> str:
    toy_record(noisy(np.random.default_rng(1), median_ms, 200), **changes).save(name, force=False)
    return name


def test_run_writes_a_record_and_report_shows_it(model: Path) -> None:
    result = _bench("run", model, "-o", "out/record.json", "--max-frames", 20, "--threads", 1)
    assert result.exit_code == 0, result.output
    assert "20 samples on road, 2 frames" in result.output
    assert LatencyRecord.load("out/record.json").subject.model == "toy.onnx"

    result = _bench("report", "out/record.json", "-o", "report.html")
    assert result.exit_code == 0, result.output
    assert "fps" in result.output
    assert "toy" in result.output
    assert Path("report.html").read_text().startswith("<!DOCTYPE html>")


def test_run_prints_json_for_scripts(model: Path) -> None:
    result = _bench("run", model, "-o", "record.json", "--max-frames", 20, "--json")
    value = json.loads(result.stdout)
    assert value["summary_ms"]["total"]["n"] == 20
    assert value["subject"]["model"] == "toy.onnx"


def test_an_existing_output_is_found_before_anything_is_measured(model: Path) -> None:
    Path("record.json").write_text("mine")
    assert "--force" in str(_fails("run", model, "-o", "record.json", "--seconds", 1000))
    assert Path("record.json").read_text() == "mine"
    assert _bench("run", model, "-o", "record.json", "--max-frames", 5, "--force").exit_code == 0
    assert LatencyRecord.load("record.json").summary().n == 5


def test_a_failed_run_leaves_nothing_behind(model: Path) -> None:
    _fails("run", "missing.onnx", "-o", "record.json")
    _fails("run", model, "-o", "record.json", "--data", "missing.mp4")
    assert _fails("run", model, "-o", "record.json", "--seconds", 0).exit_code == 2
    assert not list(Path().iterdir())


def test_compare_of_records_ends_with_the_exit_code_of_its_verdict() -> None:
    a, b = _record("a.json", 5.0), _record("b.json", 7.0)
    other = _record("c.json", 5.0, machine={"cpu": "Another CPU", "governor": "performance"})
    few = "few.json"
    toy_record(np.ones(8)).save(few, force=False)
    for one, two, code, word in (
        (a, a, 0, "PASS"),
        (a, b, 3, "REGRESSED"),
        (a, few, 5, "INVALID"),
        (a, other, 6, "cpu"),
    ):
        result = _bench("compare", one, two)
        assert (result.exit_code, word in result.output) == (code, True), result.output
    assert "prove less" in _bench("compare", a, b).output


def test_compare_prints_json_for_scripts() -> None:
    a, b = _record("a.json", 5.0), _record("b.json", 7.0)
    value = json.loads(_bench("compare", a, b, "--json").stdout)
    assert value["verdict"] == "REGRESSED"
    assert value["ratio"] == pytest.approx(1.4, abs=0.01)
    paced = _record("c.json", 7.0, mode="paced")
    assert json.loads(_bench("compare", a, paced, "--json").stdout)["ratio"] is None
    assert _bench("compare", a, paced, "--varies", "mode").exit_code == 3


def test_what_differs_between_models_or_commands_needs_no_name(model: Path) -> None:
    for arms in ((model, model), ("--command", "a", "--command", "b")):
        assert "--varies is for two latency records" in str(_fails("compare", *arms, "--varies", "threads"))


def test_compare_of_commands_writes_all_that_a_build_needs() -> None:
    commands = [shlex.join([sys.executable, "-c", f"print({ms}); print({ms})"]) for ms in (1.0, 2.0)]
    options = ["--seconds", 1, "-o", "c.json", "--junit", "c.xml", "--markdown", "c.md"]
    result = _bench("compare", "--command", commands[0], "--command", commands[1], *options)
    stored = Comparison.load("c.json")
    assert result.exit_code == stored.judgement.verdict.value != 0
    assert stored.a.facts["command"] == commands[0]
    assert stored.judgement.verdict.name in Path("c.xml").read_text()
    assert stored.judgement.verdict.name in Path("c.md").read_text()

    again = _bench("judge", "c.json")
    assert again.exit_code == result.exit_code
    value = json.loads(Path("c.json").read_text())
    value["judgement"]["verdict"] = "PASS"
    Path("changed.json").write_text(json.dumps(value))
    assert "does not match its own samples (verdict" in str(_fails("judge", "changed.json"))


def test_a_command_that_prints_nothing_is_invalid_and_says_the_remedy() -> None:
    silent = shlex.join([sys.executable, "-c", "pass"])
    result = _bench("compare", "--command", silent, "--command", silent)
    assert result.exit_code == 5
    assert "INVALID" in result.output
    assert "--whole" in result.output


def test_what_ends_without_a_result_takes_no_name(model: Path) -> None:
    silent = shlex.join([sys.executable, "-c", "pass"])
    for _ in range(2):  # the second time as the first: "exists already" would be no remedy
        result = _bench("compare", "--command", silent, "--command", silent, "-o", "c.json", "--junit", "c.xml")
        assert (result.exit_code, Path("c.json").exists()) == (5, False)
        assert "nothing was measured, so there is no c.json" in result.output
        assert "INVALID" in Path("c.xml").read_text()  # a build must hear of it
    boards = [spinning(Path(), 1.0, f'{{"board": "{board}"}}') for board in ("one", "other")]
    result = _bench("compare", "--turns", "--command", boards[0], "--command", boards[1], "-o", "c.json")
    assert (result.exit_code, Path("c.json").exists()) == (6, False), result.output
    a = _record("a.json", 5.0)
    assert "-o, --junit and --markdown are for models" in str(_fails("compare", a, a, "-o", "c.json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "m.onnx", "-o", "m.onnx"),
        ("run", "m.onnx", "-o", "link.onnx"),  # another name of the same file
        ("sweep", "m.onnx", "-o", "sub/../m.onnx"),
        ("sweep", "m.onnx", "-o", "x.svg", "--plot", "x.svg"),
        ("modes", "m.onnx", "-o", "m.onnx"),
        ("compare", "m.onnx", "other.onnx", "-o", "other.onnx"),
        ("compare", "m.onnx", "other.onnx", "--junit", "m.onnx"),
        ("compare", "m.onnx", "other.onnx", "--junit", "x", "--markdown", "x"),
        ("compare", "a.json", "a.json", "-o", "a.json"),
        ("compare", "m.onnx", "other.onnx", "--data", "clip.mp4", "--markdown", "clip.mp4"),
        ("report", "a.json", "-o", "a.json"),
        ("report", "a.json", "--scores", "s.json", "-o", "s.json"),
        ("accept", "m.onnx", "--as", "a", "--baselines", ".", "--comparison", "a.json"),
    ],
)
def test_no_output_takes_the_place_of_an_input(model: Path, arguments: tuple[str, ...]) -> None:
    for name in ("m.onnx", "other.onnx"):
        shutil.copy(model, name)
    for name in ("a.json", "s.json", "clip.mp4"):
        Path(name).write_text("mine")
    Path("link.onnx").symlink_to("m.onnx")
    Path("sub").mkdir()
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    force = () if arguments[0] == "accept" else ("--force",)
    error = _fails(*arguments, *force)
    assert error.exit_code == 2, error
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("run", "m.onnx", "--seconds", "1e999"), "--seconds"),
        (("run", "m.onnx", "--minutes", "-1"), "--minutes"),
        (("run", "m.onnx", "--max-frames", "9" * 5000), "--max-frames"),
        (("run", "m.onnx", "--deadline-ms", "nan"), "--deadline-ms"),
        (("run", "m.onnx", "--mode", "paced", "--fps", "1e-300"), "--fps"),
        (("run", "m.onnx", "--mode", "cold", "--processes", "0"), "--processes"),
        (("run", "m.onnx", "--threads", "99999999999999999999"), "--threads"),
        (("sweep", "m.onnx", "--threads", "²"), "--threads"),
        (("sweep", "m.onnx", "--threads", "1,"), "--threads"),
        (("sweep", "m.onnx", "--threads", "1,100000"), "--threads"),
        (("sweep", "m.onnx", "--seconds", "nan"), "--seconds"),
        (("sweep", "m.onnx", "--budget-ms", "inf"), "--budget-ms"),
        (("sweep", "m.onnx", "--seed", "-1"), "--seed"),
        (("compare", "m.onnx", "m.onnx", "--seed", "4294967296"), "--seed"),
        (("compare", "m.onnx", "m.onnx", "--seconds", "inf"), "--seconds"),
        (("modes", "m.onnx", "--cool-down-s", "-1"), "--cool-down-s"),
    ],
)
def test_a_number_out_of_range_is_named_by_its_option(arguments: tuple[str, ...], option: str) -> None:
    result = _bench(*arguments)
    said = f"{result.output} {result.exception}"
    assert option in said
    assert isinstance(result.exception, (UsageError, SystemExit)), said
    assert not list(Path().iterdir())


def test_secrets_of_a_measured_command_are_kept_nowhere() -> None:
    words = [sys.executable, "-c", "print(1.5)", "--token", "S3cret", "http://a:S3cret@10.0.0.2/v"]
    result = _bench("run", "--command", shlex.join(words), "--max-frames", 1, "-o", "r.json")
    compared = _bench(
        "compare", *(["--command", shlex.join(words)] * 2), "--seconds", 1, "-o", "c.json", "--junit", "c.xml"
    )
    assert (result.exit_code, compared.exception.__class__) == (0, SystemExit), result.output
    kept = "".join(Path(name).read_text() for name in ("r.json", "c.json", "c.xml"))
    assert "S3cret" not in kept + result.output + compared.output


def test_a_baseline_is_compared_by_its_name(model: Path) -> None:
    result = _bench("accept", model, "--as", "accepted")
    assert result.exit_code == 0, result.output
    assert "baselines/accepted.json" in result.output
    Path("no.onnx").write_text("no model")
    assert "no.onnx" in str(_fails("accept", "no.onnx", "--as", "accepted"))  # it has run before it is accepted
    result = _bench("compare", "accepted", model, "--seconds", 1, "--threads", 1, "-o", "c.json")
    assert Comparison.load("c.json").a.facts["SHA-256"] == Comparison.load("c.json").b.facts["SHA-256"]
    assert "baselines has accepted; `edgeunet bench accept MODEL --as release`" in str(
        _fails("compare", "release", model)
    )


def test_a_model_and_a_record_do_not_compare(model: Path) -> None:
    error = _fails("compare", model, _record("a.json", 5.0))
    assert error.exit_code == 2
    assert "one of each" in str(error)


@pytest.mark.parametrize("damage", ["truncated", "schema", "NaN", "negative", "missing"])
def test_damaged_records_are_named(damage: str) -> None:
    good = _record("good.json", 5.0)
    text = Path(good).read_text()
    if damage == "truncated":
        Path("bad.json").write_text(text[:-200])
    elif damage != "missing":
        value = json.loads(text)
        value["schema"] = "edgeunet.latency/99" if damage == "schema" else value["schema"]
        value["samples_ms"]["total"][3] = {"NaN": float("nan"), "negative": -1.0}.get(damage, 1.0)
        Path("bad.json").write_text(json.dumps(value))
    compared = _bench("compare", good, "bad.json")
    if damage == "missing":
        assert "no such latency record" in str(compared.exception)
    else:
        assert (compared.exit_code, "bad.json" in compared.output) == (6, True)
    assert "bad.json" in str(_fails("report", "bad.json", "-o", "report.html"))
    assert not Path("report.html").exists()


def test_as_a_module_an_error_is_one_line_and_its_exit_code() -> None:
    command = [sys.executable, "-m", "edgeunet", "bench", "compare", "none.json", "none.json"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: none.json: no such latency record\n"


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'cv2', 'matplotlib', 'onnxruntime'}"
    code = f"import sys, edgeunet.cli.bench; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
