from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType

import pytest

from edgeunet.errors import ModelFileError
from edgeunet.runtime import open_session
from edgeunet.runtime.model_identity import ModelFile, opened_from
from edgeunet.runtime.run_metadata import run_metadata_of
from tests.models import toy_spec, write_toy_model


class Opened:
    """What an opener read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.closed = False

    def __enter__(self) -> Opened:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True


def test_a_file_that_is_replaced_while_it_is_opened_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")
    tries: list[Opened] = []

    def opener() -> Opened:
        tries.append(Opened(path.read_bytes()))
        if len(tries) == 1:
            (tmp_path / "new").write_bytes(b"newer")
            (tmp_path / "new").replace(path)
        return tries[-1]

    opened, file = opened_from(path, opener)
    assert (opened.data, file) == (b"newer", ModelFile("m.onnx", hashlib.sha256(b"newer").hexdigest(), 5))
    assert [o.closed for o in tries] == [True, False]


def test_a_file_that_never_stands_still_or_goes_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"")

    def growing() -> Opened:
        path.write_bytes(path.read_bytes() + b"x")
        return Opened(b"")

    def going() -> Opened:
        path.unlink(missing_ok=True)
        return Opened(b"")

    for opener in (growing, going):
        with pytest.raises(ModelFileError, match="changes while it is opened"):
            opened_from(path, opener)


def test_what_a_record_says_of_the_model_was_true_when_it_was_opened(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "toy.onnx")
    data = path.read_bytes()
    with open_session(path) as session:
        write_toy_model(tmp_path / "other.onnx", toy_spec((16, 24))).replace(path)
        replaced = run_metadata_of(session)
        path.unlink()
        assert run_metadata_of(session) == replaced
    assert (replaced.model, replaced.size_bytes) == ("toy.onnx", len(data))
    assert replaced.model_sha256 == hashlib.sha256(data).hexdigest()
