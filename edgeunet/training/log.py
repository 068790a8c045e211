"""The record of a run: one CSV row for each evaluation, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from edgeunet.files import replacing

LOG = "log.csv"
Row = dict[str, float]


class RunLog:
    """Keeps the rows of a run and its CSV file in step, also across an interruption."""

    def __init__(self, folder: Path, rows: list[Row]) -> None:
        """rows: what an interrupted run had written up to its checkpoint."""
        self.rows = rows
        self._path = folder / LOG
        self._board = _tensorboard(folder)

    def add(self, row: Row) -> None:
        """Append a row; all rows of a run have the same columns."""
        self.rows.append(row)
        with replacing(self._path, force=True) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerows({k: f"{v:.6g}" for k, v in r.items()} for r in self.rows)
        if self._board is not None:
            for name, value in row.items():
                self._board.add_scalar(name, value, int(row["step"]))

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
