"""Access to the page and the figures: by a token, and never under a foreign host name."""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from edgeunet.camera.serving.hostport import HostPort, is_address
from edgeunet.errors import UsageError

LOOPBACK = "127.0.0.1"  # where a server listens by default
MIN_TOKEN = 8  # characters


@dataclass(frozen=True)
class Access:
    """Where a server listens, and the secret that it asks for; None: anyone who reaches it can open the page."""

    address: HostPort
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is None:
            return
        if len(self.token) < MIN_TOKEN:
            raise UsageError(
                f"the token (--token or EDGEUNET_TOKEN) must have at least {MIN_TOKEN} characters, got "
                f"{len(self.token)}"
            )
        try:
            self.token.encode()
        except (
            UnicodeEncodeError
        ) as error:  # the environment may hold bytes that are not UTF-8; no request can carry them
            raise UsageError("the token is not UTF-8 text: give letters, digits and signs") from error

    def allows(self, headers: Mapping[str, str], query: str) -> bool:
        """Whether a request carries the token: as ?token=, as a bearer, or in the cookie that the page set.

        headers: found by their names in any case.
        """
        if self.token is None:
            return True
        given = parse_qs(query).get("token", [])
        scheme, _, credentials = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":  # RFC 9110, section 11.1: in any case
            given.append(credentials.strip())
        cookies = dict(c.strip().partition("=")[::2] for c in headers.get("Cookie", "").split(";"))
        cookie = cookies.get(self.cookie[0], "")
        return any([_same(text, self.token) for text in given] + [_same(cookie, self.cookie[1])])  # all are compared

    @property
    def cookie(self) -> tuple[str, str]:
        """Name and value; browsers share cookies between the ports of a host."""
        return f"edgeunet-{self.address.port}", hashlib.sha256((self.token or "").encode()).hexdigest()

    def knows(self, host: str) -> bool:
        """Whether a Host header means this machine, and not a foreign name that points to it (DNS rebinding).

        An address is safe, and a request with the token needs no other proof. A name of a single word, as containers
        use, is not safe, for the network's name server may answer anything: it needs the token.
        """
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        name = name.removeprefix("[").removesuffix("]").lower()
        own = socket.gethostname().lower()
        return is_address(name) or name in ("localhost", self.address.host.lower(), own, f"{own}.local")


def notice(title: str, access: Access, port: int, path: str = "") -> str:
    """The terminal's note about a server: its address, and who can open it. port: the one in use."""
    host = access.address.host
    if host in ("0.0.0.0", "::", "*"):  # noqa: S104 - the user asked for it, and the notice says it
        host = socket.gethostname()
    text = f"{title}: http://{HostPort(host, port)}/{path}"
    if access.token is not None:
        return f"{text}?token=… with your token"
    return text if access.address.loopback else f"{text} — anyone on the network can watch: give --token to prevent it"


def _same(given: str, secret: str) -> bool:
    """Compares in a time that does not depend on the secret."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), secret.encode())
