"""`python -m tests.tensorrt_rtx.build_files FOLDER`: NVIDIA's parser and builder on each file of make_files.

TensorRT-RTX builds ahead of time, so no GPU and no driver is needed. Runs in a venv that has its bindings and
little else. Exit code 1 if a file is refused that should build, or builds, or is refused for another reason,
where it should be refused.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BATCHES = (1, 4, 8)  # smallest, usual and largest batch of a file with dynamic batch


class RefusedError(Exception):
    """What TensorRT says of a file that it does not take."""


def build(trt: Any, path: Path) -> int:
    """Parse and build one file; gives the size of its plan in bytes, or raises RefusedError."""
    log = trt.Logger(trt.Logger.INTERNAL_ERROR)  # the parser's own errors say it all
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(path)):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        raise RefusedError(" ".join(f"{e.node_operator()} {e.node_name()}: {e.desc()}" for e in errors))
    config = builder.create_builder_config()
    frame = network.get_input(0)
    if frame.shape[0] == -1:
        profile = builder.create_optimization_profile()
        profile.set_shape(frame.name, *((batch, *tuple(frame.shape)[1:]) for batch in BATCHES))
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RefusedError("the builder gives no plan")
    return int(plan.nbytes)


def judged(trt: Any, path: Path, refusal: str) -> tuple[bool, str]:
    """Whether TensorRT does with a file what is asked, and what it does. refusal: a part of the reason, or ""."""
    begin = time.perf_counter()
    try:
        size = build(trt, path)
    except RefusedError as reason:
        text = " ".join(str(reason).split())
        return bool(refusal) and refusal in text.lower(), f"refused: {text[:160]}"
    return not refusal, f"builds, plan of {size / 1e6:.1f} MB in {time.perf_counter() - begin:.1f} s"


def main(folder: Path) -> int:
    """Build all files, a line for each, then a table of networks and precisions; gives the exit code."""
    trt = importlib.import_module("tensorrt_rtx_bindings")
    cases: list[Mapping[str, str]] = json.loads((folder / "files.json").read_text())
    networks = list(dict.fromkeys(case["network"] for case in cases))
    precisions = list(dict.fromkeys(case["precision"] for case in cases))
    cells: dict[tuple[str, str], str] = {}
    wrong = 0
    for case in cases:
        name = f"{case['network']}.{case['precision']}"
        right, what = judged(trt, folder / f"{name}.onnx", case["refusal"])
        wrong += not right
        cells[case["network"], case["precision"]] = f"{what.split()[0].rstrip(':,')}{'' if right else ' (WRONG)'}"
        _line(f"{'ok   ' if right else 'WRONG'} {name}: {what}")
    _line(f"\nTensorRT-RTX {trt.__version__}")
    _line(f"{'':28}" + "".join(f"{precision:18}" for precision in precisions))
    for network in networks:
        _line(f"{network:28}" + "".join(f"{cells.get((network, precision), ''):18}" for precision in precisions))
    _line(f"{len(cases)} files, {wrong} not as expected")
    return 1 if wrong else 0


def _line(text: str) -> None:
    sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
