"""`python -m benchmarks.studies.camera.state_soak FOLDER… -o FILE`: faults in a million frames, and each mask's state.

A small picture of a road, 96×64, from the images in the folders, moves and has a sensor's noise. Faults of random kind,
at random times and of random length are put in; each frame goes through the check of the picture, and its mask through
the state of its source, whose clock is the number of the frame. No network runs. A fault that lasts as long as its
bound has to be found within it, no state may outlast its fault by more than GOOD_MASKS masks, and each mask has one
state.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
import typer

from benchmarks.studies.camera.still_drives import FPS, NoisySensor, scenes_of, windows_of
from benchmarks.studies.study import Output, Study, run
from edgeunet.camera.sources.injected_fault import InjectedFault
from edgeunet.camera.state.mask_state import GOOD_MASKS, Finding, MaskState
from edgeunet.camera.state.picture_check import COVERED_FRAMES, EXTREME_FRAMES, SAME_FRAMES, PictureCheck
from edgeunet.camera.state.tracker import StateTracker
from edgeunet.cli.common_options import Force
from edgeunet.errors import EdgeUNetError
from edgeunet.imaging.pixels import UInt8
from edgeunet.utils import console

STUDY = Study(__doc__ or "", "edgeunet.state-soak/1")
SIZE, MARGIN = (64, 96), 32
PERIOD_NS = 1_000_000_000 // FPS
DEADLINE_NS = 100_000_000
LONGEST = 60  # frames of a fault, and between two
SCENE = 500  # frames of each scene
BOUNDS = {"freeze": SAME_FRAMES, "black": EXTREME_FRAMES, "white": EXTREME_FRAMES, "cover": COVERED_FRAMES, "late": 1}
BOUNDS |= {"stall": 4}  # the deadline, 100 ms, and one frame
STATES = {"late": MaskState.LATE, "stall": MaskState.NONE}  # all others are frozen


class Event(NamedTuple):
    """A fault in frames `first` to `end`, without `end`."""

    kind: str
    first: int
    end: int


@dataclass
class Tally:
    """What became of the faults.

    long_enough: as long as their bound; found: of these, within it. stuck: masks in a state that outlasted its fault.
    wrong: masks in the state of another fault.
    """

    events: Counter[str] = field(default_factory=Counter)
    long_enough: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    most_frames: dict[str, int] = field(default_factory=dict)
    stuck: int = 0
    wrong: int = 0
    states: Counter[str] = field(default_factory=Counter)

    def take(self, event: Event, found_after: int | None) -> None:
        """Count an event that is over, and after how many of its frames its state was said."""
        self.events[event.kind] += 1
        if event.end - event.first < BOUNDS[event.kind]:
            return
        self.long_enough[event.kind] += 1
        if found_after is not None:
            self.found[event.kind] += found_after <= BOUNDS[event.kind]
            self.most_frames[event.kind] = max(found_after, self.most_frames.get(event.kind, 0))


def events(rng: np.random.Generator) -> Iterator[Event]:
    """Without end; there is time between two to leave the state."""
    at = 2 * GOOD_MASKS
    while True:
        first = at + int(rng.integers(2 * GOOD_MASKS, LONGEST))
        at = first + int(rng.integers(1, LONGEST))
        yield Event(str(rng.choice(list(BOUNDS))), first, at)


def pictures(scenes: list[UInt8]) -> Iterator[UInt8]:
    """What the camera would see without faults."""
    sensor = NoisySensor(1.0, SIZE)
    for scene in cycle(scenes):
        yield from map(sensor.see, islice(windows_of(scene, SIZE), SCENE))


def shown(event: Event, picture: UInt8, last: UInt8) -> UInt8:
    """The picture with a fault; a real sensor's noise is in a dark or covered one too."""
    if event.kind not in ("freeze", "black", "white", "cover"):
        return picture
    fault = InjectedFault.parse(f"{event.kind}:{event.first}:{event.end}")
    return np.asarray(fault.shown(picture, last), np.uint8)


def soak(scenes: list[UInt8], frames: int, seed: int = 0) -> Tally:
    """All faults within a number of frames."""
    tally, tracker, check = Tally(), StateTracker("it", live=True, deadline_ns=DEADLINE_NS), PictureCheck()
    tracker.begin(0)
    coming = events(np.random.default_rng(seed))
    event, found_after, last = next(coming), None, np.zeros((*SIZE, 1), np.uint8)
    since_good = 0  # frames since the last fault
    for number, picture in enumerate(islice(pictures(scenes), frames)):
        now = (number + 1) * PERIOD_NS
        if number == event.end:
            tally.take(event, found_after)
            event, found_after, since_good = next(coming), None, 0
        bad = event.first <= number < event.end
        since_good += not bad
        state: Finding | None = None
        if bad and event.kind == "stall":
            due = tracker.due_ns()
            report = tracker.report(due) if due is not None and due <= now else None
            state = report.finding if report else None
        else:
            last = shown(event, picture, last) if bad else picture
            fault = check.look(last)
            found = Finding(MaskState.FROZEN, fault) if fault else Finding(MaskState.FRESH)
            captured = now - DEADLINE_NS - 1 if bad and event.kind == "late" else now
            state = tracker.published(captured, now, found)
            tally.states[str(state.state)] += 1
        if state is None:
            continue
        if bad and found_after is None and state.state is STATES.get(event.kind, MaskState.FROZEN):
            found_after = number - event.first + 1
        calm = not bad and since_good > GOOD_MASKS and number > 2 * GOOD_MASKS
        tally.stuck += calm and state.state is not MaskState.FRESH
        tally.wrong += bad and state.state not in (MaskState.FRESH, STATES.get(event.kind, MaskState.FROZEN))
    return tally


def measure(folders: list[Path], frames: int) -> dict[str, Any]:
    """The content of the result file."""
    cv2.setNumThreads(1)
    scenes = scenes_of(folders, SIZE, MARGIN)
    begin = time.process_time()
    tally = soak(scenes, frames)
    return {
        "frames": frames,
        "masks": tally.states.total(),
        "masks_by_state": dict(tally.states),
        "seconds_of_one_core": round(time.process_time() - begin, 1),
        "bounds_in_frames": BOUNDS,
        "faults": dict(tally.events),
        "faults_as_long_as_their_bound": dict(tally.long_enough),
        "found_within_the_bound": dict(tally.found),
        "frames_at_most": tally.most_frames,
        "masks_in_a_state_that_outlasted_its_fault": tally.stuck,
        "masks_with_the_state_of_another_fault": tally.wrong,
    }


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of road frames.")],
    output: Output,
    frames: Annotated[int, typer.Option(min=100, help="How many.")] = 1_000_000,
    force: Force = False,
) -> None:
    """Put faults into many frames; exit code 1 if one was not found in time or a state outlasted its fault."""
    result = STUDY.keep(output, lambda: measure(folders, frames), force=force)
    console.stdout().print(f"{sum(result['faults'].values())} faults in {frames} frames")
    if result["found_within_the_bound"] != result["faults_as_long_as_their_bound"]:
        raise EdgeUNetError("a fault was not found within its bound: see the result file")
    if result["masks_in_a_state_that_outlasted_its_fault"]:
        raise EdgeUNetError("a state outlasted its fault: see the result file")


if __name__ == "__main__":
    run(main)
