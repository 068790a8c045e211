"""What a server's handler gives for a path."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True)
class Reply:
    """body: the whole, or an endless stream of pieces. headers: besides those that every reply has."""

    body: bytes | AsyncGenerator[bytes, None]
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[str], Reply | None]
"""From a path to its reply, None if there is no such path. Called in the server's thread."""
