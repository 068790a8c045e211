"""One line of what a check found: of the doctor about a machine, of `data stats` about a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeunet.errors import EdgeUNetError

State = Literal["ok", "warning", "wrong"]
_COLORS = {"ok": "green", "warning": "yellow", "wrong": "red"}


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do. wrong: it cannot work so; warning: not well."""

    state: State
    part: str
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.state == "ok") == bool(self.remedy):
            raise ValueError(f"{self.part}: a warning has a remedy, and what is ok has none")

    @property
    def color(self) -> str:
        return _COLORS[self.state]

    @property
    def text(self) -> str:
        return f"{self.part}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")

    @classmethod
    def of_error(cls, state: State, part: str, error: EdgeUNetError) -> Check:
        """A line from an error's, which says what is wrong and after a colon or a semicolon what to do."""
        text = str(error).removeprefix(part).lstrip(" :")
        mark = ": " if ": " in text else "; "
        said, _, remedy = text.partition(mark)
        return cls(state, part, said, remedy or "look at it with --debug")
