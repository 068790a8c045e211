"""What confidence and familiarity cost: a model file with both against the same file without, taking turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx

from benchmarks.studies.study import rounds_of
from edgeunet.imaging.letterbox import UInt8
from edgeunet.latency.quantiles import summarize
from edgeunet.runtime import open_session
from edgeunet.runtime.opening import ONNX_BACKENDS
from edgeunet_export.graph.model_file import read_model, set_spec
from edgeunet_export.graph.trust_nodes import without_trust

WARM = 5


def costs(files: Sequence[Path], frame: UInt8, rounds: int) -> dict[str, dict[str, Any]]:
    """For each file and backend the time of the CPU for one frame, without and with both outputs, and their ratio.

    The time that the core worked in a whole call of the session, on one thread; `ratio` is the median of the ratios of
    neighbouring calls, with its interval of 95 %.
    """
    found: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as folder:
        for file in files:
            proto, spec = read_model(file)
            plain, _ = without_trust(proto)
            set_spec(plain, replace(spec, trust=None))
            path = Path(folder) / "plain.onnx"
            onnx.save(plain, path)
            for backend in ONNX_BACKENDS:
                key = f"{spec.provenance.precision}, {backend}"
                found[key] = _cost(path, file, backend, frame, rounds)
    return found


def _cost(plain: Path, with_both: Path, backend: str, frame: UInt8, rounds: int) -> dict[str, Any]:
    times: tuple[list[float], list[float]] = [], []
    with (
        open_session(plain, threads=1, backend=backend) as without,
        open_session(with_both, threads=1, backend=backend) as trusted,
    ):
        arms = [(without, times[0]), (trusted, times[1])]
        for number in rounds_of(rounds + WARM):
            for session, of_arm in arms:
                begin = time.process_time_ns()
                session.run(frame)
                if number >= WARM:
                    of_arm.append((time.process_time_ns() - begin) / 1e6)
            arms.reverse()
    ratio = summarize(np.divide(times[1], times[0])).p50
    return {
        "without_ms": float(np.median(times[0])),
        "with_ms": float(np.median(times[1])),
        "ratio": ratio.value,
        "interval": ratio.interval,
    }
