"""Runs a command in a process of its own, and says whether its end was a clean one.

Clean: exit code 0 or a verdict's; or 1 or 2 with a line that says why. Nothing else is:
traceback  an exception that is no error of the product, in any thread
crash      the process died of a signal
hang       no end in time, nor in three times that
memory     more than LIMIT_BYTES beyond what the process began with
leftover   after a failure a file that was not there before, or another content; an input that is changed; a process
silent     exit code 1 or 2 without a line that says why, or another exit code
"""

from __future__ import annotations

import faulthandler
import os
import re
import resource
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

STATES = ("clean", "traceback", "crash", "hang", "memory", "leftover", "silent")
LIMIT_BYTES, LIMIT_S = 2 << 30, 20.0
_CODES = range(7)  # with the verdicts
_KEEP = ("camera", "train", "data stats")  # commands that keep what they made before they ended with 1


class Verdict(NamedTuple):
    """state: one of STATES. why: a line that is the same for the same fault. said: stdout and stderr."""

    state: str
    why: str = ""
    said: str = ""


class _Ended(NamedTuple):
    """code: negative for a signal, None if it had to be stopped. peak: bytes beyond those at the beginning."""

    code: int | None
    out: str
    err: str
    peak: int
    left_process: bool


def judged(
    target: Callable[[], object],
    words: Sequence[str],
    folder: Path,
    *,
    limit_s: float = LIMIT_S,
    limit_bytes: int = LIMIT_BYTES,
) -> Verdict:
    """Run a target in a folder, and judge its end.

    words: of the command line, which say what may be written: all that lies in out/ or follows -o, and new files that
    another word names.
    """
    before = _files(folder)
    ended = _run(target, folder, limit_s)
    if ended.code is None and _files(folder) == before:  # the machine may have been busy
        ended = _run(target, folder, 3 * limit_s)
    said = ended.out + ended.err
    if ended.code is None:
        return Verdict("hang", f"no end within {limit_s:g} s: {' '.join(words[:2])}", said)
    if found := re.search(r"^Traceback \(most recent call last\).*?^(\w[\w.]*)(?::|$)", said, re.M | re.S):
        places = re.findall(r'File "[^"]*/((?:edgeunet|export|benchmarks)[^"]*)", line (\d+)', found[0])
        return Verdict("traceback", f"{found[1]} at {':'.join(places[-1]) if places else '?'}", said)
    if ended.code < 0:
        return Verdict("crash", f"died of {signal.Signals(-ended.code).name}: {' '.join(words[:2])}", said)
    if ended.peak > limit_bytes:
        return Verdict("memory", f"took too much memory: {' '.join(words[:2])}", f"{ended.peak >> 20} MiB\n{said}")
    if left := _leftover(before, _files(folder), words, failed=ended.code in (1, 2)):
        return Verdict("leftover", f"{left}: {' '.join(words[:2])}", said)
    if ended.left_process:
        return Verdict("leftover", f"a process goes on: {' '.join(words[:2])}", said)
    explained = ended.out.strip() or re.search(r"error|usage", ended.err, re.I)
    if ended.code not in _CODES or (ended.code in (1, 2) and not explained):
        return Verdict("silent", f"exit code {ended.code}: {' '.join(words[:2])}", said)
    return Verdict("clean", said=said)


def _leftover(before: dict[str, bytes], after: dict[str, bytes], words: Sequence[str], *, failed: bool) -> str:
    """What a command left behind that it should not have, "" for nothing."""
    outputs = ("out/", *(word for option, word in pairwise(words) if option in ("-o", "--output")))
    for name in sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)):
        if ".part" in name:
            return f"a temporary file is left ({re.sub('[0-9a-f]{6,}', '…', name)})"
        if not name.startswith(outputs) and (
            name in before or not any(name.startswith(word) for word in words if word)
        ):
            return f"{name} is changed"
        if failed and not " ".join(words[:2]).startswith(_KEEP):
            return f"after a failure {name} is {'changed' if name in before else 'there'}"
    return ""


def _files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _run(target: Callable[[], object], folder: Path, limit_s: float) -> _Ended:
    said = [folder.with_name(f"{folder.name}.{name}") for name in ("stdout", "stderr")]
    with warnings.catch_warnings():
        # Python warns of threads that a fork leaves behind; none of them holds a lock that the target needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _be_the_command(target, folder, said)
    handle = os.pidfd_open(child)
    ended, _, _ = select.select([handle], [], [], limit_s)
    os.close(handle)
    left = _kill(child)
    _, status, usage = os.wait4(child, 0)
    peak = usage.ru_maxrss * 1024 - _resident()
    out, err = (path.read_text(errors="replace") for path in said)
    code = os.waitstatus_to_exitcode(status) if ended else None
    return _Ended(code, out, err, peak, bool(ended) and left)


def _kill(child: int) -> bool:
    """End a command's process group; whether there was more in it than a process that has ended already."""
    members = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        members += int(group) == child and state != "Z"
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return members > 0


def _resident() -> int:
    """Bytes of memory that this process has now, and so a fork of it, which maps files only when it reads them."""
    resident, of_files = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    return (resident - of_files) * resource.getpagesize()


def _be_the_command(target: Callable[[], object], folder: Path, said: Sequence[Path]) -> None:
    """In the fork: be the command, and never come back."""
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in enumerate(said, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115  for the process's life
        threading.excepthook, sys.unraisablehook = threading.__excepthook__, sys.__unraisablehook__  # pytest has others
        faulthandler.disable()
        try:
            target()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001  that is what is looked for
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
