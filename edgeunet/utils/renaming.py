"""Two renames that Python does not have: to a free name only, and exchanging two names in one step (renameat2)."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2  # linux/fs.h
_ABSENT = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}  # an old kernel, or a file system without it


def rename_new(old: Path, new: Path) -> None:
    """Give a file another name; raises FileExistsError if the name is taken."""
    if not _renameat2(old, new, _NOREPLACE):
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))
        old.rename(new)


def exchange(one: Path, other: Path) -> None:
    """Exchange the names of two folders, in one step if the file system can, else in three."""
    if not _renameat2(one, other, _EXCHANGE):
        aside = one.with_name(f"{one.name}.old")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


def _renameat2(old: Path, new: Path, flags: int) -> bool:
    """Whether it was done; False if the system cannot do it. Raises OSError for any other failure."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if call(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), ctypes.c_uint(flags)) == 0:
        return True
    if (number := ctypes.get_errno()) in _ABSENT:
        return False
    raise OSError(number, os.strerror(number), str(new))
