"""The parts of the study, each on its own: one that fails is "missing", with the reason, and the others are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgeunet.errors import EdgeUNetError, UsageError
from edgeunet.utils import console
from edgeunet.utils.formatting import one_line

PARTS = ("scores", "bare", "video", "live", "cut_video", "head")


def require_parts(names: Sequence[str]) -> None:
    """Raises UsageError for a name that is no part."""
    if unknown := [name for name in names if name not in PARTS]:
        raise UsageError(f"there is no part {unknown[0]!r}: --parts is some of {','.join(PARTS)}")


def found_or_missing(title: str, runs: Path, work: Callable[[], Any]) -> Any:
    """What `work` finds, or {"missing": reason}, without the path of the folder `runs`."""
    console.stdout().print(title)
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # hours of other measurements must not be lost with it
        kind = "" if isinstance(error, EdgeUNetError) else f"{type(error).__name__}: "
        reason = f"{kind}{one_line(error)}".replace(str(runs), "RUNS")
        console.stdout().print(f"  missing: {reason}")
        return {"missing": reason}
