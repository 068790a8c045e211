"""`edgeunet` as a user types it, in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from edgeunet import cli


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `edgeunet ARGUMENTS…`."""

    def call(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["edgeunet", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return Ran(int(end.value.code or 0), out, err)

    return call
