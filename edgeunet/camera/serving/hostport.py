"""HOST:PORT in the camera's options."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from edgeunet.errors import UsageError
from edgeunet.utils.redaction import shown_address

_HOST = re.compile(r"[\w.:%~-]+")  # no login, and no scheme


@dataclass(frozen=True)
class HostPort:
    """host: a name or an address, without the brackets of IPv6. port: 1 to 65535, or 0 if the system may choose."""

    host: str
    port: int

    def __post_init__(self) -> None:
        if not self.host or not 0 <= self.port <= 65535:
            raise UsageError(f"an address is HOST:PORT with a port of 1 to 65535, got {self.host}:{self.port}")

    @classmethod
    def parse(cls, text: str, default_host: str = "") -> HostPort:
        """Read "HOST:PORT" or "[::1]:PORT"; PORT alone where there is a default host. Raises UsageError."""
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]") or default_host
        if not (port.isascii() and port.isdecimal() and len(port) <= 5) or not _HOST.fullmatch(host):
            expected = "PORT or HOST:PORT, such as 8080" if default_host else "HOST:PORT, such as 192.168.1.5:5004"
            raise UsageError(f"an address is {expected}; got {shown_address(text)[:60]!r}")
        return cls(host, int(port))

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        return is_address(self.host) and ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_address(host: str) -> bool:
    """Whether this is an IPv4 or IPv6 address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
