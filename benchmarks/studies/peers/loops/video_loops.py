"""Both video loops on one clip, in turn: frames per second and CPU time of a frame, with and without drawing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.studies.camera.instant import Discard
from benchmarks.studies.peers.exported_files import ExportedFiles
from benchmarks.studies.peers.parts import found_or_missing
from benchmarks.studies.peers.peer_python import PeerPython
from benchmarks.studies.study import rounds_of
from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import open_source
from edgeunet.errors import SourceError
from edgeunet.runtime import open_session
from edgeunet.runtime.warm_up import warm_up

Figures = dict[str, Any]


def video_loops(
    files: Sequence[ExportedFiles], peer: PeerPython, clip: Path, size: tuple[int, int], rounds: int
) -> dict[str, Figures]:
    """Medians by network, "drawn" and "plain", each with its INT8 file on OpenVINO; see `their_loop`, `our_loop`.

    A network without that file, or whose loop fails, is "missing", with the reason.
    """
    turns: dict[str, dict[str, list[Figures]]] = {}
    missing: dict[str, Figures] = {}
    for _ in rounds_of(rounds):
        for each, draw in product(files, (False, True)):
            name = each.network.name
            if name in missing:
                continue
            found = found_or_missing(f"{name}: video", peer.folder, partial(_turn, each, peer, clip, size, draw=draw))
            if "missing" in found:
                missing[name] = found
            else:
                turns.setdefault(name, {}).setdefault("drawn" if draw else "plain", []).append(found)
    return missing | {
        name: {
            how: {key: round(median(turn[key] for turn in found), 2) for key in ("frames", "fps", "cpu_ms")}
            for how, found in ways.items()
        }
        for name, ways in turns.items()
        if name not in missing
    }


def _turn(files: ExportedFiles, peer: PeerPython, clip: Path, size: tuple[int, int], *, draw: bool) -> Figures:
    if files.own_int8 is not None:
        return their_loop(files.own_int8, peer, clip, size, draw=draw)
    if files.int8 is not None:
        return our_loop(files.int8, clip, draw=draw)
    return {"missing": files.missing.get("int8") or files.missing["fp32"]}


def their_loop(model: Path, peer: PeerPython, source: Path, size: tuple[int, int], *, draw: bool) -> Figures:
    """Their `predict` over a video in a process of its own. model: an OpenVINO file (.xml)."""
    settings = {"source": str(source), "draw": draw, "imgsz": list(size), "device": "cpu"}
    found: Figures = peer.run("loop", model.parent, settings, model.parents[2] / "loop.log")
    return found


def our_loop(model: Path, source: Path, *, draw: bool) -> Figures:
    """Our camera loop over a video."""
    with open_session(model, in_flight=Address.parse(str(source)).in_flight) as session:
        warm_up(session)
        busy = time.process_time()
        loop = Loop(session, {"clip": open_source(str(source))}, [nullcontext(Discard())], LoopOptions(draw=draw))
        loop.start()
        stats = loop.finish()["clip"]
        worked = 1000 * (time.process_time() - busy)
    return {"frames": stats.published, "fps": stats.fps, "cpu_ms": worked / stats.published}


def cut_video(model: ExportedFiles, peer: PeerPython, clip: Path, size: tuple[int, int], folder: Path) -> Figures:
    """What a loop does with a video whose file ends early: how many frames it segments, and what it says.

    folder: for the cut copy of the clip.
    """
    data = clip.read_bytes()
    cut = folder / f"cut{clip.suffix}"
    cut.write_bytes(data[: 6 * len(data) // 10])
    if model.own_int8 is not None:
        found = their_loop(model.own_int8, peer, cut, size, draw=False)
        log = (model.own_int8.parents[2] / "loop.log").read_text(errors="replace")
        return {"frames": found["frames"], "says": said(log)}
    if model.int8 is None:
        return {"missing": model.missing.get("int8") or model.missing["fp32"]}
    try:
        return {"frames": our_loop(model.int8, cut, draw=False)["frames"], "says": ""}
    except SourceError as error:
        return {"frames": 0, "says": str(error).replace(str(cut), cut.name)}


def said(log: str) -> str:
    """The warnings and errors in the peer's words, without paths; "" if it has none."""
    lines = [line.strip() for line in log.splitlines() if any(word in line.lower() for word in ("warn", "error"))]
    return " | ".join(dict.fromkeys(lines))[:300]
