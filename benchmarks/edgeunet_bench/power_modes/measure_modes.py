"""Measuring one model in each power mode in turn, starting with the current one, with a rest before each of the others.

Only a Jetson has such modes, and none was at hand: this has only run with a stand-in for nvpmodel.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import ROOT
from edgeunet.board.power_modes import PowerMode, power_modes, restoring, set_mode
from edgeunet.board.sensors.sysfs import Sensor, sensors
from edgeunet.errors import BoardError, ModelFileError, not_found
from edgeunet.latency.record import LatencyRecord
from edgeunet.runtime.opening import open_session, spec_of
from edgeunet.utils.console import command_line, progress, stderr
from edgeunet.utils.limits import require_seconds
from edgeunet_bench.measure.input_frames import load_inputs
from edgeunet_bench.measure.measure_model import measure
from edgeunet_bench.measure.measure_options import MeasureOptions
from edgeunet_bench.measure.surroundings import now
from edgeunet_bench.power_modes.modes_file import MeasuredMode, Modes, SkippedMode
from edgeunet_bench.sweep.visit import VisitError, fresh

WARMER_C = 2.0  # than at the start, from which on a board counts as cooled down
LOOK_S = 1.0  # between two looks at the temperature


@dataclass(frozen=True)
class ModesOptions:
    """data: dataset folder or video to take frames from; the samples if not given. seconds: to measure each mode.

    cool_down_s: to rest at most before each mode but the first; all of it without a temperature sensor.
    backend, threads: see open_session.
    """

    data: Path | None = None
    seconds: float = 10.0
    cool_down_s: float = 60.0
    backend: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        require_seconds("--seconds", self.seconds)
        require_seconds("--cool-down-s", self.cool_down_s, least=0.0)


def measure_modes(model: Path, options: ModesOptions, output: Path | None, *, force: bool) -> Modes:
    """Measure, write `output` if it is given, and then always restore the mode that was set before.

    Ctrl-C, SIGTERM and SIGHUP end it early and keep what was measured, marked as partial; before the first mode is
    measured nothing is kept. Raises MissingDependencyError without nvpmodel, BoardError if it refuses the mode that is
    set, if no mode could be measured, or if the mode could not be restored; ModelFileError, DatasetError or
    SourceError for input that is wrong from the start.
    """
    if not model.is_file():
        raise ModelFileError(f"{not_found(model, 'model file')}; give a .onnx or .engine file")
    load_inputs(options.data, spec_of(model))
    if locked := [fact for fact in fingerprint({}).items() if "locked" in fact[1]]:
        stderr().print(f"warning: {locked[0][0]} {locked[0][1]}: a change of mode may undo jetson_clocks")
    modes = power_modes()
    with restoring() as found:
        measured, skipped, partial = _measured(model, options, [found, *(m for m in modes if m.number != found.number)])
        result = Modes(now(), command_line(), found, partial, tuple(measured), tuple(skipped))
        if output is not None:
            result.save(output, force=force)
    return result


def _measured(
    model: Path, options: ModesOptions, modes: Sequence[PowerMode]
) -> tuple[list[MeasuredMode], list[SkippedMode], bool]:
    """Those that were measured, those that were not, and whether it was interrupted."""
    measured: list[MeasuredMode] = []
    skipped: list[SkippedMode] = []
    zones = [sensor for sensor in sensors(ROOT, os.getpid()) if sensor.name.endswith("_c")]
    at_first = _hottest_c(zones)
    with progress(by_itself=False) as bar:
        task = bar.add_task("measuring", total=len(modes), note="")
        try:
            for mode in modes:
                try:
                    set_mode(mode)
                    if measured:
                        bar.update(task, note=f"{mode.name}: cooling down", refresh=True)
                        _cool_down(zones, at_first, options.cool_down_s)
                    bar.update(task, note=mode.name, refresh=True)
                    start_c = _hottest_c(zones)
                    # A process for each: one that holds the GPU may keep nvpmodel from changing the mode.
                    measured.append(MeasuredMode(mode, start_c, fresh(_measure, model, options)))
                except (BoardError, VisitError) as error:
                    skipped.append(SkippedMode(mode, str(error)))
                bar.advance(task)
        except KeyboardInterrupt:
            if not measured:
                raise
            done = {m.mode for m in measured} | {s.mode for s in skipped}
            skipped += [SkippedMode(mode, "interrupted before it was measured") for mode in modes if mode not in done]
            return measured, skipped, True
        bar.refresh()
    if not measured:
        raise BoardError(f"no power mode could be measured: {skipped[0].mode.name}: {skipped[0].reason}")
    return measured, skipped, False


def _measure(model: Path, options: ModesOptions) -> LatencyRecord:
    """Where the mode is set, in a process of its own: warm up and measure."""
    with (
        open_session(model, threads=options.threads, backend=options.backend) as session,
        redirect_stderr(io.StringIO()),  # there is a progress bar already
    ):
        return measure(session, load_inputs(options.data, session.spec), MeasureOptions(seconds=options.seconds))


def _cool_down(zones: Sequence[Sensor], at_first: float | None, limit_s: float) -> None:
    """Rest until the board is about as cool as at first, or until the time is over."""
    begin = time.monotonic()
    while (left := limit_s - (time.monotonic() - begin)) > 0:
        hottest = _hottest_c(zones)
        if hottest is not None and at_first is not None and hottest <= at_first + WARMER_C:
            return
        time.sleep(min(LOOK_S, left))


def _hottest_c(zones: Sequence[Sensor]) -> float | None:
    """Of the zones that answer now; None if none does."""
    found = []
    for zone in zones:
        try:
            found.append(zone.read())
        except (OSError, ValueError):  # switched off, or gone since it was found
            continue
    return max(found, default=None)
