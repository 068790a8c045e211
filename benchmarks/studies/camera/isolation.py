"""`python -m benchmarks.studies.camera.isolation -o FILE`: how old masks get when another camera misbehaves.

Three synthetic cameras share one session: two that are measured, of 31 and 27.37 frames per second, and a third of
22.61 that in turn does as it should and has one fault. It stalls in its driver; dies, also each time that it is opened
again; floods, with a frame whenever it is asked for one; or sends five frames of 3840×2160 per second. All arms take
their turns in each round. The age is that of the masks of the two others, from the capture to the finished mask;
`ratio` is the p99 with the fault over that without, of all rounds together, `ratio_by_round` of each.

Three sessions: one that is simulated, takes 8 ms by the clock, and leaves the CPU alone; the same where cameras have no
shares and the session fits large frames itself, which shows what these two are for; and, with --model, a real one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.studies.camera.instant import Discard, Sleeping
from benchmarks.studies.study import Output, Rounds, Study, rounds_of, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.pace import Pace
from edgeunet.camera.sources.reconnect import Reconnecting
from edgeunet.camera.sources.source import Source
from edgeunet.camera.sources.synthetic import SyntheticSource
from edgeunet.cli.common_options import Force
from edgeunet.errors import SourceError
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.warm_up import warm_up
from edgeunet.utils import console
from edgeunet.utils.files import sha256

STUDY = Study(__doc__ or "", "edgeunet.camera-isolation/1")
INFERENCE_MS = 8.0
MEASURED = {"front": 31.0, "left": 27.37}  # frames per second: never in step, so that they meet in every way
THIRD_FPS, LARGE_FPS = 22.61, 4.73  # more large ones would take a core of their own
SMALL, LARGE = "width=640&height=360", "width=3840&height=2160"
SOUND_FRAMES = 10  # before the fault
ARMS = ("none", "stalls", "dies", "floods", "large frames")
WITHOUT_SHARES = ("none", "floods", "large frames")  # what a share and fitting ahead are for


class Faulty(SyntheticSource):
    """A camera with one of the faults of ARMS, from its frame SOUND_FRAMES on."""

    def __init__(self, address: Address, fault: str) -> None:
        super().__init__(address)
        self._bad = fault
        self._never = threading.Event()

    def _grab(self) -> bool:
        if self._number >= SOUND_FRAMES:
            if self._bad == "stalls":
                self._never.wait()
            if self._bad == "dies":
                raise SourceError(f"{self.name} died")
            if self._bad == "floods":
                self._due_ns = time.perf_counter_ns()
                return not self._closed.is_set()
        return super()._grab()

    def close(self) -> None:
        self._never.set()
        super().close()


def camera(fps: float, fault: str, *, share: bool) -> Source:
    """A camera that is opened again after a fault, as `edgeunet camera` does with several."""
    size = LARGE if fault == "large frames" else SMALL
    opened: list[int] = []

    def opener() -> Source:
        if opened and fault == "dies":
            raise SourceError("it is dead")
        opened.append(1)
        source = Faulty(Address.parse(f"synthetic://?{size}&fps={fps}"), fault)
        source.pace = Pace(source.fps) if share else None
        return source

    return Reconnecting(opener, lambda line: None, stall_s=1.0, name=f"{fps} fps")


def ages_ms(session: Session, fault: str, seconds: float, *, share: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Of the masks of the two cameras that are measured, while the third has this fault."""
    sources = {name: camera(fps, "none", share=share) for name, fps in MEASURED.items()}
    sources["third"] = camera(LARGE_FPS if fault == "large frames" else THIRD_FPS, fault, share=share)
    loop = Loop(session, sources, [nullcontext(Discard())], LoopOptions(keep_samples=True))
    loop.start()
    loop.wait(seconds)
    loop.stop()
    loop.finish()
    for source in sources.values():
        source.close()
    found = [reader.statistics.samples()[1] for reader in loop.readers if reader.name in MEASURED]
    return np.concatenate([rows[rows[:, 0] > rows[0, 0] + 1_000_000_000, 1] for rows in found]) / 1e6


def compared(session: Session, seconds: float, rounds: int, *, share: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """For each arm the figures of the age, and its ratio to the arm without a fault."""
    arms = ARMS if share else WITHOUT_SHARES
    ages: dict[str, list[np.ndarray[Any, np.dtype[np.float64]]]] = {arm: [] for arm in arms}
    warm_up(session)
    for _ in rounds_of(rounds):
        for arm in arms:
            ages[arm].append(ages_ms(session, arm, seconds, share=share))
    p99 = partial(np.quantile, q=0.99)
    whole = {arm: np.concatenate(found) for arm, found in ages.items()}
    for arm, found in whole.items():
        p50, tail = np.quantile(found, (0.5, 0.99))
        yield (
            arm,
            {
                "masks": len(found),
                "age_p50_ms": round(float(p50), 2),
                "age_p99_ms": round(float(tail), 2),
                "age_max_ms": round(float(found.max()), 2),
                "ratio": round(float(tail / p99(whole["none"])), 3),
                "ratio_by_round": [
                    round(float(p99(a) / p99(b)), 3) for a, b in zip(ages[arm], ages["none"], strict=True)
                ],
            },
        )


def measure(model: Path | None, seconds: float, rounds: int) -> dict[str, Any]:
    """Run all arms with each session and return the content of the result file."""
    result: dict[str, Any] = {"machine": fingerprint({}), "seconds_of_each_arm": seconds, "rounds": rounds}
    # Other programs may use the same cores: with SCHED_RR (2) this one comes first.
    result["scheduling_policy"], result["cores"] = os.sched_getscheduler(0), len(os.sched_getaffinity(0))
    for name, share in (("simulated", True), ("simulated, no shares", False)):
        with Sleeping(INFERENCE_MS) as session:
            session.large = session.large if share else 10**9
            arms = dict(compared(session, seconds, rounds, share=share))
        result[name] = {"inference_ms": INFERENCE_MS, "arms": arms}
    if model is not None:
        with open_session(model, threads=1) as real:
            facts = {"model": model.name, "model_sha256": sha256(model), "session": real.describe()}
            result["real"] = {**facts, "arms": dict(compared(real, seconds, rounds, share=True))}
    return result


def main(
    output: Output,
    model: Annotated[Path | None, typer.Option(help="A model file for the real session.")] = None,
    seconds: Annotated[float, typer.Option(min=2.0, help="Of each arm in each round; the first does not count.")] = 6.0,
    rounds: Rounds = 6,
    force: Force = False,
) -> None:
    """Measure the age of two cameras' masks while a third one has each fault."""
    inputs = [model] if model else []
    result = STUDY.keep(output, lambda: measure(model, seconds, rounds), force=force, inputs=inputs)
    for kind in ("simulated", "simulated, no shares", "real"):
        rows = [
            (arm, str(f["masks"]), f"{f['age_p50_ms']:.1f}", f"{f['age_p99_ms']:.1f}", f"{f['ratio']:.3f}")
            for arm, f in result.get(kind, {"arms": {}})["arms"].items()
        ]
        if rows:
            console.table(kind, ("fault of the third", "masks", "age p50 ms", "age p99 ms", "p99 / without"), rows)


if __name__ == "__main__":
    run(main)
