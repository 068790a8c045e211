"""`python -m benchmarks.studies.camera.ros2_loopback -o FILE`: images through a topic of ROS 2, over loopback.

One process publishes numbered images with Cyclone DDS, another reads them as `edgeunet camera` does. Lost are all that
were not read, also those that a newer one replaced. The age is from the stamp to the frame in the reader's hands.

- small: 96×64, grey, 1,000 per second.
- hd: 1280×720, three colours, 30 per second; with the receive buffer that edgeunet asks for, and with the one of
  Cyclone DDS.
- codec: processor time to read and to write the message of such an image; with cyclonedds's own classes in Python for
  comparison, which make a number of each byte.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.studies.study import Output, Study, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.frame import FrameHeader
from edgeunet.camera.ros2.encodings import pixels_of
from edgeunet.camera.ros2.messages import IMAGE, Image
from edgeunet.camera.ros2.opening import open_node, require_ros2
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import open_address
from edgeunet.cli.common_options import Force
from edgeunet.spec import BGR, PixelFormat
from edgeunet.utils import console
from edgeunet.utils.limits import require_count

STUDY = Study(__doc__ or "", "edgeunet.ros2-loopback/1")
THEIR_BUFFER = "<Internal><SocketReceiveBufferSize max='1MB'/></Internal>"  # Cyclone DDS's default
SILENT_S = 3.0  # after the publisher has ended, and what has not come is lost
LONGEST_S = 60.0  # for both processes to find each other


@dataclass(frozen=True)
class Traffic:
    """What is published: images of (height, width, channels), so many, at that rate."""

    shape: tuple[int, int, int]
    fps: float
    count: int


SMALL, HD = Traffic((64, 96, 1), 1000.0, 100_000), Traffic((720, 1280, 3), 30.0, 1800)


def exchange(stream: Traffic, configuration: str = "") -> dict[str, Any]:
    """Publish a stream in one process, read it in another, and return what arrived. configuration: of Cyclone DDS.

    Raises RuntimeError if the two do not find each other.
    """
    spawn = multiprocessing.get_context("spawn")
    found, ended, results = spawn.Event(), spawn.Event(), spawn.Queue()
    topic = f"/study_{uuid.uuid4().hex}"
    environment = {
        "ROS_LOCALHOST_ONLY": "1",
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 200),
        "CYCLONEDDS_URI": configuration,
    }
    publisher = spawn.Process(target=_publish, args=(environment, topic, stream, found, ended))
    reader = spawn.Process(target=_read, args=(environment, topic, stream, found, ended, results))
    publisher.start()
    reader.start()
    try:
        if not found.wait(LONGEST_S):
            raise RuntimeError(f"no image has arrived within {LONGEST_S:g} s")
        read: dict[str, Any] = results.get()
    finally:
        for process in (publisher, reader):
            process.terminate()
            process.join()
    return read


def _publish(environment: dict[str, str], topic: str, stream: Traffic, found: Event, ended: Event) -> None:
    """Images whose frame_id is their number; before the reader has found one, small ones of number -1."""
    os.environ.update(environment)
    node = open_node()
    publication, image = node.advertise(topic, IMAGE), _image(stream.shape)
    first = _image((8, 8, stream.shape[2]))

    def send(image: Image, number: int) -> None:
        publication.publish(replace(image, header=FrameHeader(time.time_ns(), str(number))).to_bytes())

    while not found.wait(0.05):
        send(first, -1)
    begin = time.monotonic()
    for number in range(stream.count):
        time.sleep(max(0.0, begin + number / stream.fps - time.monotonic()))
        send(image, number)
    ended.set()
    time.sleep(LONGEST_S)


def _read(
    environment: dict[str, str], topic: str, stream: Traffic, found: Event, ended: Event, results: Queue[dict[str, Any]]
) -> None:
    os.environ.update(environment)
    lines: list[str] = []
    pixels = PixelFormat(stream.shape[2])
    source = open_address(Address.parse(f"ros2://{topic}"), pixels, lines.append)

    def interrupt() -> None:
        ended.wait()
        time.sleep(SILENT_S)
        source.interrupt()

    threading.Thread(target=interrupt, daemon=True).start()
    numbers, ages_ms = [], []
    with source:
        while (frame := source.read()) is not None:
            age_ms = (time.perf_counter_ns() - frame.captured_ns) / 1e6
            found.set()
            if frame.header is not None and frame.header.frame_id != "-1":
                numbers.append(int(frame.header.frame_id))
                ages_ms.append(age_ms)
    p50, p99 = (round(float(q), 3) for q in np.quantile(ages_ms or [0.0], (0.5, 0.99)))
    results.put(
        {
            "published": stream.count,
            "read": len(numbers),
            "lost": stream.count - len(set(numbers)),
            "in_order": numbers == sorted(set(numbers)),
            "corrupt": source.corrupt,
            "age_p50_ms": p50,
            "age_p99_ms": p99,
            "age_max_ms": round(max(ages_ms, default=0.0), 3),
            "notes": lines,
        }
    )


def _image(shape: tuple[int, int, int]) -> Image:
    height, width, channels = shape
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    encoding = "mono8" if channels == 1 else "bgr8"
    return Image(FrameHeader(0, ""), height, width, encoding, 0, width * channels, pixels.reshape(-1).data)


def codec() -> dict[str, float]:
    """Milliseconds of processor time for one message of a large image."""
    from cyclonedds.idl import make_idl_struct, types

    fields = {"before": types.uint32, "data": types.sequence[types.uint8]}  # type: ignore[misc]
    theirs: Any = make_idl_struct("Theirs", "theirs", fields)
    image = _image(HD.shape)
    message, sample = image.to_bytes(), theirs(0, list(bytes(image.data)))
    their_message = sample.serialize()
    times = {
        "write_ms": _cpu_ms(image.to_bytes, 200),
        "read_ms": _cpu_ms(lambda: pixels_of(Image.from_bytes(message), BGR), 200),
        "their_write_ms": _cpu_ms(sample.serialize, 3),
        "their_read_ms": _cpu_ms(lambda: theirs.deserialize(their_message), 3),
    }
    return {name: round(value, 3) for name, value in times.items()}


def _cpu_ms(work: Callable[[], object], count: int) -> float:
    work()
    begin = time.process_time_ns()
    for _ in range(count):
        work()
    return (time.process_time_ns() - begin) / count / 1e6


def measure(small: Traffic, large: Traffic) -> dict[str, Any]:
    """The content of the result file."""
    require_ros2()
    return {
        "machine": fingerprint({}),
        "rmem_max": int(Path("/proc/sys/net/core/rmem_max").read_text()),
        "small": exchange(small),
        "hd": exchange(large),
        "hd_with_their_buffer": exchange(large, THEIR_BUFFER),
        "codec": codec(),
    }


def main(
    output: Output,
    small: Annotated[int, typer.Option(help="Number of small images.")] = SMALL.count,
    large: Annotated[int, typer.Option(help="Number of large images.")] = HD.count,
    force: Force = False,
) -> None:
    """Measure what arrives of images that are published on a topic of ROS 2, and how old it is."""
    require_count("--small", small)
    require_count("--large", large)
    result = STUDY.keep(output, lambda: measure(replace(SMALL, count=small), replace(HD, count=large)), force=force)
    for name in ("small", "hd", "hd_with_their_buffer"):
        found = result[name]
        console.stdout().print(
            f"{name}: {found['lost']} of {found['published']} lost, age p50 {found['age_p50_ms']:.1f}, p99 "
            f"{found['age_p99_ms']:.1f}, max {found['age_max_ms']:.1f} ms"
        )


if __name__ == "__main__":
    run(main)
