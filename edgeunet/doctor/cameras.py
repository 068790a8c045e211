"""Doctor checks of the cameras: their modes, and which program uses them."""

from __future__ import annotations

import os
from pathlib import Path

from edgeunet.board.cameras import Camera, Ioctl, list_cameras
from edgeunet.board.machine import text_of
from edgeunet.doctor.host import Host
from edgeunet.utils.check import Check

ARGUS_SOCKET = "tmp/argus_socket"  # where nvargus-daemon, which reads the CSI sensors of a Jetson, listens


def check_cameras(host: Host | None = None, ioctl: Ioctl | None = None) -> list[Check]:
    """One line for each camera.

    host: this machine if not given. ioctl: the kernel's if not given, see list_cameras().
    """
    host = host or Host()
    cameras = list_cameras(host.root / "dev", ioctl)
    if not cameras:
        return [_none(host)]
    holders = _holders(host.root)
    checks = [_camera(camera, holders.get(Path(camera.address).name, "")) for camera in cameras]
    if any(c.address.startswith("csi:") for c in cameras) and not (host.root / ARGUS_SOCKET).exists():
        remedy = "sudo systemctl restart nvargus-daemon; in a container, -v /tmp/argus_socket:/tmp/argus_socket"
        checks.append(Check("warning", "CSI", "nvargus-daemon, which reads the sensors, does not run", remedy))
    return checks


def _none(host: Host) -> Check:
    if not host.jetson:
        return Check("ok", "cameras", "none")
    remedy = (
        "connect a USB camera, or switch the board off, connect the CSI camera and choose its sensor with "
        "sudo /opt/nvidia/jetson-io/jetson-io.py"
    )
    if host.container:
        remedy = "give the container --device /dev/video0"
    return Check("warning", "cameras", "none", remedy)


def _camera(camera: Camera, holder: str) -> Check:
    part = f"camera {camera.address}"
    if camera.problem:
        said, _, remedy = camera.problem.partition("; ")
        return Check("warning", part, said, remedy or "connect it again, and check sudo dmesg")
    if holder:
        return Check(
            "warning", part, f"{camera.name}, in use by {holder}", "end that program, or read the stream that it sends"
        )
    if not camera.modes:
        return Check("ok", part, f"{camera.name}, reports no modes")
    largest = max(camera.modes, key=lambda mode: mode.width * mode.height)
    rates = f" at {max(largest.rates):g} fps" if largest.rates else ""
    modes = f"{len(camera.modes)} modes up to {largest.width}×{largest.height}{rates}"
    return Check("ok", part, f"{camera.name}, {modes}")


def _holders(root: Path) -> dict[str, str]:
    """Program and number of a process by the device file it has open: "python3 (pid 812)" by "video0".

    Only root sees the processes of other users.
    """
    found: dict[str, str] = {}
    for process in (root / "proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            links = [link.readlink() for link in (process / "fd").iterdir()]
        except OSError:  # another user's, or it has ended
            continue
        for link in links:
            if link.match("/dev/video*"):
                found[link.name] = f"{text_of(process / 'comm') or 'a program'} (pid {process.name})"
    return found
