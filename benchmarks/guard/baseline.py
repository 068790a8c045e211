"""Named baselines: what a candidate is compared with. The artefact itself is kept, and run again each time."""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.guard.comparison import Comparison
from benchmarks.guard.judge import Verdict
from edgeunet.errors import RecordError, UsageError
from edgeunet.files import sha256, write_json
from edgeunet.folders import replacing_folder
from edgeunet.record import read_versioned_json
from edgeunet.runtime.plan import sidecar_of

SCHEMA = "edgeunet.baseline/1"
FOLDER = Path("benchmarks/baselines")
REMEDY = "accept one with `edgeunet bench accept`"


@dataclass(frozen=True)
class Baseline:
    """The file NAME.json; the model lies in the folder NAME beside it.

    model: its file name, "" for a baseline that is a commit alone. verdict: of the comparison it was accepted with.
    accepted: UTC, ISO 8601.
    """

    name: str
    model: str
    sha256: str
    commit: str
    accepted: str
    verdict: str = ""


def accept(folder: Path, name: str, model: Path | None, *, commit: str, accepted: str, verdict: str = "") -> Baseline:
    """Make this model, or without one this commit, the baseline of that name; the old one is replaced."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UsageError(f"a baseline's name is made of letters, digits, '.', '_' and '-', got {name!r}")
    if model is None and not commit:
        raise UsageError("nothing to accept: give a model, or run it in a git checkout")
    if model is not None:
        if not model.is_file():
            raise UsageError(f"{model}: no such model file")
        with replacing_folder(folder / name, force=True) as temporary:
            for file in (model, *_sidecars(model)):
                shutil.copy2(file, temporary / file.name)
    digest = sha256(model) if model else ""
    baseline = Baseline(name, model.name if model else "", digest, commit, accepted, verdict)
    write_json(_file(folder, name), {"schema": SCHEMA, **asdict(baseline)}, force=True)
    return baseline


def verdict_of(comparison: Path, model: Path | None) -> str:
    """The verdict of a comparison file; raises UsageError if it is no PASS, or of another candidate than `model`."""
    found = Comparison.load(comparison)
    if found.judgement.verdict is not Verdict.PASS:
        raise UsageError(
            f"{comparison} ended with {found.judgement.verdict.name}: compare again, or accept without --comparison"
        )
    if model is not None and found.b.facts.get("SHA-256") != sha256(model):
        raise UsageError(f"{comparison} is of another candidate than {model}: compare that file")
    return found.judgement.verdict.name


def load_baseline(folder: Path, name: str) -> Baseline:
    """Raises RecordError if there is none of that name or its file is damaged."""
    path = _file(folder, name)
    value = read_versioned_json(path, SCHEMA, remedy=REMEDY)
    try:
        return Baseline(**{key: str(field) for key, field in value.items() if key != "schema"})
    except TypeError as error:
        raise RecordError(f"{path} is a damaged baseline ({error}): {REMEDY}") from error


def resolve(folder: Path, name: Path) -> Path:
    """The model file that is meant: a path as it is, or a baseline's name. Raises RecordError if it was changed."""
    if name.exists() or not _file(folder, str(name)).is_file():
        return name
    baseline = load_baseline(folder, str(name))
    model = folder / baseline.name / baseline.model
    if not baseline.model:
        raise UsageError(f"the baseline {baseline.name} is the commit {baseline.commit[:12]} and has no model file")
    if not model.is_file() or sha256(model) != baseline.sha256:
        raise RecordError(f"{model} is not the file that was accepted: restore it, or {REMEDY}")
    return model


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _sidecars(model: Path) -> list[Path]:
    """What stands beside an engine and belongs to it."""
    return [path for path in (sidecar_of(model),) if path.is_file() and path != model]
