"""`python -m benchmarks.studies.camera.loop MODEL -o FILE`: the camera loop against the plain loop, in fps.

Both arms decode the same clip with OpenCV, segment every frame with the same weights, and end with the
frame in memory, class colours, legend and rate drawn on it; nothing is encoded or shown. They take turns, and
each round gives one ratio: what the machine does to both cancels.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import cv2
import typer

from benchmarks.studies.camera.plain_loop import PlainLoop
from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.frame import Shot
from edgeunet.camera.loop.loop import Loop
from edgeunet.camera.sources.opening import in_flight, open_source
from edgeunet.errors import UsageError
from edgeunet.evaluation.metrics import agreement
from edgeunet.imaging.overlay import OPACITY
from edgeunet.runtime import Session, open_session
from edgeunet.samples import CLIP
from edgeunet.utils import console
from edgeunet.utils.files import require_writable, sha256, write_json
from edgeunet.utils.masking import shown_command

SCHEMA = "edgeunet.loop/1"
COMPARED = 10  # frames on which the masks of both arms are compared


class Memory:
    """A sink that takes drawn frames and does nothing with them."""

    def write(self, shot: Shot) -> None:
        pass


def camera_fps(session: Session, clip: Path) -> float:
    """Frames a second of the camera loop on a whole clip."""
    loop = Loop(session, {"clip": open_source(str(clip))}, [nullcontext(Memory())])
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
    """Measure both loops `rounds` times in turn and give what the result file holds."""
    if rounds < 1:
        raise UsageError(f"--rounds is at least 1, got {rounds}")
    plain = PlainLoop(model, OPACITY)
    with (
        open_session(model, in_flight=in_flight(str(clip)), backend="onnxruntime") as session,
        console.progress() as bar,
    ):
        same = mask_agreement(session, plain, clip)
        turns = []
        for index in bar.track(range(rounds), description="rounds"):
            # Whoever goes first may find the machine cooler, so they take turns at that too.
            if index % 2:
                plain_fps = plain.run(clip)
                loop_fps = camera_fps(session, clip)
            else:
                loop_fps = camera_fps(session, clip)
                plain_fps = plain.run(clip)
            turns.append({"loop_fps": loop_fps, "plain_fps": plain_fps, "ratio": loop_fps / plain_fps})
        facts = fingerprint(session.describe())
    return {
        "schema": SCHEMA,
        "what": " ".join((__doc__ or "").split("\n\n", 1)[1].split()),
        "command": shown_command(["python", "-m", "benchmarks.studies.camera.loop", *sys.argv[1:]]),
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


app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(
    model: Annotated[Path, typer.Argument(help="Model file (.onnx).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result to write (JSON).")],
    source: Annotated[Path, typer.Option(help="Video that both loops run on.")] = CLIP,
    rounds: Annotated[int, typer.Option(help="Turns of both loops.")] = 5,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")] = False,
) -> None:
    """Compare the camera loop with the plain loop, in frames a second on one clip."""
    require_writable(output, force=force)
    result = compare_loops(model, source, rounds)
    write_json(output, result, force=force)
    out = console.stdout()
    for index, turn in enumerate(result["rounds"], 1):
        out.print(
            f"round {index}: {turn['loop_fps']:.1f} against {turn['plain_fps']:.1f} frames/s, {turn['ratio']:.3f}"
        )
    out.print(
        f"median ratio {result['median_ratio']:.3f} (camera loop {result['median_loop_fps']:.1f}, "
        f"plain loop {result['median_plain_fps']:.1f} frames/s); written to {output}"
    )


if __name__ == "__main__":
    sys.exit(console.run(app))
