"""`edgeunet choose` as it is typed: real files and real masks; who is faster is made up, unless a test says else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from edgeunet import samples
from edgeunet.board.machine import processor
from edgeunet.cli.choose import choose
from edgeunet.errors import CommandError, DatasetError, MismatchError, ModelFileError, OutputError
from edgeunet.latency.quantiles import summarize
from edgeunet.network.unet import UNetConfig
from edgeunet.runtime import open_session
from edgeunet.runtime.cpu.openvino_session import has_bf16
from edgeunet.runtime.opening import spec_of
from edgeunet.spec import ClassInfo, Execution
from edgeunet.utils.console import progress
from edgeunet.utils.dependencies import missing
from edgeunet.utils.folders import replacing_folder
from edgeunet_bench.choose import choose as choosing
from edgeunet_bench.choose import match as matching
from edgeunet_bench.choose.choice_file import ChoiceRecord, Tried, load_choice
from edgeunet_bench.choose.contender import Contender, ways
from edgeunet_bench.choose.duel import Duel, bounds, fought
from edgeunet_bench.choose.match import told
from edgeunet_bench.choose.model_versions import ChoiceFrames, float_file, gpu_files, keep
from edgeunet_bench.guard.judging.judgement import Judgement, Verdict
from edgeunet_export.verify.accuracy import AccuracyBudget
from tests.datasets import write_dataset
from tests.export.engines import install_board
from tests.export.networks import save_network
from tests.models import toy_spec, write_toy_model

app = typer.Typer()
app.command()(choose)
LOOSE = ("--max-drop", "50")
DRAWN = replace(toy_spec(), classes=tuple(ClassInfo(name, (0, 0, 0)) for name in ("ground", "disc", "bar")))
"""Of a toy model for the frames of write_dataset()."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_network(tmp_path_factory.mktemp("net") / "net.pt", UNetConfig(5, (8, 16), up="nearest"), (64, 96))


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Times of a call in ms by the beginning of a contender's name; the rest takes 10."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    given: dict[str, float] = {}

    def ms(contender: Contender) -> float:
        return next((time for name, time in given.items() if contender.name == name), 10.0)

    def made_up(challenger: Contender, best: Contender, *_: object) -> Duel:
        a, b = ms(challenger), ms(best)
        of_a, of_b = (summarize(np.full(500, time)) for time in (a, b))
        return Duel(b / a, b / a * 0.99, b / a * 1.01, of_a, of_b, "")

    monkeypatch.setattr(matching, "fought", made_up)
    return given


@pytest.fixture
def quick(speeds: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """The beginning of a command that takes no time: a tiny model on photos, and INT8 that is none."""
    model = write_toy_model(tmp_path / "toy.onnx")
    int8 = write_toy_model(tmp_path / "int8.onnx", toy_spec().with_provenance(precision="int8", target="cpu"))
    monkeypatch.setattr(choosing, "cpu_files", lambda fp32, *_: [("fp32", lambda: fp32), ("int8", lambda: int8)])
    return model, "--data", samples.DATASET / "images" / "val"


def typed(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def outcomes(choice: ChoiceRecord) -> dict[str, str]:
    return {tried.name: tried.outcome for tried in choice.tried}


def test_an_int8_file_that_is_faster_is_kept_and_runs_as_it_was_chosen(
    checkpoint: Path, speeds: dict[str, float], tmp_path: Path
) -> None:
    speeds.update({"int8, openvino": 4.0, "int8, openvino, 1 thread": 3.0})
    said = typed(checkpoint, "--data", samples.DATASET, "-o", tmp_path / "chosen", *LOOSE)
    choice = load_choice(tmp_path / "chosen" / "choice.json")
    found = outcomes(choice)
    assert found["fp32, onnxruntime"] == "first"
    assert found["int8, openvino"] == "faster"
    assert found["int8, onnxruntime"] == found["symmetric int8, onnxruntime"] == "not surely faster"
    assert not any(name.startswith("symmetric int8, openvino") for name in found)
    spec = spec_of(tmp_path / "chosen" / "model.onnx")
    assert spec.provenance.precision == "int8"
    assert spec.execution == Execution(processor(), "openvino", threads=spec.execution.threads if spec.execution else 0)
    assert choice.name in said.output
    assert choice.costly == ()
    with open_session(tmp_path / "chosen" / "model.onnx") as session:
        assert session.describe()["backend"] == "openvino"


def test_an_int8_file_that_is_not_surely_faster_is_refused_with_its_slowest_layers(
    checkpoint: Path, speeds: dict[str, float], tmp_path: Path
) -> None:
    speeds.update({"int8, openvino": 9.95})
    said = typed(checkpoint, "--data", samples.DATASET, "-o", tmp_path / "chosen", *LOOSE)
    choice = load_choice(tmp_path / "chosen" / "choice.json")
    assert spec_of(tmp_path / "chosen" / "model.onnx").provenance.precision == "fp32"
    assert {layer.of for layer in choice.costly} >= {"int8, openvino", "int8, onnxruntime"}
    assert "no INT8 file was surely faster" in said.output
    assert "\n  int8, openvino: " in said.output


def test_a_file_that_loses_too_much_never_runs_against_the_best(
    checkpoint: Path, speeds: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds["int8, openvino"] = 1.0
    strict = AccuracyBudget(max_drop=0.0)
    monkeypatch.setattr(AccuracyBudget, "met", lambda self, accuracy: accuracy.comparison.agreement == 1)
    found = choosing.choose(
        checkpoint,
        samples.DATASET,
        tmp_path / "chosen",
        choosing.ChooseOptions(budget=strict),
        force=False,
        if_stale=False,
    )[0]
    lost = [tried for tried in found.tried if tried.precision == "int8" or "int8" in tried.name]
    assert lost
    assert {tried.outcome for tried in lost} <= {"loses too much", "failed"}
    assert found.name.startswith("fp32")


def test_if_stale_chooses_again_only_where_something_changed(
    quick: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "chosen"
    command = (*quick, "-o", folder, "--if-stale")
    typed(*command)
    first = (folder / "choice.json").read_bytes()

    def again(why: str, *changed: object) -> None:
        assert f"chosen again: {why}" in " ".join(typed(*command, *changed).output.split())

    typed(*command)
    assert (folder / "choice.json").read_bytes() == first
    again("its options were others", "--min-agreement", "0.9")
    again("its options were others", "--seconds", "90")
    typed(*command)
    monkeypatch.setattr("edgeunet_bench.choose.choice_file.processor", lambda: "another")
    again(f"it was made on another machine ({processor()})")
    monkeypatch.setattr("edgeunet_bench.choose.choice_file._installed", lambda: {"onnxruntime": "99"})
    again("edgeunet was")


def test_a_kept_file_that_was_changed_is_said_and_not_replaced(
    checkpoint: Path, speeds: dict[str, float], tmp_path: Path
) -> None:
    """The folder is not as edgeunet left it: what a user put there stays."""
    folder = tmp_path / "chosen"
    typed(checkpoint, "--data", samples.DATASET, "-o", folder, *LOOSE)
    (folder / "model.onnx").write_bytes(b"mine")
    with pytest.raises(OutputError, match="was changed"):
        typed(checkpoint, "--data", samples.DATASET, "-o", folder, *LOOSE, "--if-stale")
    assert (folder / "model.onnx").read_bytes() == b"mine"


def test_nothing_is_kept_where_nothing_is_within_the_time(
    checkpoint: Path, speeds: dict[str, float], tmp_path: Path
) -> None:
    speeds["int8, openvino"] = 5.0
    with pytest.raises(MismatchError, match=r"within 4 ms: int8, openvino .*5\.0 ms"):
        typed(checkpoint, "--data", samples.DATASET, "-o", tmp_path / "chosen", *LOOSE, "--budget-ms", "4")
    assert not (tmp_path / "chosen").exists()
    typed(checkpoint, "--data", samples.DATASET, "-o", tmp_path / "chosen", *LOOSE, "--budget-ms", "6")


def test_a_model_file_is_taken_as_well_as_a_checkpoint(
    checkpoint: Path, speeds: dict[str, float], tmp_path: Path
) -> None:
    typed(checkpoint, "--data", samples.DATASET, "-o", tmp_path / "chosen", *LOOSE)
    said = typed(tmp_path / "chosen" / "model.onnx", "--data", samples.DATASET, "-o", tmp_path / "b", *LOOSE, "--json")
    assert json.loads(said.stdout)["model"] == "model.onnx"
    with pytest.raises(ModelFileError, match="no such"):
        typed(tmp_path / "no.onnx", "--data", samples.DATASET, "-o", tmp_path / "c")


def test_a_choice_of_another_version_is_made_again_and_one_that_a_user_changed_stays(
    quick: tuple[object, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "chosen"
    command = (*quick, "-o", folder, "--if-stale")
    with replacing_folder(folder, force=False) as made:
        (made / "choice.json").write_text('{"schema": "edgeunet.choice/9"}')
    assert "chosen again: " in typed(*command).output
    (folder / "choice.json").write_text("{}")
    with pytest.raises(OutputError, match=r"was changed since edgeunet wrote it: give another name"):
        typed(*command)
    assert (folder / "choice.json").read_text() == "{}"


def test_the_time_is_asked_of_a_choice_that_still_holds_too(quick: tuple[object, ...], tmp_path: Path) -> None:
    command = (*quick, "-o", tmp_path / "chosen", "--if-stale", "--budget-ms")
    typed(*command, "16")
    with pytest.raises(MismatchError, match="within 4 ms"):
        typed(*command, "4")
    assert (tmp_path / "chosen" / "choice.json").is_file()


def test_what_is_wrong_with_the_data_ends_the_command_and_nothing_is_kept(
    quick: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong split to calibrate on left INT8 out, and fp32 was kept as if it had won."""
    with pytest.raises(DatasetError, match=r"^\S*nothing: no such"):
        typed(quick[0], "-o", tmp_path / "chosen", "--data", tmp_path / "nothing")

    def damaged() -> Path:
        raise DatasetError("an image is damaged")

    monkeypatch.setattr(choosing, "cpu_files", lambda fp32, *_: [("fp32", lambda: fp32), ("int8", damaged)])
    with pytest.raises(DatasetError, match="damaged"):
        typed(*quick, "-o", tmp_path / "chosen")
    assert not (tmp_path / "chosen").exists()


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_wrong_split_is_said_before_anything_is_measured(
    split: str, speeds: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "cpu_files", lambda *_: pytest.fail("it began"))
    data = write_dataset(tmp_path / "data")
    shutil.rmtree(data / "images" / split)
    with pytest.raises(DatasetError, match=f"{split} has no images"):
        typed(write_toy_model(tmp_path / "toy.onnx", DRAWN), "-o", tmp_path / "chosen", "--data", data)


def test_masks_without_a_labelled_pixel_are_said_to_prove_nothing(speeds: dict[str, float], tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    for mask in (data / "masks" / "val").iterdir():
        cv2.imwrite(str(mask), np.full((48, 64), 3, np.uint8))
    with pytest.raises(DatasetError, match="no pixel of the split val has a label"):
        typed(write_toy_model(tmp_path / "toy.onnx", DRAWN), "-o", tmp_path / "chosen", "--data", data)


def test_the_times_of_the_kept_file_are_its_own_where_others_fail_after_it(
    quick: tuple[object, ...], speeds: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds.update({"int8, onnxruntime": 4.0})
    made_up: Callable[..., Duel] = vars(matching)["fought"]

    def fails(challenger: Contender, *others: Any) -> Duel:
        if challenger.name != "int8, onnxruntime":
            raise CommandError("it ends by itself")
        return made_up(challenger, *others)

    monkeypatch.setattr(matching, "fought", fails)
    typed(*quick, "-o", tmp_path / "chosen")
    choice = load_choice(tmp_path / "chosen" / "choice.json")
    assert choice.tried[-1].outcome == "failed"
    assert (choice.name, choice.p50_ms) == ("int8, onnxruntime", 4.0)


def test_the_only_file_there_is_is_kept(
    quick: tuple[object, ...], speeds: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one core with ONNX Runtime alone, where INT8 loses too much, there is nothing to compare fp32 with."""
    speeds["fp32, onnxruntime"] = 7.0
    monkeypatch.setattr(choosing, "ways", lambda *given: list(ways(*given))[:1])
    monkeypatch.setattr(choosing, "settings", lambda *_: [])
    monkeypatch.setattr(choosing, "cpu_files", lambda fp32, *_: [("fp32", lambda: fp32)])
    typed(*quick, "-o", tmp_path / "chosen")
    choice = load_choice(tmp_path / "chosen" / "choice.json")
    assert (choice.name, choice.p50_ms, len(choice.tried)) == ("fp32, onnxruntime", 7.0, 1)


def test_what_was_not_decided_is_said_and_is_no_verdict_on_int8(
    quick: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = summarize(np.full(500, 5.0))
    monkeypatch.setattr(matching, "fought", lambda *_: Duel(1.0, 0.5, 2.0, same, same, "too few runs"))
    said = typed(*quick, "-o", tmp_path / "chosen").output
    choice = load_choice(tmp_path / "chosen" / "choice.json")
    assert outcomes(choice)["int8, onnxruntime"] == "undecided"
    assert choice.costly == ()
    assert "undecided: " in said
    assert "--seconds" in said


def test_a_killed_command_leaves_nothing_that_the_next_one_does_not_remove(
    quick: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    seen: list[str] = []

    def looks(*_: object) -> Iterator[Contender]:
        seen.extend(path.name for path in (tmp_path / "tmp").iterdir())
        return iter([])

    monkeypatch.setattr(choosing, "settings", looks)
    typed(*quick, "-o", tmp_path / "chosen")
    assert seen == []
    assert {path.name for path in (tmp_path / "chosen").iterdir()} == {".edgeunet.json", "choice.json", "model.onnx"}


def test_a_file_that_was_chosen_in_bf16_is_compared_with_plain_fp32(tmp_path: Path) -> None:
    """Else bf16 would be the measure of what bf16 loses."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    plain = write_toy_model(tmp_path / "plain.onnx")
    chosen = Contender.of("fp32", plain, Execution(processor(), "openvino", "bf16"), tmp_path)
    frames = ChoiceFrames(samples.DATASET, "train", "val", AccuracyBudget())
    assert float_file(plain, frames, tmp_path, logits=False) == plain
    reference = float_file(chosen.path, frames, tmp_path, logits=False)
    assert spec_of(reference) == spec_of(plain)


def test_a_file_that_was_chosen_here_is_not_called_slow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = toy_spec().with_provenance(target="tensorrt", precision="int8")
    for name, on, slow in (("here", processor(), False), ("elsewhere", "another", True)):
        execution = Execution(on, "onnxruntime")
        with open_session(write_toy_model(tmp_path / f"{name}.onnx", replace(spec, execution=execution))):
            assert ("slow on a CPU" in " ".join(capsys.readouterr().err.split())) is slow


def test_openvino_that_cannot_be_loaded_has_no_bf16_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise missing("openvino")

    monkeypatch.setattr("edgeunet.runtime.cpu.openvino_session.core", broken)
    assert not has_bf16()


def test_a_path_that_is_not_utf8_is_not_another_option_each_time() -> None:
    words = choosing.ChooseOptions().words(Path(os.fsdecode(b"b\xff")))
    assert words["--data"].encode() == words["--data"].encode("utf-8", "replace")
    assert "xff" in words["--data"]


def test_bounds_are_wider_by_what_the_machine_may_have_added_and_no_less() -> None:
    """INT8 that is half as fast again is chosen though the fixed workload was 2 % slower in the turns of fp32."""
    seen = Judgement(Verdict.INVALID, "", low=1.44, high=1.51, control_low=1.012, control_high=1.03)
    assert bounds(seen) == pytest.approx((1.44 / 1.03, 1.51))
    other = replace(seen, control_low=0.97, control_high=0.985)
    assert bounds(other) == pytest.approx((1.44, 1.51 / 0.97))


@pytest.mark.slow
def test_a_real_duel_tells_a_fast_file_from_a_slow_one_and_not_a_file_from_itself(tmp_path: Path) -> None:
    small, large = (write_toy_model(tmp_path / f"{side}.onnx", toy_spec((side, side))) for side in (32, 640))
    with progress(by_itself=False) as bar:
        assert fought(Contender("small", small), Contender("large", large), None, 120.0, bar).won
        assert not fought(Contender("small", small), Contender("small", small), None, 40.0, bar).won


def test_on_a_gpu_every_precision_becomes_an_engine_and_the_kept_one_has_its_onnx_file_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On fake bindings: what they build runs nowhere."""
    install_board(monkeypatch)
    fp32 = write_toy_model(tmp_path / "fp32.onnx", logits=True)
    frames = ChoiceFrames(samples.DATASET, "train", "val", AccuracyBudget())
    made: dict[str, Callable[[], Path]] = dict(gpu_files(fp32, frames, tmp_path))
    assert list(made) == [
        name + kind for name in ("fp32", "fp16", "int8+fp16", "int8") for kind in ("", ", classes by a kernel")
    ]
    engine = made["fp32, classes by a kernel"]()
    (tmp_path / "chosen").mkdir()
    kept = keep(engine, tmp_path / "chosen")
    assert {path.name for path in kept.parent.iterdir()} == {"model.engine", "model.engine.json", "model.onnx"}
    assert spec_of(kept) == spec_of(engine)
    assert json.loads((kept.parent / "model.engine.json").read_text())["onnx"] == "model.onnx"


def test_bf16_is_tried_where_the_processor_has_it_and_is_a_fact_of_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    file = write_toy_model(tmp_path / "fp32.onnx")
    for has, names in ((True, ["fp32, openvino", "fp32, openvino in bf16"]), (False, ["fp32, openvino"])):
        monkeypatch.setattr("edgeunet_bench.choose.contender.has_bf16", lambda has=has: has)
        found = [c for c in ways("fp32", file, tmp_path) if "openvino" in c.name]
        assert [c.name for c in found] == names
        with open_session(found[-1].path) as session:
            assert session.describe().get("compute") == ("bf16" if has else None)


def test_what_was_tried_is_told_with_its_bounds_and_what_it_changes() -> None:
    tried = Tried("int8, openvino", "int8", "faster", "", 4.04, "fp32, openvino", (2.0, 1.9, 2.1), 0.04, 0.9988)
    assert told(tried) == (
        "int8, openvino: 4.0 ms, 1.90 to 2.10 times as fast as fp32, openvino, mIoU -0.04 points, faster"
    )
    assert "99.88% of the pixels the same" in told(replace(tried, drop=None))
