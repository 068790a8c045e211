"""Named baselines: what a candidate is compared with. The artefact itself is kept, and run again each time."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeunet.errors import OutputError, RecordError, UsageError, not_found
from edgeunet.runtime.gpu.engine_file import info_path
from edgeunet.utils.files import locked, replacing, sha256, write_json, writing
from edgeunet.utils.json_fields import read_json
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judgement import Verdict
from edgeunet_bench.guard.running.model_arm import ModelOptions, opened

SCHEMA = "edgeunet.baseline/1"
FOLDER = Path("benchmarks/baselines")
"""This project's own folder, and the default of earlier versions."""
REMEDY = "accept one with `edgeunet bench accept`"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGITS = 16  # of the hash in a kept file's name


@dataclass(frozen=True)
class Baseline:
    """The file NAME.json, which defines the baseline; the model is in the folder NAME next to it.

    model: its file name, which has its hash in it; "" for a baseline that is a commit alone. verdict: of the
    comparison it was accepted with. accepted: UTC, ISO 8601.
    """

    name: str
    model: str
    sha256: str
    commit: str
    accepted: str
    verdict: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or Path(self.model).name != self.model:
            raise RecordError(
                f"the baseline {self.name!r} names the file {self.model!r}, expected two plain names: {REMEDY}"
            )


def default_folder() -> Path:
    """The folder of named baselines without --baselines: FOLDER if it exists, else `baselines`."""
    return FOLDER if FOLDER.is_dir() else Path("baselines")


def accept(folder: Path, name: str, model: Path | None, *, commit: str, accepted: str, verdict: str = "") -> Baseline:
    """Make this model, or without one this commit, the baseline of that name; the old one is removed.

    A process that is killed leaves the old baseline or the new one, since one file decides which it is.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"a baseline's name is made of letters, digits, '.', '_' and '-', got {name!r}")
    if model is None and not commit:
        raise UsageError("nothing to accept: give a model, or run it in a git checkout")
    if model is not None and not model.is_file():
        raise UsageError(not_found(model, "model file"))
    _current(folder, name)  # refuses a file of somebody else before anything is made
    with ExitStack() as stack:
        with writing(folder / name):
            (folder / name).mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(locked(folder / name))
            except BlockingIOError:
                raise OutputError(f"another command is accepting the baseline {name}: wait for it") from None
        digest = sha256(model) if model else ""
        kept = f"{model.stem}-{digest[:_DIGITS]}{model.suffix}" if model else ""
        if model:
            for source, target in _copies(model, folder / name / kept):
                with replacing(target, force=True) as temporary:
                    shutil.copyfile(source, temporary)
        old = _current(folder, name)
        baseline = Baseline(name, kept, digest, commit, accepted, verdict)
        write_json(_file(folder, name), {"schema": SCHEMA, **asdict(baseline)}, force=True)
        _remove_others(folder / name, kept, old)
    return baseline


def require_runs(model: Path) -> None:
    """Run a model for a moment; raises what opening it raises: a broken baseline would make every later comparison
    fail."""
    with opened(ModelOptions(str(model))) as (_, call):
        call(0)


def verdict_of(comparison: Path, model: Path | None) -> str:
    """The verdict of a comparison file; raises UsageError if it is no PASS, or of another candidate than `model`."""
    found = Comparison.load(comparison)
    if found.judgement.verdict is not Verdict.PASS:
        raise UsageError(
            f"{comparison} ended with {found.judgement.verdict.name}: compare again, or accept without --comparison"
        )
    if model is not None and found.b.facts.get("SHA-256") != sha256(model):
        raise UsageError(f"{comparison} is of another candidate, not of {model}: compare that file")
    return found.judgement.verdict.name


def load_baseline(folder: Path, name: str) -> Baseline:
    """Raises RecordError if there is none of that name or its file is damaged."""
    return read_json(_file(folder, name), Baseline, error=RecordError, what="a baseline", remedy=REMEDY, schema=SCHEMA)


def resolve(folder: Path, name: Path) -> Path:
    """The model file behind a path or a baseline's name.

    Raises RecordError if it was changed, UsageError for a name without an ending that no baseline has.
    """
    if name.exists() or not _NAME.fullmatch(str(name)):
        return name
    if not _file(folder, str(name)).is_file():
        if name.suffix:
            return name
        known = ", ".join(sorted(path.stem for path in folder.glob("*.json"))) or "no baselines"
        raise UsageError(
            f"{name}: no such model file, and no baseline of that name; {folder} has {known}; "
            f"`edgeunet bench accept MODEL --as {name}` makes it one"
        )
    baseline = load_baseline(folder, str(name))
    model = folder / baseline.name / baseline.model
    if not baseline.model:
        raise UsageError(
            f"the baseline {baseline.name} is the commit {baseline.commit[:12]} and has no model file: "
            "`edgeunet bench accept MODEL --as NAME` makes one that has"
        )
    if not model.is_file() or sha256(model) != baseline.sha256:
        raise RecordError(f"{model} is not the file that was accepted: restore it, or {REMEDY}")
    return model


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _copies(model: Path, target: Path) -> list[tuple[Path, Path]]:
    """What to copy where: the model last, after an engine's information."""
    sidecar = info_path(model)
    extra = [(sidecar, info_path(target))] if sidecar.is_file() and sidecar != model else []
    return [*extra, (model, target)]


def _current(folder: Path, name: str) -> Baseline | None:
    """The baseline that has the name now; None for none. Raises OutputError if its file is something else."""
    file = _file(folder, name)
    if not os.path.lexists(file):
        return None
    try:
        return load_baseline(folder, name)
    except RecordError as error:
        raise OutputError(
            f"{file} is not a baseline of edgeunet, and stays: give another name with --as, or another --baselines"
        ) from error


def _remove_others(folder: Path, kept: str, old: Baseline | None) -> None:
    """Remove the files of earlier baselines: known by the hash in their name, or in the old baseline's file."""
    for file in folder.iterdir():
        if file.name == kept or not file.is_file() or file.is_symlink():
            continue
        known = file.stem[-_DIGITS:] if re.fullmatch(rf".*-[0-9a-f]{{{_DIGITS}}}", file.stem) else ""
        if old and file.name == old.model:
            known = old.sha256
        if known and sha256(file).startswith(known):
            for path in (info_path(file), file):
                with suppress(OSError):
                    path.unlink()
    with suppress(OSError):  # a commit alone needs no folder
        folder.rmdir()
