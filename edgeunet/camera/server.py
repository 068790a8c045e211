"""A small HTTP server in a thread of its own: it answers GET from memory, and whatever a client may cost is bounded.

One request a connection (RFC 9112). Paths are only compared, never looked up in the file system.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from edgeunet.camera.access import Access
from edgeunet.camera.hostport import HostPort
from edgeunet.errors import OutputError

MAX_CONNECTIONS = 256
MAX_STREAMS = 32  # replies without an end, which are the viewers
MAX_REQUEST = 8192  # bytes
MAX_HEADERS = 64
REQUEST_S = 5.0  # for the whole request, however it is dealt out
ACCEPT_AGAIN_S = 1.0
SEND_S = 10.0  # for one piece of a reply: then a viewer does not read any more
_BUFFER = 256 * 1024  # bytes that the system may hold for a viewer: more would only be old pictures
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Reply:
    """body: the whole, or an endless stream of pieces. headers: besides those that every reply has."""

    body: bytes | AsyncGenerator[bytes, None]
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[str], Reply | None]
"""From a path to its reply, None if there is no such path. Called in the server's thread."""


class Server:
    """Answers requests until it is closed; serving_http() makes it."""

    def __init__(self, access: Access, handler: Handler) -> None:
        """Listens at once: raises OutputError if the address is taken or not this machine's."""
        self._access = access
        self._handler = handler
        self._socket = _listen(access.address)
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.SelectorEventLoop()
        self._loop.set_exception_handler(_report)
        self._loop.set_default_executor(ThreadPoolExecutor(1, "edgeunet-http-work"))  # one core at most
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams = 0
        self._thread = threading.Thread(target=self._run, name="edgeunet-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Drop every connection and end the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        # Not asyncio.start_server(): in closing, it loses connections that it has accepted but not handed over.
        self._loop.add_reader(self._socket, self._accept)
        await self._stop.wait()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the last connections are freed

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:  # it has gone again
            return
        except OSError:  # no descriptor is free
            self._loop.remove_reader(self._socket)
            self._loop.call_later(ACCEPT_AGAIN_S, self._loop.add_reader, self._socket, self._accept)
            return
        if len(self._tasks) >= MAX_CONNECTIONS:
            connection.close()
            return

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            connection.close()

        task = self._loop.create_task(self._talk(connection))
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def _talk(self, connection: socket.socket) -> None:
        """One connection: a request, its reply, the end. A client that is gone or too slow is dropped."""
        connection.settimeout(0)  # asyncio wants it so
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        reader, writer = await asyncio.open_connection(sock=connection, limit=MAX_REQUEST)
        writer.transport.set_write_buffer_limits(high=0)
        try:
            await self._converse(reader, writer)
        finally:
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            with _deadline(writer, REQUEST_S):
                method, reply = await self._receive(reader)
            if not isinstance(reply.body, bytes) and self._streams >= MAX_STREAMS:
                reply = _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers")
            if isinstance(reply.body, bytes):
                await _send(writer, _head_of(reply) + (b"" if method == "HEAD" else reply.body))
            else:
                self._streams += 1
                try:
                    await _send(writer, _head_of(reply))
                    if method != "HEAD":
                        await _first(_stream(writer, reply.body), _end_of(reader))
                finally:
                    self._streams -= 1
            with _deadline(writer, SEND_S):
                writer.close()
                await writer.wait_closed()

    async def _receive(self, reader: asyncio.StreamReader) -> tuple[str, Reply]:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return "GET", _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        return self._answer(head.decode("latin-1"))

    def _answer(self, head: str) -> tuple[str, Reply]:
        """The method and the reply to it."""
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        if len(lines) > MAX_HEADERS:
            return "GET", _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        try:
            method, target, _ = first.split(" ")
        except ValueError:
            return "GET", _refusal(HTTPStatus.BAD_REQUEST)
        if method not in ("GET", "HEAD"):
            return method, _refusal(HTTPStatus.METHOD_NOT_ALLOWED)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        path, _, query = target.partition("?")
        if self._access.token is None and not self._access.knows(headers.get("host", "")):
            return method, _refusal(
                HTTPStatus.MISDIRECTED_REQUEST, "ask for this machine by its address, or give --token"
            )
        if not self._access.allows(headers, query):
            return method, _refusal(HTTPStatus.UNAUTHORIZED, "add ?token=… to the address")
        if self._access.token is not None and path == "/" and "token" in parse_qs(query):
            return method, _to_page(self._access)
        return method, self._handler(path) or _refusal(HTTPStatus.NOT_FOUND)


@contextmanager
def serving_http(access: Access, handler: Handler) -> Iterator[Server]:
    """A Server that answers as long as the block lasts. Raises OutputError if the address cannot be had."""
    server = Server(access, handler)
    try:
        yield server
    finally:
        server.close()


def _listen(address: HostPort) -> socket.socket:
    try:
        family, _, _, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(place[:2], family=family, backlog=MAX_CONNECTIONS)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot listen on {address}: {reason}; choose another port or address") from error
    listener.settimeout(0)
    return listener


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what asyncio finds nobody waiting for, but for clients that have gone."""
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)


def _to_page(access: Access) -> Reply:
    """To the page without the token in its address, where a history or a screenshot would keep it."""
    name, value = access.cookie
    cookie = f"{name}={value}; Path=/; HttpOnly; SameSite=Lax"
    return Reply(b"", status=HTTPStatus.SEE_OTHER, headers=(("Location", "/"), ("Set-Cookie", cookie)))


def _refusal(status: HTTPStatus, text: str = "") -> Reply:
    return Reply(f"{status.value} {status.phrase}{': ' if text else ''}{text}\n".encode(), status=status)


def _head_of(reply: Reply) -> bytes:
    headers = {**_HEADERS, "Content-Type": reply.content_type, "Connection": "close", **dict(reply.headers)}
    if isinstance(reply.body, bytes):
        headers["Content-Length"] = str(len(reply.body))
    lines = [f"HTTP/1.1 {reply.status.value} {reply.status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    with _deadline(writer, SEND_S):
        writer.write(data)
        await writer.drain()


@contextmanager
def _deadline(writer: asyncio.StreamWriter, seconds: float) -> Iterator[None]:
    """Drop the connection if the block takes longer. Before Python 3.12 wait_for() may swallow a cancellation."""
    drop = asyncio.get_running_loop().call_later(seconds, writer.transport.abort)
    try:
        yield
    finally:
        drop.cancel()


async def _stream(writer: asyncio.StreamWriter, pieces: AsyncGenerator[bytes, None]) -> None:
    async with aclosing(pieces):
        async for piece in pieces:
            await _send(writer, piece)


async def _end_of(reader: asyncio.StreamReader) -> None:
    """Until the client closes its side: a viewer that has gone must not count until the next picture comes."""
    while await reader.read(1024):
        pass


async def _first(*works: Coroutine[Any, Any, None]) -> None:
    """Until one of them ends; the others are cancelled. Raises what the first one raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
