"""Doctor checks of the groups that may open devices: video for cameras and a Jetson's GPU, render for GPUs."""

from __future__ import annotations

from edgeunet.doctor.host import Host
from edgeunet.utils.check import Check

_DEVICES = {  # group: what it opens
    "video": ("video[0-9]*", "nvmap", "nvhost-*"),
    "render": ("dri/renderD*",),
}


def check_permissions(host: Host) -> list[Check]:
    """One line, or none if there is no such device."""
    needed = {
        group: sorted(str(path.relative_to(host.root)) for p in patterns for path in (host.root / "dev").glob(p))
        for group, patterns in _DEVICES.items()
    }
    needed = {group: devices for group, devices in needed.items() if devices}
    groups = host.groups()
    if not needed:
        return []
    if groups is None:
        return [Check("ok", "permissions", "root opens every device")]
    lacking = [group for group in needed if group not in groups]
    if lacking:
        devices = ", ".join(f"/{needed[group][0]}" for group in lacking)
        found = f"you are not in the group {' or '.join(lacking)}, which may open {devices}"
        remedy = f"sudo usermod -aG {','.join(lacking)} $USER, then log in again"
        return [Check("wrong" if host.jetson else "warning", "permissions", found, remedy)]
    return [Check("ok", "permissions", f"you are in {' and '.join(needed)}")]
