"""`python -m benchmarks.studies.camera.soak MODEL -o FILE`: whether memory, threads or open files of the camera grow.

The real command `edgeunet camera` runs on a synthetic source of 30 frames per second with every sink that needs no
screen: the page with a viewer that reads all of its stream, video, masks, RTP, lines of JSON, metrics that are
fetched every few seconds. Its resident memory, threads and file descriptors are read from the outside. What it writes
goes to a folder that is deleted at the end. Memory may grow by 5 MB from the second minute to the last.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import psutil
import typer

from benchmarks.studies.study import Output, Study, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.cli.common_options import Force
from edgeunet.errors import EdgeUNetError, UsageError
from edgeunet.runtime import open_session
from edgeunet.utils import console
from edgeunet.utils.files import sha256

STUDY = Study(__doc__ or "", "edgeunet.camera-soak/1")
EVERY_S = 5.0
WARM_S = 60.0  # until then memory may grow
GROWTH_MB = 5.0
SOURCE = "synthetic://?width=1280&height=720&fps=30"


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def watch(url: str) -> None:
    """Read a stream to its end, as a browser does."""
    with urllib.request.urlopen(url, timeout=30) as stream:  # noqa: S310 - our own server
        while stream.read(1 << 16):
            pass


def soak(model: Path, seconds: float) -> dict[str, Any]:
    """Run the command for that time and return the content of the result file."""
    if seconds < 2 * WARM_S:
        raise UsageError(f"--seconds is at least {2 * WARM_S:g}, of which the first {WARM_S:g} do not count")
    with tempfile.TemporaryDirectory() as folder:
        page, metrics = free_port(), free_port()
        sinks = f"--record out.mp4 --save-masks masks --rtp 127.0.0.1:{free_port()} --jsonl out.jsonl"
        options = f"--source {SOURCE} {sinks} --serve {page} --metrics {metrics} --deadline-ms 100"
        line = f"camera {model.resolve()} {options}"
        code = "from edgeunet.cli import main; main()"
        with (
            (Path(folder) / "stderr").open("w") as log,
            subprocess.Popen([sys.executable, "-c", code, *line.split()], cwd=folder, stderr=log) as process,
        ):
            try:
                samples = _sample(process.pid, seconds, f"http://127.0.0.1:{page}", f"http://127.0.0.1:{metrics}")
            finally:
                process.send_signal(signal.SIGINT)
                begin = time.monotonic()
                exit_code = process.wait(60)
        end_s = time.monotonic() - begin
        said = (Path(folder) / "stderr").read_text().splitlines()
    warm = [sample for sample in samples if sample["s"] >= WARM_S]
    first, last = ([s["rss_mb"] for s in part] for part in _minutes(warm))
    with open_session(model) as session:
        facts = fingerprint(session.describe())
    return {
        "ran": f"edgeunet camera {model.name} {options}",
        "model_sha256": sha256(model),
        "machine": facts,
        "seconds": round(samples[-1]["s"], 1),
        "rss_mb_second_minute": median(first),
        "rss_mb_last_minute": median(last),
        "rss_growth_mb": round(median(last) - median(first), 2),
        "allowed_growth_mb": GROWTH_MB,
        "threads": sorted({sample["threads"] for sample in warm}),
        "file_descriptors": sorted({sample["fds"] for sample in warm}),
        "exit_code": exit_code,
        "end_took_s": round(end_s, 2),
        "last_line": said[-1],
        "samples": samples,
    }


def _sample(pid: int, seconds: float, page: str, metrics: str) -> list[dict[str, float]]:
    """Memory, threads and descriptors every few seconds, once the page answers."""
    process = psutil.Process(pid)
    _until_it_answers(process, page)
    threading.Thread(target=watch, args=(f"{page}/stream/0/overlay",), daemon=True).start()
    begin = time.monotonic()
    samples = []
    with console.progress() as bar:
        task = bar.add_task("running", total=round(seconds), note="")
        while (now_s := time.monotonic() - begin) < seconds:
            with urllib.request.urlopen(f"{metrics}/metrics", timeout=30) as reply:  # noqa: S310 - our own server
                reply.read()
            rss_mb = round(process.memory_info().rss / 1e6, 2)
            samples.append(
                {"s": round(now_s, 1), "rss_mb": rss_mb, "threads": process.num_threads(), "fds": process.num_fds()}
            )
            bar.update(task, completed=now_s, note=f"{rss_mb:.1f} MB, {samples[-1]['threads']} threads")
            time.sleep(EVERY_S)
    return samples


def _until_it_answers(process: psutil.Process, page: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.status() != psutil.STATUS_ZOMBIE:
        try:
            urllib.request.urlopen(page, timeout=5).close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise EdgeUNetError("the camera does not answer within a minute: run the command by itself to see why")


def _minutes(samples: list[dict[str, float]]) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """The samples of the first and of the last minute."""
    begin, end = samples[0]["s"], samples[-1]["s"]
    return [s for s in samples if s["s"] < begin + 60], [s for s in samples if s["s"] > end - 60]


def main(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    output: Output,
    seconds: Annotated[float, typer.Option(help="How long.")] = 1800.0,
    force: Force = False,
) -> None:
    """Run the camera with all sinks and watch its memory, threads and open files."""
    result = STUDY.keep(output, lambda: soak(model, seconds), force=force, inputs=[model])
    console.stdout().print(
        f"{result['seconds']:.0f} s: {result['rss_growth_mb']:+.1f} MB after the first minute, "
        f"threads {result['threads']}, descriptors {result['file_descriptors']}; {result['last_line']}"
    )


if __name__ == "__main__":
    run(main)
