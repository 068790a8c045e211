"""The result of one check: by the doctor of a machine, by `data stats` of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeunet.errors import EdgeUNetError

State = Literal["ok", "warning", "wrong"]
_COLORS = {"ok": "green", "warning": "yellow", "wrong": "red"}


@dataclass(frozen=True)
class Check:
    """One line: what was checked, what was found, what to do. wrong: it cannot work; warning: not well."""

    state: State
    part: str
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.state == "ok") == bool(self.remedy):
            raise ValueError(f"{self.part}: warnings and errors have a remedy, and what is ok has none")

    @property
    def color(self) -> str:
        return _COLORS[self.state]

    @property
    def text(self) -> str:
        return f"{self.part}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")

    @classmethod
    def of_error(cls, state: State, part: str, error: EdgeUNetError) -> Check:
        """From an error, whose message says what is wrong and, after a colon or a semicolon, what to do."""
        text = str(error).removeprefix(part).lstrip(" :")
        mark = ": " if ": " in text else "; "
        said, _, remedy = text.partition(mark)
        return cls(state, part, said, remedy or "look at it with --debug")
