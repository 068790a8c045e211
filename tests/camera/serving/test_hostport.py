from __future__ import annotations

import pytest

from edgeunet.camera.serving.hostport import HostPort
from edgeunet.errors import UsageError


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("8080", "127.0.0.1", 8080, True),
        ("0.0.0.0:8080", "0.0.0.0", 8080, False),  # noqa: S104
        ("localhost:1", "localhost", 1, True),
        ("127.3.0.1:65535", "127.3.0.1", 65535, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::]:8080", "::", 8080, False),
        ("jetson.local:8080", "jetson.local", 8080, False),
        (":8080", "127.0.0.1", 8080, True),
    ],
)
def test_address_is_a_port_or_a_host_and_a_port(text: str, host: str, port: int, loopback: bool) -> None:
    address = HostPort.parse(text, "127.0.0.1")
    assert (address.host, address.port, address.loopback) == (host, port, loopback)


def test_ipv6_is_written_in_brackets() -> None:
    assert str(HostPort("::1", 80)) == "[::1]:80"
    assert str(HostPort("127.0.0.1", 80)) == "127.0.0.1:80"


@pytest.mark.parametrize(
    "text", ["", "http", "localhost:", "localhost:http", "host:70000", "host:-1", "1.5", "http://h:80", "a b:80"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="an address is"):
        HostPort.parse(text, "127.0.0.1")


def test_rtp_needs_a_host() -> None:
    with pytest.raises(UsageError, match=r"HOST:PORT, such as 192.168.1.5:5004; got '5004'"):
        HostPort.parse("5004")


def test_a_login_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match=r"got '…@camera:5004'"):
        HostPort.parse("admin:Zq7wV3@camera:5004")
