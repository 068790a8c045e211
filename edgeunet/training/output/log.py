"""The log of a run: one CSV row for each evaluation, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeunet.training.progress import Row
from edgeunet.utils.files import replacing


class RunLog:
    """Writes the rows of a run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._board = _tensorboard(path.parent)

    def write(self, rows: Sequence[Row]) -> None:
        """Replace the file by these rows, which have the same columns; only the last one is new."""
        with replacing(self._path, force=True) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[-1]))
            writer.writeheader()
            writer.writerows({k: f"{v:.6g}" for k, v in r.items()} for r in rows)
        if self._board is not None:
            for name, value in rows[-1].items():
                self._board.add_scalar(name, value, int(rows[-1]["step"]))

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
