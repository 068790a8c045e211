"""The reference arm: a fixed piece of work on one processor. If its time changes, the machine has changed."""

from __future__ import annotations

import sys
import time

import numpy as np

from edgeunet_bench.guard.running.protocol import answers, serve

REFERENCE = (sys.executable, "-m", "edgeunet_bench.guard.running.reference")
REFERENCE_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SIZE = 128  # of a square float32 matrix product: about 0.1 ms, in the caches
WARM_CALLS = 200


def main() -> None:
    a = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    out = np.empty_like(a)

    def call(_: int) -> float:
        begin = time.perf_counter_ns()
        np.matmul(a, a, out=out)
        return (time.perf_counter_ns() - begin) / 1e6

    for i in range(WARM_CALLS):
        call(i)
    with answers() as stream:
        serve(stream, {}, call)


if __name__ == "__main__":
    main()
