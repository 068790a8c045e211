"""Whether memory grows while frames pass."""

from __future__ import annotations

from pathlib import Path

from edgeunet.runtime.gpu.cuda import Device

WARM_UP, EVERY = 1000, 500  # frames
# Guesses: no GPU has run these tests yet.
HOST_SLACK = 8  # MiB: Python's and the driver's own pools
DEVICE_SLACK = 32  # MiB: other programs. On a Jetson free memory is the whole system's: run nothing else meanwhile


class Memory:
    """Free memory of the device and what the process holds of the host's, in MiB, every 500 frames after 1000."""

    def __init__(self) -> None:
        self._device_free: list[int] = []
        self._host: list[float] = []

    def look(self, frame: int, device: Device) -> None:
        """Take note, if it is time; from any thread."""
        if frame >= WARM_UP and frame % EVERY == 0:
            self._device_free.append(device.call(device.memory_mib)[0])
            status = Path("/proc/self/status").read_text(encoding="ascii")
            (resident,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
            self._host.append(int(resident) / 1024)

    def require_flat(self) -> None:
        assert len(self._host) > 10
        assert min(self._device_free) >= self._device_free[0] - DEVICE_SLACK, (
            f"free on the device, MiB: {self._device_free}"
        )
        assert max(self._host) <= self._host[0] + HOST_SLACK, f"held of the host, MiB: {self._host}"
