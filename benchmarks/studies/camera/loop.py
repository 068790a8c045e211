"""`python -m benchmarks.studies.camera.loop MODEL -o FILE`: the camera loop against the plain loop, in fps.

Both arms decode the same clip with OpenCV, segment every frame with the same weights, and end with the
frame in memory, class colours, legend and rate drawn on it; nothing is encoded or shown. They take turns, and
each round gives one ratio: so that the machine's own changes cancel.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import cv2
import typer

from benchmarks.studies.camera.instant import Discard
from benchmarks.studies.camera.plain_loop import PlainLoop
from benchmarks.studies.study import Output, Rounds, Study, rounds_of, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.loop.loop import Loop
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import open_source
from edgeunet.cli.common_options import Force
from edgeunet.evaluation.metrics import agreement
from edgeunet.imaging.overlay import OPACITY
from edgeunet.runtime import Session, open_session
from edgeunet.samples import CLIP
from edgeunet.utils import console
from edgeunet.utils.files import sha256

STUDY = Study(__doc__ or "", "edgeunet.loop/1")
COMPARED = 10  # frames on which the masks of both arms are compared


def camera_fps(session: Session, clip: Path) -> float:
    """Frames per second of the camera loop on a whole clip."""
    loop = Loop(session, {"clip": open_source(str(clip))}, [nullcontext(Discard())])
    loop.start()
    return loop.finish()["clip"].fps


def mask_agreement(session: Session, plain: PlainLoop, clip: Path) -> float:
    """Share of pixels, 0 to 1, on which both arms agree, of the worst of the first frames."""
    shares: list[float] = []
    with open_source(str(clip)) as source:
        while len(shares) < COMPARED and (frame := source.read()) is not None:
            shares.append(agreement(session.run(frame.pixels).mask, plain.segment(frame.pixels)))
    return min(shares)


def compare_loops(model: Path, clip: Path, rounds: int) -> dict[str, Any]:
    """Measure both loops `rounds` times in turn and return the content of the result file."""
    plain = PlainLoop(model, OPACITY)
    with open_session(model, in_flight=Address.parse(str(clip)).in_flight, backend="onnxruntime") as session:
        same = mask_agreement(session, plain, clip)
        turns = []
        for index in rounds_of(rounds):
            # The first may find the machine cooler, so they take turns at that too.
            if index % 2:
                plain_fps = plain.run(clip)
                loop_fps = camera_fps(session, clip)
            else:
                loop_fps = camera_fps(session, clip)
                plain_fps = plain.run(clip)
            turns.append({"loop_fps": loop_fps, "plain_fps": plain_fps, "ratio": loop_fps / plain_fps})
        facts = fingerprint(session.describe())
    return {
        "model": model.name,
        "model_sha256": sha256(model),
        "precision": session.spec.provenance.precision,
        "input_size": list(session.spec.input_size),
        "clip": clip.name,
        "clip_sha256": sha256(clip),
        "opencv": cv2.__version__,
        "machine": facts,
        "worst_mask_agreement": same,
        "median_loop_fps": median(turn["loop_fps"] for turn in turns),
        "median_plain_fps": median(turn["plain_fps"] for turn in turns),
        "median_ratio": median(turn["ratio"] for turn in turns),
        "rounds": turns,
    }


def main(
    model: Annotated[Path, typer.Argument(help="Model file (.onnx).")],
    output: Output,
    source: Annotated[Path, typer.Option(help="Video that both loops run on.")] = CLIP,
    rounds: Rounds = 5,
    force: Force = False,
) -> None:
    """Compare the camera loop with the plain loop, in frames per second on one clip."""
    result = STUDY.keep(output, lambda: compare_loops(model, source, rounds), force=force, inputs=[model, source])
    out = console.stdout()
    for index, turn in enumerate(result["rounds"], 1):
        out.print(
            f"round {index}: {turn['loop_fps']:.1f} against {turn['plain_fps']:.1f} frames/s, {turn['ratio']:.3f}"
        )
    out.print(
        f"median ratio {result['median_ratio']:.3f} (camera loop {result['median_loop_fps']:.1f}, "
        f"plain loop {result['median_plain_fps']:.1f} frames/s)"
    )


if __name__ == "__main__":
    run(main)
