"""A layout: how it is recognised, and what reads it. Each file in formats/ has one or more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.labelled_frame import ConversionSource


@dataclass(frozen=True)
class Layout:
    """One layout of an export.

    name: for --layout. looks: one line for the list of all layouts, such as "leftImg8bit/ and gtFine/". recognise: what
    a folder is and by what, such as "Cityscapes, by leftImg8bit/ and gtFine/"; None if it is something else. read:
    raises DatasetError or UsageError. takes: those of --classes, --images and --mask-suffix that make sense for it.
    """

    name: str
    looks: str
    recognise: Callable[[Path], str | None]
    read: Callable[[Request], ConversionSource]
    takes: tuple[str, ...] = ()


def by_folders(title: str, *folders: str) -> Callable[[Path], str | None]:
    """Recognises a folder that has all of these."""

    def recognise(path: Path) -> str | None:
        return (
            f"{title}, by {' and '.join(f'{f}/' for f in folders)}"
            if all((path / f).is_dir() for f in folders)
            else None
        )

    return recognise
