"""What a server answers: what its handler returns for a path, and refusals."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from http import HTTPStatus

from edgeunet.camera.serving.access import Access


@dataclass(frozen=True)
class Reply:
    """body: the whole, or an endless stream of pieces. headers: in addition to those of every reply."""

    body: bytes | AsyncGenerator[bytes, None]
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[str], Reply | None]
"""From a path to its reply, None if there is no such path. Called in the server's thread."""


def refusal(status: HTTPStatus, text: str = "", *, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A line that says what is wrong."""
    line = f"{status.value} {status.phrase}{': ' if text else ''}{text}\n"
    return Reply(line.encode(), status=status, headers=headers)


def to_page(access: Access) -> Reply:
    """A redirect to the page without the token in its address, which a history or a screenshot would keep."""
    name, value = access.cookie
    cookie = f"{name}={value}; Path=/; HttpOnly; SameSite=Lax"
    return Reply(b"", status=HTTPStatus.SEE_OTHER, headers=(("Location", "/"), ("Set-Cookie", cookie)))
