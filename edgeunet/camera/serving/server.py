"""An HTTP server in a thread of its own: it answers GET from memory, and limits what a client can use.

aiohttp reads the requests and writes the replies; one request per connection. Paths are only compared, never looked up
in the file system.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from edgeunet.camera.serving.access import Access
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.serving.reply import Handler
from edgeunet.errors import OutputError, system_reason
from edgeunet.utils.dependencies import require_installed

BACKLOG = 256  # connections that the system holds until they are accepted
AT_ONCE = 4  # connections are accepted, then their requests are read: so one address does not drop its own
CLOSE_TURNS = (
    500  # of the event loop, in which dropped connections end: not seconds, which a busy machine lets pass idle
)
_BUFFER = 256 * 1024  # bytes that the system holds for a viewer: more would only be old pictures


class HttpServer:
    """Answers requests until it is closed."""

    def __init__(self, access: Access, handler: Handler) -> None:
        """Listens at once.

        Raises OutputError if the address is taken or not this machine's, MissingDependencyError without aiohttp.
        """
        require_installed("aiohttp")
        self._socket = _listen(access.address)
        self.port = int(self._socket.getsockname()[1])
        self._access = replace(access, address=HostPort(access.address.host, self.port))
        self._handler = handler
        self._loop = asyncio.SelectorEventLoop()
        self._loop.set_exception_handler(_report)
        self._loop.set_default_executor(ThreadPoolExecutor(1, "edgeunet-http-work"))  # one core at most
        self._stop = asyncio.Event()
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
        # Imported while the camera starts: it takes 0.4 s. Requests wait in the system's backlog.
        from edgeunet.camera.serving.answering import Server

        server = Server(self._access, self._handler)
        listener = await self._loop.create_server(server, sock=self._socket, backlog=AT_ONCE)
        self._socket.listen(BACKLOG)
        await self._stop.wait()
        self._loop.remove_reader(self._socket)
        for _ in range(3):  # the event loop delivers what it has accepted: a closed listener would refuse and leak it
            await asyncio.sleep(0)
        listener.close()
        for _ in range(CLOSE_TURNS):
            if not server.connections:
                break
            server.abort()
            await asyncio.sleep(0.001)


def _listen(address: HostPort) -> socket.socket:
    everywhere = address.host in ("*", "::")
    host = "::" if everywhere and socket.has_dualstack_ipv6() else address.host.replace("*", "0.0.0.0")  # noqa: S104
    try:
        family, _, _, _, place = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)[0]
        dualstack = everywhere and family == socket.AF_INET6
        listener = socket.create_server(place, family=family, backlog=BACKLOG, dualstack_ipv6=dualstack)
    except OSError as error:
        reason = system_reason(error)
        raise OutputError(f"cannot listen on {address}: {reason}; choose another port or address") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)  # connections inherit it
    return listener


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report errors that nothing else handles, except for clients that closed their connection."""
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)
