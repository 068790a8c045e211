"""The arm that is a model file on real frames: `python -m edgeunet_bench.guard.running.model_arm '{"model": …}'`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeunet_bench.guard.running.protocol import answers, serve

MAX_WARMUP_S = 0.3  # more pairs of processes are worth more than warmer ones, and both arms are as warm


@dataclass(frozen=True)
class ModelOptions:
    """A model file, the frames it is shown (None: the bundled ones), and how it is run."""

    model: str
    data: str | None = None
    threads: int | None = None
    backend: str | None = None

    def argv(self, module: str = "edgeunet_bench.guard.running.model_arm") -> list[str]:
        """The command that serves it."""
        return [sys.executable, "-m", module, json.dumps(asdict(self))]


@contextmanager
def opened(options: ModelOptions) -> Iterator[tuple[Mapping[str, str], Callable[[int], float]]]:
    """The facts of the warm session, with its input size and pixels, and a function that makes a call.

    It returns the time of the call in ms.
    """
    from edgeunet.runtime.opening import open_session, spec_of
    from edgeunet_bench.measure.input_frames import load_inputs
    from edgeunet_bench.measure.loops import timed_call, warm_up

    frames = load_inputs(options.data, spec_of(options.model)).frames
    with open_session(Path(options.model), threads=options.threads, backend=options.backend) as session:
        warm_up(session, frames, MAX_WARMUP_S)
        height, width = session.spec.input_size
        about = {**session.describe(), "input_size": f"{height}×{width}", "pixels": str(session.spec.pixels)}
        yield about, lambda i: timed_call(session, frames[i % len(frames)]).total / 1e6


def main() -> None:
    with answers() as out, opened(ModelOptions(**json.loads(sys.argv[1]))) as (about, call):
        serve(out, about, call)


if __name__ == "__main__":
    main()
