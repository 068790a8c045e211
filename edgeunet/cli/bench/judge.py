"""`edgeunet bench judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.common_options import Json


def judge(
    comparison: Annotated[Path, typer.Argument(help="What `edgeunet bench compare -o` wrote.")],
    as_json: Json = False,
) -> None:
    """Judge the samples of a comparison again: the same samples and seed give the same verdict and figures.

    Exit code: the verdict's, as for `edgeunet bench compare`; 1 if the file does not match its samples.
    """
    from edgeunet.errors import RecordError
    from edgeunet_bench.guard.commands import ComparisonOutputs, judge_again
    from edgeunet_bench.guard.comparison import judgement_to_dict

    stored, judgement = judge_again(comparison)
    ComparisonOutputs(None, None, None, as_json=as_json).say(judgement, stored.a.title, stored.b.title, stored=False)
    said, found = judgement_to_dict(stored.judgement), judgement_to_dict(judgement)
    # The reason's words are those of the version that wrote them.
    if fields := ", ".join(name for name in found if name != "reason" and said[name] != found[name]):
        raise RecordError(f"{comparison} does not match its own samples ({fields}): the file was changed")
    raise typer.Exit(judgement.verdict.value)
