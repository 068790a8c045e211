"""What `edgeunet bench compare` and `judge` do: compare, write the requested files, print the verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeunet.errors import CommandError, RecordError, UsageError, not_found
from edgeunet.latency.record import LatencyRecord
from edgeunet.utils.console import INTERRUPTED, command_line, stdout
from edgeunet.utils.files import require_writable
from edgeunet_bench.guard.comparison import Comparison, judgement_to_dict
from edgeunet_bench.guard.judging.judgement import Judgement, Verdict, judge_records
from edgeunet_bench.guard.running.arms import Arm, RunArm, TurnArm
from edgeunet_bench.guard.running.interleave import CompareOptions, Interleaved, interleave, judge_of
from edgeunet_bench.guard.verdict_output import print_judgement, write_junit, write_markdown
from edgeunet_bench.measure.surroundings import now


@dataclass(frozen=True)
class ComparisonOutputs:
    """Files to write, in addition to what is printed. Raises OutputError, before measuring, if that is impossible."""

    comparison: Path | None
    junit: Path | None
    markdown: Path | None
    force: bool = False
    as_json: bool = False

    def __post_init__(self) -> None:
        if self.comparison:
            require_writable(self.comparison, force=self.force)
        for path in filter(None, (self.junit, self.markdown)):
            require_writable(path, force=True)  # as a repeated build does

    def write(self, comparison: Comparison) -> None:
        """Write the requested files, and print the verdict. Without a result only the files for CI are written.

        A build that compared nothing must say so.
        """
        kept = comparison.pairs and comparison.judgement.verdict is not Verdict.REFUSED
        if self.comparison and kept:
            comparison.save(self.comparison, force=self.force)
        if self.junit:
            write_junit(self.junit, comparison)
        if self.markdown:
            write_markdown(self.markdown, comparison)
        self.say(comparison.judgement, comparison.a.title, comparison.b.title, stored=False)
        if self.comparison and not self.as_json:
            samples = "all samples are in" if kept else "nothing was measured, so there is no"
            stdout().print(f"{samples} {self.comparison}")

    def say(self, judgement: Judgement, a: str, b: str, *, stored: bool) -> None:
        """Print the verdict."""
        if self.as_json:
            stdout().print_json(json.dumps(judgement_to_dict(judgement)))
        else:
            print_judgement(judgement, a, b, stored=stored)


def compare_arms(a: TurnArm | RunArm, b: TurnArm | RunArm, options: CompareOptions, outputs: ComparisonOutputs) -> int:
    """Compare two arms and return the exit code. A command that fails makes the comparison INVALID."""
    try:
        measured = interleave(a, b, options)
    except CommandError as error:
        measured = Interleaved(looks=[Judgement(Verdict.INVALID, str(error))])
    comparison = comparison_of(a, b, measured, options, command_line())
    outputs.write(comparison)
    return INTERRUPTED if measured.partial else comparison.judgement.verdict.value


def comparison_of(a: Arm, b: Arm, measured: Interleaved, options: CompareOptions, command: str) -> Comparison:
    """The file of what was measured. command: that started it."""
    return Comparison(
        a=Arm(a.name, {**a.facts, **measured.own[0]}),
        b=Arm(b.name, {**b.facts, **measured.own[1]}),
        machine=measured.machine,
        judgement=measured.looks[-1],
        looks=tuple(measured.looks),
        pairs=tuple(measured.pairs),
        seed=options.seed,
        seconds=options.seconds,
        created=now(),
        command=command,
        partial=measured.partial,
    )


def compare_records(a: Path, b: Path, outputs: ComparisonOutputs, *, seed: int, varies: Sequence[str]) -> int:
    """Compare two latency records; one that is damaged or of another version is REFUSED, a missing one an error."""
    if outputs.comparison or outputs.junit or outputs.markdown:
        raise UsageError("-o, --junit and --markdown are for models and commands: they do not work with two records")
    for path in (a, b):
        if not path.is_file():
            raise UsageError(not_found(path, "latency record"))
    try:
        records = LatencyRecord.load(a), LatencyRecord.load(b)
        judgement = judge_records(*records, seed=seed, varies=varies)
        backends = [record.subject.backend for record in records]
    except RecordError as error:
        judgement, backends = Judgement(Verdict.REFUSED, str(error)), []
    told = len(set(backends)) > 1
    names = [f"{path.name} ({backends[i]})" if told else path.name for i, path in enumerate((a, b))]
    outputs.say(judgement, *names, stored=True)
    return judgement.verdict.value


def judge_again(path: Path) -> tuple[Comparison, Judgement]:
    """Judge the samples of a comparison file again, from its seed. Raises RecordError if the file is damaged."""
    comparison = Comparison.load(path)
    if not comparison.pairs or comparison.judgement.verdict is Verdict.REFUSED:
        return comparison, comparison.judgement  # samples cannot show that two machines differ
    return comparison, judge_of(Interleaved(list(comparison.pairs), partial=comparison.partial), comparison.seed)
