"""`python -m tests.networks.check FOLDER [NAME…]`: imports networks of other packages by the commands of the documents,
exports them in every precision, and says what each step costs them.

Each network gets a folder below FOLDER. FOLDER/networks.json is the result, a row for each network. Exit code 1 if a
network does not do what it should. All networks if no names are given; those that are left out are named.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import onnx

from edgeunet.errors import UsageError
from edgeunet.evaluation.command import evaluate
from edgeunet.imaging.images import read_image
from edgeunet.runtime.opening import open_session
from edgeunet.utils import console
from edgeunet.utils.files import write_json
from tests.networks.sources import SIZE, SOURCES, NotInstalledError, Source
from tests.networks.table import table

DATA = Path("edgeunet/samples/road")  # from the checkout, so that the commands can be repeated
TENSORRT_PYTHON = Path(".venv-tensorrt/bin/python")
MAX_DROP = 1.0  # points of mIoU in INT8: two val frames are few
MIN_AGREEMENT = 0.999
PRECISIONS = {  # file: what `edgeunet export` is given
    "fp16": "fp16",
    "openvino": "int8 --target openvino",
    "int8": "int8 --target tensorrt",
    "int8+fp16": "int8 --target tensorrt --precision int8+fp16",
}
FOR_TENSORRT = ("fp32", "fp16", "int8", "int8+fp16")
REPEATS = 40


@dataclass
class Row:
    """What was found of one network. problems: what it should not have done. not_run: the reason, "" if it was.

    miou: in percent, by file: "original", "fp32" and the precisions. latency_ms: the fastest of REPEATS on OpenVINO.
    """

    name: str
    title: str
    package: str
    form: str
    trained: bool
    parameters: int = 0
    agreement: float = 0.0
    fp16_agreement: float = 0.0
    miou: dict[str, float] = field(default_factory=dict)
    latency_ms: dict[str, float] = field(default_factory=dict)
    tensorrt: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    not_run: str = ""


class _CommandError(Exception):
    """A command that ended with an error; the text is its last line."""


def checked(name: str, source: Source, folder: Path) -> Row:
    """Import and export one network."""
    row = Row(name, source.title, source.package, source.form, source.trained)
    folder.mkdir(parents=True)
    model = folder / "fp32.onnx"
    try:
        theirs = source.make(name, folder)
        size = "" if ".onnx" in theirs else f"--size {SIZE[0]}x{SIZE[1]}"
        said = _edgeunet(row, f"import {theirs} -o {model} --data {DATA} {source.way} --fit stretch {size}")
        row.agreement = _share(said, r"agrees with .* on ([\d.]+)%")
        row.miou["original"], row.miou["fp32"] = _shares(
            said, r"mIoU of the original ([\d.]+) %, of the model file ([\d.]+) %"
        )
        row.parameters = _parameters(model)
        for file, how in PRECISIONS.items():
            drop = "" if how == "fp16" else f" --max-drop {MAX_DROP}"
            said = _edgeunet(row, f"export {how}{drop} {model} --data {DATA} -o {folder / file}.onnx")
            if how == "fp16":
                row.fp16_agreement = _share(said, r"agree on ([\d.]+)%")
            row.miou[file] = _miou(folder / f"{file}.onnx")
        row.latency_ms = _latency(model, folder / "openvino.onnx")
    except NotInstalledError as error:
        row.not_run = str(error)
    except _CommandError as error:
        row.problems.append(str(error))
    except ImportError as error:
        row.not_run = f"{error.name} is not installed"
    except Exception as error:  # noqa: BLE001  # one network must not end the check of the others
        row.problems.append(f"{type(error).__name__}: {error}")
    if not row.not_run and not row.problems:
        row.problems += _problems(row)
    return row


def _problems(row: Row) -> list[str]:
    found = [
        f"{file} loses {row.miou['fp32'] - row.miou[file]:.2f} points of mIoU"
        for file in PRECISIONS
        if row.miou["fp32"] - row.miou[file] > MAX_DROP
    ]
    if row.agreement < MIN_AGREEMENT:
        found.append(f"the import agrees on {row.agreement:.3%} of the pixels only")
    if row.fp16_agreement < MIN_AGREEMENT:
        found.append(f"fp16 agrees on {row.fp16_agreement:.3%} of the pixels only")
    return found


def _edgeunet(row: Row, arguments: str) -> str:
    """What a command prints; it is kept in the row. Raises _CommandError with its error."""
    row.commands.append(f"edgeunet {' '.join(arguments.split())}")
    console.stdout().print(f"  {row.commands[-1]}")
    module = "tests.networks.edgeunet_here"
    ran = subprocess.run([sys.executable, "-m", module, *shlex.split(arguments)], capture_output=True, text=True)
    if ran.returncode:
        raise _CommandError(f"{arguments.split()[0]}: {' '.join(ran.stderr.split('error:')[-1].split())}")
    return " ".join(ran.stdout.split())


def _share(text: str, pattern: str) -> float:
    return _shares(text, pattern)[0] / 100


def _shares(text: str, pattern: str) -> list[float]:
    found = re.search(pattern, text)
    if found is None:
        raise _CommandError(f"the command does not say {pattern}")
    return [float(value) for value in found.groups()]


def _miou(model: Path) -> float:
    """In percent, of the val frames."""
    return 100 * float(evaluate(model, DATA, "val").values["miou"])


def _parameters(model: Path) -> int:
    """Numbers in the graph; batch norms are parts of convolutions there."""
    stored = onnx.load(model).graph.initializer
    return sum(int(onnx.numpy_helper.to_array(tensor).size) for tensor in stored if tensor.data_type == 1)


def _latency(float32: Path, int8: Path) -> dict[str, float]:
    """Of frame → mask on OpenVINO, both in turns: the fastest, as other work on the machine only adds to it."""
    frame = read_image(next((DATA / "images" / "val").iterdir()))
    found = {"fp32": 1e9, "int8": 1e9}
    with open_session(float32, backend="openvino") as one, open_session(int8, backend="openvino") as other:
        for _ in range(REPEATS):
            for name, session in (("fp32", one), ("int8", other)):
                start = perf_counter()
                session.run(frame)
                found[name] = min(found[name], 1000 * (perf_counter() - start))
    return found


def build_engines(rows: list[Row], folder: Path) -> None:
    """Ask NVIDIA's parser and builder about the files of all networks, where they are installed."""
    if not TENSORRT_PYTHON.exists():
        for row in rows:
            row.tensorrt = dict.fromkeys(FOR_TENSORRT, "not asked: .venv-tensorrt is not there")
        return
    files = folder / "engines"
    files.mkdir()
    cases = []
    for row in rows:
        for precision in FOR_TENSORRT:
            made = folder / row.name / f"{precision}.onnx"
            if made.exists():
                (files / f"{row.name}.{precision}.onnx").symlink_to(made.absolute())
                cases.append({"network": row.name, "precision": precision, "refusal": "", "logits_only": False})
    write_json(files / "files.json", cases, force=False)
    (packages,) = TENSORRT_PYTHON.parents[1].glob("lib/python3*/site-packages/onnxruntime_ep_nv_tensorrt_rtx")
    ran = subprocess.run(
        [TENSORRT_PYTHON, "-m", "tests.tensorrt_rtx.build_files", files],
        env={"PYTHONPATH": "export:.", "LD_LIBRARY_PATH": str(packages.absolute())},
        stdout=subprocess.PIPE,
        text=True,
    )
    said = {
        (network, precision): what
        for network, precision, what in re.findall(r"^\w+ +(\S+), (\S+): (.*)$", ran.stdout, re.M)
    }
    for row in rows:
        row.tensorrt = {p: said.get((row.name, p), "no file") for p in FOR_TENSORRT}
        row.problems += [
            f"TensorRT, {p}: {what}" for p, what in row.tensorrt.items() if what.startswith("refused") or not what
        ]


def main(folder: Path, names: list[str]) -> int:
    """Check networks, print the table; gives the exit code."""
    if unknown := [name for name in names if name not in SOURCES]:
        raise UsageError(f"no network is called {unknown[0]}: they are {', '.join(SOURCES)}")
    folder.mkdir(parents=True)
    out = console.stdout()
    rows = []
    for name in names or SOURCES:
        out.print(f"{name}: {SOURCES[name].title}")
        rows.append(checked(name, SOURCES[name], folder / name))
    build_engines([row for row in rows if not row.not_run], folder)
    result: dict[str, Any] = {
        "command": "make check-networks",
        "data": "the val frames of the samples, 128x160; brief training on the train frames",
        "networks": [asdict(row) for row in rows],
    }
    write_json(folder / "networks.json", result, force=False)
    out.print("\n".join(table(result)))
    for row in rows:
        for problem in row.problems:
            out.print(f"WRONG {row.name}: {problem}")
    if left := [name for name in SOURCES if names and name not in names]:
        out.print(f"NOT RUN: {', '.join(left)}; make check-networks runs all")
    wrong = sum(bool(row.problems) for row in rows)
    out.print(f"{len(rows)} networks, {wrong} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(console.run(lambda: sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))))
