"""A fresh process on its way to the first mask: `python -m edgeunet_bench.measure.cold_process MODEL FRAME …`.

It prints one line of JSON: the times at which each stage had ended, by a clock that all processes share. What a
backend imports is part of opening the model.
"""

import time

BORN_NS = time.perf_counter_ns()  # before anything is imported

import json  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402

from edgeunet.runtime import open_session  # noqa: E402

IMPORTED_NS = time.perf_counter_ns()
WARM_CALLS = 20  # before the idle time; a model on a CPU is warm after 6


def main(model: str, frame_path: str, threads: str, backend: str, idle_s: str) -> None:
    """threads and backend may be empty."""
    frame = np.load(frame_path)
    read_ns = time.perf_counter_ns()
    with open_session(model, threads=int(threads) if threads else None, backend=backend or None) as session:
        open_ns = time.perf_counter_ns()
        session.run(frame)
        first_ns = time.perf_counter_ns()

        def timed_run() -> int:
            begin = time.perf_counter_ns()
            session.run(frame)
            return time.perf_counter_ns() - begin

        *_, warm = (timed_run() for _ in range(WARM_CALLS))
        time.sleep(float(idle_s))
        after_idle = timed_run()
    ends = {"interpreter": BORN_NS, "imports": IMPORTED_NS, "read": read_ns, "open": open_ns, "first mask": first_ns}
    print(json.dumps({"ends_ns": ends, "warm_ns": warm, "after_idle_ns": after_idle}))  # noqa: T201 - read by cold.py


if __name__ == "__main__":
    main(*sys.argv[1:])
