"""Doctor checks of the device files of cameras and GPU: whether this user may open them, and what helps."""

from __future__ import annotations

from edgeunet.doctor.host import Host
from edgeunet.utils.check import Check, State

_DEVICES = (
    *("video[0-9]*", "dri/renderD*", "nvmap", "host1x-fence", "nvidia[0-9]*", "nvidiactl", "nvidia-uvm"),
    # Of a Jetson's GPU, by both of their names, what programs open: dbg, prof* and ctxsw are for the group debug, sched
    # for root.
    *(f"nvgpu/igpu*/{name}" for name in ("power", "ctrl", "as", "channel", "tsg")),
    *(f"nvhost-{name}gpu" for name in ("power-", "ctrl-", "as-", "", "tsg-")),
)


def check_permissions(host: Host) -> list[Check]:
    """One line, or none if there is no such device."""
    devices = [path for pattern in _DEVICES for path in sorted((host.root / "dev").glob(pattern))]
    if not devices:
        return []
    closed: dict[str, list[str]] = {}  # files by the group that may open them
    for path in devices:
        if not host.may_open(path):
            closed.setdefault(host.group_of(path), []).append(f"/{path.relative_to(host.root)}")
    if not closed:
        return [Check("ok", "permissions", "you may open the devices of cameras and GPU")]
    state: State = "wrong" if host.jetson else "warning"
    by_root = closed.pop("root", [])
    checks = []
    if closed:
        firsts = ", ".join(files[0] for files in closed.values())
        found = f"you are not in the group {' or '.join(closed)}, which may open {firsts}"
        remedy = f"sudo usermod -aG {','.join(closed)} $USER, then log in again"
        checks.append(Check(state, "permissions", found, remedy))
    if by_root:
        remedy = "restart; on a Jetson, sudo apt install --reinstall nvidia-l4t-init brings the rules of its group"
        checks.append(Check(state, "permissions", f"only root may open {by_root[0]}", remedy))
    return checks
