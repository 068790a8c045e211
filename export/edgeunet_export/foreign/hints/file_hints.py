"""All hints of a network: in its file first, then in the files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edgeunet.errors import EdgeUNetError, ModelFileError, UsageError
from edgeunet.spec import Fit
from edgeunet.utils.dependencies import OPTIONAL_DEPENDENCIES
from edgeunet.utils.formatting import one_line
from edgeunet.utils.json_fields import read_json
from edgeunet_export.foreign.hints.deployment import DEPLOY, PIPELINE, hint_of_deploy, hint_of_pipeline
from edgeunet_export.foreign.hints.hint import Hint
from edgeunet_export.foreign.hints.hugging_face import PREPROCESSOR, hint_of_labels, hint_of_preprocessor
from edgeunet_export.foreign.hints.metadata import hint_in_metadata
from edgeunet_export.foreign.hints.smp import TRANSFORM, hint_of_encoder, hint_of_transform
from edgeunet_export.foreign.preprocessing import Preprocessing

_CONFIG = "config.json"
_LARGEST = 1 << 20  # bytes of a file
Values = Mapping[str, Any]


class SaidInput(NamedTuple):
    """How a file says that its network is fed."""

    preprocessing: Preprocessing
    origin: str
    certain: bool


@dataclass(frozen=True)
class FileHints:
    """hints: those that are certain first. notes: lines for the user about files that were not read."""

    hints: tuple[Hint, ...] = ()
    notes: tuple[str, ...] = ()

    def said_input(self, channels: int) -> SaidInput | None:
        """The first whole one for that many channels."""
        for hint in self.hints:
            if hint.order is None or hint.scale is None or (hint.order == "grey") != (channels == 1):
                continue
            mean, std = (values * channels if len(values) == 1 else values for values in hint.scale)
            if len(mean) == channels:
                return SaidInput(Preprocessing(hint.order, mean, std), hint.origin, hint.certain)
        return None

    @property
    def names(self) -> tuple[tuple[str, ...], str]:
        """The names of the classes and who says them; empty if nobody does."""
        return next(((hint.names, hint.origin) for hint in self.hints if hint.names), ((), ""))

    @property
    def size(self) -> tuple[tuple[int, int] | None, str]:
        """(height, width) of the input and who says it."""
        return next(((hint.size, hint.origin) for hint in self.hints if hint.size), (None, ""))

    @property
    def fit(self) -> tuple[Fit | None, str]:
        """How frames get to the input's size, and who says it."""
        return next(((hint.fit, hint.origin) for hint in self.hints if hint.fit), (None, ""))


def read_hints(path: Path, metadata: Mapping[str, str]) -> FileHints:
    """The hints of a network from its file, or from its folder.

    path: a file or a folder; anything else has no files beside it.
    metadata: the texts in the file. What cannot be read is left out, with a note.
    """
    folder = path if path.is_dir() else path.parent
    folders = [folder, folder.parent] if folder.name == "onnx" else [folder]  # as on the hub of Hugging Face
    if not path.exists():
        folders = []
    inside = hint_in_metadata(metadata)
    hints, notes = [inside] if inside else [], []
    for file, hints_of in ((f / name, hints_of) for f in folders for name, hints_of in _READERS.items()):
        if not file.is_file():
            continue
        try:
            hints += hints_of(_values(file))
        except EdgeUNetError as error:
            notes.append(str(error))
    return FileHints(tuple(sorted(hints, key=lambda hint: not hint.certain)), tuple(notes))


def _config(values: Values) -> Iterator[Hint]:
    if (encoder := hint_of_encoder(values, _CONFIG)) is not None:
        yield encoder
    yield hint_of_labels(values, _CONFIG)


def _one(hint_of: Callable[[Values], Hint | None]) -> Callable[[Values], Iterator[Hint]]:
    return lambda values: filter(None, [hint_of(values)])


_READERS: dict[str, Callable[[Values], Iterator[Hint]]] = {
    PREPROCESSOR: _one(hint_of_preprocessor),
    PIPELINE: _one(hint_of_pipeline),
    DEPLOY: _one(hint_of_deploy),
    TRANSFORM: _one(hint_of_transform),
    _CONFIG: _config,
}


def _values(file: Path) -> Values:
    if file.suffix == ".json":
        kind, what, remedy = dict[str, Any], "a JSON object", "it was not used"
        return read_json(file, kind, error=ModelFileError, what=what, remedy=remedy, largest=_LARGEST)
    try:
        import yaml
    except ImportError:
        install = OPTIONAL_DEPENDENCIES["yaml"].install
        raise ModelFileError(f"{file} was not read, PyYAML is not installed: {install}") from None
    try:
        if file.stat().st_size > _LARGEST:
            raise UsageError("it has more than 1 MB")
        values = yaml.safe_load(file.read_bytes())
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{file} is not valid YAML ({one_line(error)}): it was not used") from error
    return values if isinstance(values, dict) else {}
