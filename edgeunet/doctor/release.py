"""Doctor checks of board, Jetson Linux, JetPack and Python: whether this project runs on them."""

from __future__ import annotations

import re
import sys

from edgeunet.board.machine import text_of
from edgeunet.doctor.host import Host
from edgeunet.utils.check import Check

OLDEST = (36, 4)
"""Of Jetson Linux: JetPack 6.1, the first with Python 3.10 and TensorRT 10.3."""

_JETPACKS = {  # by Jetson Linux
    (36, 4, 0): "6.1",
    (36, 4, 3): "6.2",
    (36, 4, 4): "6.2.1",
    (36, 4, 7): "6.2.1",
    (36, 5, 0): "6.2.2",
    (38, 2, 0): "7.0",
    (38, 4, 0): "7.1",
    (39, 2, 0): "7.2",
}
_REASONS = {  # major release of Jetson Linux: (JetPack, why not)
    32: ("4", "Python 3.6 and TensorRT 8.2 at most"),
    34: ("5", "Python 3.8 and TensorRT 8.4"),
    35: ("5", "Python 3.8 and TensorRT 8.5"),
    36: ("6.0", "TensorRT 8.6, which cannot build strongly typed networks"),
}
_ORIN_OR_LATER = re.compile(r"Orin|Thor")
_NO_JETPACK_6 = "this board gets no JetPack 6: use an Orin or a Thor, or run the .onnx file with ONNX Runtime elsewhere"


def check_release(host: Host) -> list[Check]:
    """The board, and on a Jetson its Jetson Linux and JetPack."""
    board = host.facts.get("board") or ("a Jetson of unknown model" if host.jetson else "")
    if not host.jetson:
        kind = "a container" if host.container else "no Jetson"
        return [Check("ok", "board", f"{board or host.architecture}, {kind}")]
    supported = _ORIN_OR_LATER.search(board) or "board" not in host.facts
    named = Check("ok", "board", board) if supported else Check("wrong", "board", board, _NO_JETPACK_6)
    return [named, *_container(host), _release(host, bool(supported))]


def _container(host: Host) -> list[Check]:
    if not host.container:
        return []
    if any((host.root / "dev" / name).exists() for name in ("nvmap", "nvidia0", "nvhost-gpu")):
        return [Check("ok", "container", "with the board's GPU")]
    remedy = "start it with --runtime nvidia; jetson/README.md has the whole command"
    return [Check("wrong", "container", "without the board's devices (/dev/nvmap)", remedy)]


def _release(host: Host, supported: bool) -> Check:
    release = host.facts.get("l4t", "")
    numbers = tuple(map(int, re.findall(r"[0-9]{1,9}", release)))
    if len(numbers) < 2:
        where = "mount it into the container" if host.container else "flash the board again with JetPack 6.1 or later"
        return Check("warning", "Jetson Linux", "unknown: /etc/nv_tegra_release does not name it", where)
    if numbers < OLDEST:
        jetpack, reason = _REASONS.get(numbers[0], ("before 6.1", "too old"))
        remedy = "flash JetPack 6.1 or later (or 7)" if supported else _NO_JETPACK_6
        return Check("wrong", "Jetson Linux", f"{release} (JetPack {jetpack}): {reason}", remedy)
    return Check("ok", "Jetson Linux", f"{release}, JetPack {_jetpack(host) or _by_release(numbers)}")


def _jetpack(host: Host) -> str:
    """Version of the package nvidia-jetpack: "6.2+b77"; "" if it is not installed."""
    status = text_of(host.root / "var/lib/dpkg/status")
    found = re.search(r"^Package: nvidia-jetpack\n(?:.+\n)*?Version: (.+)$", status, re.MULTILINE)
    return found[1] if found else ""


def _by_release(numbers: tuple[int, ...]) -> str:
    release = (*numbers, 0)[:3]
    known = max(number for number in _JETPACKS if number <= release)
    return _JETPACKS[known] + ("" if known == release else " or later")


def check_python() -> Check:
    """The interpreter that runs this."""
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 10) <= sys.version_info < (3, 13):
        return Check("ok", "Python", version)
    return Check("wrong", "Python", version, "use 3.10, 3.11 or 3.12")
