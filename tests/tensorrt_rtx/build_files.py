"""`python -m tests.tensorrt_rtx.build_files FOLDER`: our builder with NVIDIA's bindings on each file of make_files.

TensorRT-RTX builds ahead of time, so no GPU and no driver is needed. Runs in a venv that has its bindings. Exit code 1
if a file is refused that should build, or builds, or is refused for another reason, where it should be refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeunet.board.gpu import tensorrt_module
from edgeunet.errors import EdgeUNetError
from edgeunet.runtime.gpu.tensorrt_log import log_to
from edgeunet_export.engine.build import EngineOptions, build_plan

SHOWN = 200  # characters of a refusal


def judged(trt: Any, model: Path, case: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether TensorRT does with a file what is asked, and what it does.

    case: of make_files.
    """
    options = EngineOptions("tensorrt_rtx", max_batch=8, logits_only=case["logits_only"])
    try:
        with open(model.with_suffix(".log"), "w", encoding="utf-8") as file, log_to(trt, file) as log:
            built = build_plan(trt, model, options, log)
    except EdgeUNetError as error:
        reason = str(error)
        return bool(case["refusal"]) and case["refusal"] in reason.lower(), f"refused: {reason[:SHOWN]}"
    return not case["refusal"], f"builds, plan of {len(built.plan) / 1e6:.1f} MB in {built.seconds:.1f} s"


def main(folder: Path) -> int:
    """Build all files, a line for each, then a table of networks and precisions; gives the exit code."""
    trt = tensorrt_module("tensorrt_rtx")
    cases: list[Mapping[str, Any]] = json.loads((folder / "files.json").read_text())
    rows: dict[str, dict[str, str]] = {}
    wrong = 0
    for case in cases:
        network, precision = case["network"], case["precision"]
        right, what = judged(trt, folder / f"{network}.{precision}.onnx", case)
        row = f"{network}, mask left out" if case["logits_only"] else network
        rows.setdefault(row, {})[precision] = what.split()[0].rstrip(",:") + ("" if right else " (WRONG)")
        wrong += not right
        _line(f"{'ok   ' if right else 'WRONG'} {row}, {precision}: {what}")
    precisions = list(dict.fromkeys(case["precision"] for case in cases))
    _line(f"\nTensorRT-RTX {trt.__version__:27}" + "".join(f"{precision:18}" for precision in precisions))
    for row, cells in rows.items():
        _line(f"{row:40}" + "".join(f"{cells.get(precision, ''):18}" for precision in precisions))
    _line(f"{len(cases)} builds, {wrong} not as expected")
    return 1 if wrong else 0


def _line(text: str) -> None:
    sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
