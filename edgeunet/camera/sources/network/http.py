"""Asking an http:// address what it has: pictures one after the other, a file, or a stream."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    build_opener,
    getproxies,
    proxy_bypass,
)

from edgeunet.camera.sources.address import Address
from edgeunet.errors import SourceError
from edgeunet.utils.redaction import hidden_in, login_letters

BROKEN = (OSError, http.client.HTTPException)
_MULTIPART = re.compile(r'multipart/.*boundary="?([^";]+)', re.IGNORECASE)
_PLAYLIST = re.compile(r"mpegurl|dash\+xml|ms-sstr", re.IGNORECASE)
_RESERVED = "%/:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True)
class HttpReply:
    """What a server answered.

    response: open, of http.client. url: after redirects, with the login if it is the same server. boundary: of an MJPEG
    stream, else None. finite: the body has a length, and is no playlist. ranges: the server sends parts of a file.
    """

    response: Any
    url: str
    boundary: str | None
    finite: bool
    ranges: bool


class _ClosesAnswer:
    """urllib's login handlers do not close the answer that asks for the login, and fail at each other's schemes."""

    def http_error_401(self, request: Any, answer: Any, *details: Any) -> Any:
        try:
            second = super().http_error_401(request, answer, *details)  # type: ignore[misc]
        except HTTPError:
            answer.close()
            raise
        except ValueError:
            return None
        if second is not None:
            answer.close()
        return second


class _Basic(_ClosesAnswer, HTTPBasicAuthHandler):
    pass


class _Digest(_ClosesAnswer, HTTPDigestAuthHandler):
    pass


def ask(address: Address, timeout_s: float) -> HttpReply:
    """Ask for the body behind an address; raises SourceError if the server does not answer, or refuses.

    A login in the address is used for Basic and Digest, also where a redirect leads to the same host and port; no
    other server ever gets it.
    """
    logins = HTTPPasswordMgrWithDefaultRealm()
    opener = build_opener(_Basic(logins), _Digest(logins))
    try:
        parts = urlsplit(address.target)
        login, _, host = parts.netloc.rpartition("@")
        if parts.username is not None:
            root = f"{parts.scheme}://{host}/"
            logins.add_password(None, root, unquote(parts.username), unquote(parts.password or ""))
        response = opener.open(quote(urlunsplit(parts._replace(netloc=host)), safe=_RESERVED), timeout=timeout_s)
    except HTTPError as error:
        error.close()
        remedy = "check user and password" if error.code in (401, 403) else "check the address"
        raise _failure(address, f"answers {error.code} {error.reason}: {remedy}") from error
    except BROKEN as error:
        remedy = "check the address" + _proxy(address)
        raise _failure(address, f"cannot be reached ({getattr(error, 'reason', error)}): {remedy}") from error
    except ValueError as error:
        raise _failure(address, "is not a valid HTTP address: expected http://host/path") from error
    kind = response.headers.get("Content-Type", "")
    found = _MULTIPART.match(kind)
    length = response.headers.get("Content-Length", "")
    reached = urlsplit(response.geturl())
    if login and reached.netloc == host:
        reached = reached._replace(netloc=f"{login}@{host}")
    return HttpReply(
        response,
        urlunsplit(reached),
        found[1] if found else None,
        finite=re.fullmatch(r"0*[1-9][0-9]{0,17}", length.strip()) is not None
        and not _PLAYLIST.search(kind)
        and not reached.path.lower().endswith((".m3u8", ".mpd")),
        ranges=response.headers.get("Accept-Ranges", "none").strip().lower() == "bytes",
    )


def _failure(address: Address, problem: str) -> SourceError:
    problem = " ".join(hidden_in(problem, address.target).split())
    return SourceError(f"{address.name} {problem}{login_letters(address.target)}")


def _proxy(address: Address) -> str:
    """A hint if a proxy is in use: cameras on the local network are not behind it."""
    parts = urlsplit(address.target)
    host = parts.hostname or ""
    if parts.scheme in getproxies() and not proxy_bypass(host):
        return f"; the request went through the proxy in {parts.scheme}_proxy: set no_proxy={host} to go without"
    return ""
