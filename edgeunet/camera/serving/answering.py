"""aiohttp's side of the server: limits for requests, who gets an answer, and how. Imported once a server runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from http import HTTPStatus
from typing import Any, Protocol, cast
from urllib.parse import parse_qs

from aiohttp import HttpVersion10, HttpVersion11, web

from edgeunet.camera.serving.access import Access
from edgeunet.camera.serving.reply import Handler, Reply, refusal, to_page

MAX_STREAMS = 32  # endless replies, which are the viewers
MAX_REQUEST = 16 * 1024  # bytes of a whole request
MAX_LINE = 8190  # bytes of a line of it
MAX_HEADERS = 64
REQUEST_S = 5.0  # for the whole request, in however many pieces
SEND_S = 10.0  # for one piece of a reply: a slower viewer has stopped reading
MOST = 128  # connections that wait for their answer
MOST_OF_ONE = 32  # of one address: a browser opens six
_METHODS = ("GET", "HEAD")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "edgeunet",
    "X-Content-Type-Options": "nosniff",
}


class Droppable(Protocol):
    """A connection that can be ended at once."""

    def abort(self) -> None: ...


class WaitingConnections:
    """Connections from their first byte until their request is answered; viewers are not among them.

    There is always room for one more: the oldest one is dropped for it, of the same address if that has too many.
    So idle connections are lost first, and quick requests are answered.
    """

    def __init__(self) -> None:
        self._addresses: dict[Droppable, str] = {}  # the oldest first

    def enter(self, connection: Droppable, address: str) -> None:
        """A new connection; it may be dropped from now on."""
        own = [other for other, its_address in self._addresses.items() if its_address == address]
        if len(own) >= MOST_OF_ONE:
            self._drop(own[0])
        elif len(self._addresses) >= MOST:
            self._drop(next(iter(self._addresses)))
        self._addresses[connection] = address

    def leave(self, connection: Droppable) -> None:
        """A connection that may stay, or has ended."""
        self._addresses.pop(connection, None)

    def _drop(self, connection: Droppable) -> None:
        self.leave(connection)
        connection.abort()


class Connection(web.RequestHandler):
    """One connection, one request: it ends with the reply, or when the request is too long or takes too long."""

    transport: asyncio.Transport | None

    def __init__(self, server: Server, waiting: WaitingConnections, **limits: Any) -> None:
        super().__init__(server, **limits)
        self._waiting = waiting
        self._received = 0
        self._address = ""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        cast("asyncio.Transport", transport).set_write_buffer_limits(high=0)
        super().connection_made(transport)
        self._waiting.enter(self, self._address)
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_S, self.abort)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > MAX_REQUEST:
            self.abort()
        else:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._waiting.leave(self)
        self.complete()
        super().connection_lost(exc)

    def complete(self) -> None:
        """The request has arrived."""
        if self._deadline is not None:
            self._deadline.cancel()

    def abort(self) -> None:
        """End it at once."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):  # the client closed the connection
            raise exc
        if status == HTTPStatus.BAD_REQUEST:  # a client's bytes are not logged: they may hold a secret
            return _response(refusal(HTTPStatus.BAD_REQUEST))
        return super().handle_error(request, status, exc, message)


class Server(web.Server):
    """Answers each request with `handler`, if `access` allows it."""

    def __init__(self, access: Access, handler: Handler) -> None:
        super().__init__(self._answer, handler_cancellation=True)
        self._access = access
        self._handler = handler
        self._waiting = WaitingConnections()
        self._streams = 0

    def __call__(self) -> Connection:
        return Connection(
            self,
            self._waiting,
            loop=self._loop,
            access_log=None,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            lingering_time=0,
            auto_decompress=False,
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        connection.complete()
        if request.version not in (HttpVersion10, HttpVersion11):  # no reply would make sense
            connection.abort()
        reply = self._reply_to(request)
        if reply.status == HTTPStatus.OK:
            self._waiting.leave(connection)
        if isinstance(reply.body, bytes):
            return _response(reply)
        if self._streams >= MAX_STREAMS:
            return _response(refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers"))
        self._streams += 1
        try:
            return await _stream(request, reply, reply.body, connection.abort)
        finally:
            self._streams -= 1

    def abort(self) -> None:
        """End every connection."""
        for connection in self.connections:
            cast("Connection", connection).abort()

    def _reply_to(self, request: web.BaseRequest) -> Reply:
        if request.method not in _METHODS:
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", ", ".join(_METHODS)),))
        path, _, query = request.raw_path.partition("?")
        if self._access.token is None and not self._access.knows(request.headers.get("Host", "")):
            return refusal(HTTPStatus.MISDIRECTED_REQUEST, "ask for this machine by its address, or give --token")
        if not self._access.allows(request.headers, query):
            challenge = (("WWW-Authenticate", 'Bearer realm="edgeunet"'),)
            return refusal(HTTPStatus.UNAUTHORIZED, "add ?token=… to the address", headers=challenge)
        if self._access.token is not None and path == "/" and "token" in parse_qs(query):
            return to_page(self._access)
        return self._handler(path) or refusal(HTTPStatus.NOT_FOUND)


def _headers_of(reply: Reply) -> dict[str, str]:
    return {**_HEADERS, "Content-Type": reply.content_type, **dict(reply.headers)}


def _response(reply: Reply) -> web.Response:
    response = web.Response(body=reply.body, status=reply.status, headers=_headers_of(reply))
    response.force_close()
    return response


async def _stream(
    request: web.BaseRequest, reply: Reply, pieces: AsyncGenerator[bytes, None], abort: Callable[[], None]
) -> web.StreamResponse:
    """Send all pieces. It is cancelled when the viewer leaves; a viewer that does not read is dropped."""
    response = web.StreamResponse(status=reply.status, headers=_headers_of(reply))
    response.force_close()
    await response.prepare(request)
    if request.method == "HEAD":
        await pieces.aclose()
        return response
    async with aclosing(pieces):
        async for piece in pieces:
            with _at_most(SEND_S, abort):
                await response.write(piece)
    return response


@contextmanager
def _at_most(seconds: float, abort: Callable[[], None]) -> Iterator[None]:
    """Before Python 3.12 wait_for() may swallow a cancellation."""
    drop = asyncio.get_running_loop().call_later(seconds, abort)
    try:
        yield
    finally:
        drop.cancel()
