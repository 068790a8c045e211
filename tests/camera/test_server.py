from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus

import pytest

from edgeunet.camera import server as module
from edgeunet.camera.access import Access, notice
from edgeunet.camera.hostport import HostPort
from edgeunet.camera.server import MAX_CONNECTIONS, MAX_STREAMS, Reply, Server, serving_http
from edgeunet.errors import OutputError, UsageError

TOKEN = "correct horse; battery"  # noqa: S105
HERE = HostPort("127.0.0.1", 0)


async def endless() -> AsyncGenerator[bytes, None]:
    yield b"first"
    await asyncio.Event().wait()


async def flood() -> AsyncGenerator[bytes, None]:
    while True:
        yield bytes(1 << 20)


def answer(path: str) -> Reply | None:
    if path == "/stream":
        return Reply(endless(), "text/plain")
    if path == "/flood":
        return Reply(flood(), "text/plain")
    return Reply(b"hello") if path in ("/", "/page") else None


@contextmanager
def running(access: Access = Access(HERE)) -> Iterator[Server]:  # noqa: B008 - frozen
    with serving_http(access, answer) as server:
        yield server
    assert not [t for t in threading.enumerate() if t.name.startswith("edgeunet-http")]


def get(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def raw(server: Server, data: bytes) -> bytes:
    """What comes back for these bytes, up to the end of the connection; what was not read of them may reset it."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client, suppress(ConnectionError):
        client.sendall(data)
        while piece := client.recv(4096):
            answer += piece
    return answer


def open_stream(server: Server, path: str = "/stream") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def status_of(client: socket.socket) -> int:
    return int(client.recv(12, socket.MSG_WAITALL).split()[1])


def test_a_reply_has_the_headers_that_keep_browsers_careful() -> None:
    with running() as server:
        response, body = get(server, "/page")
        head, nothing = get(server, "/page", "HEAD")
    assert (response.status, body) == (200, b"hello")
    assert {name.lower(): value for name, value in response.getheaders()} == {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "content-type": "text/plain; charset=utf-8",
        "content-length": "5",
        "connection": "close",
    }
    assert (head.status, head.getheader("Content-Length"), nothing) == (200, "5", b"")


@pytest.mark.parametrize("path", ["/nothing", "/../etc/passwd", "/%2e%2e/etc/passwd", "//page", "/page/", "*", "page"])
def test_paths_are_compared_and_nothing_else(path: str) -> None:
    with running() as server:
        assert raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).startswith(b"HTTP/1.1 404 ")


def test_wrong_requests_are_refused() -> None:
    with running() as server:
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert get(server, "/page", method)[0].status == HTTPStatus.METHOD_NOT_ALLOWED
        assert raw(server, b"hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert raw(server, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 100 + b"\r\n")[9:12] == b"431"
        assert raw(server, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n")[9:12] in (b"431", b"")
        assert raw(server, b"GET /" + b"a" * 100_000)[9:12] in (b"431", b"")
        assert get(server, "/page")[0].status == 200


def test_a_request_that_never_ends_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_S", 0.1)
    with running() as server:
        assert raw(server, b"GET / HTTP/1.1\r\n") == b""


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""])
def test_a_foreign_name_is_not_answered(host: str) -> None:
    with running() as server:
        assert get(server, "/page", Host=host)[0].status == HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:22", "LOCALHOST", "[::1]:8080", "192.168.1.5:80"])
def test_addresses_and_own_names_are_answered(host: str) -> None:
    with running() as server:
        assert get(server, "/page", Host=host)[0].status == 200
        assert get(server, "/page", Host=f"{socket.gethostname()}:1")[0].status == 200


def test_a_token_is_asked_for_everywhere() -> None:
    access = Access(HERE, TOKEN)
    with running(access) as server:
        for path in ("/", "/page", "/stream", "/nothing", "/page?token=wrong", "/page?token=", "/page?token"):
            response, body = get(server, path, Cookie="edgeunet-0=wrong", Authorization="Bearer wrong")
            assert (response.status, body) == (401, "401 Unauthorized: add ?token=… to the address\n".encode())
        assert get(server, "/page?token=correct%20horse%3B%20battery")[0].status == 200
        assert get(server, "/page", Authorization=f"Bearer {TOKEN}", Host="proxy.example")[0].status == 200
        assert get(server, "/page", Cookie=f"edgeunet-0={TOKEN}")[0].status == 401


def test_the_page_s_address_loses_the_token_to_a_cookie() -> None:
    with running(Access(HERE, TOKEN)) as server:
        response, _ = get(server, "/?token=correct+horse%3B+battery")
        assert (response.status, response.getheader("Location")) == (303, "/")
        cookie, *attributes = (response.getheader("Set-Cookie") or "").split("; ")
        assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax"]
        assert "horse" not in cookie
        assert get(server, "/", Cookie=f"other=1; {cookie}")[1] == b"hello"


def test_a_short_token_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 8 characters, got 5"):
        Access(HERE, "short")


def test_200_viewers_32_watch_and_the_page_still_comes() -> None:
    with running() as server, ExitStack() as stack:
        clients = [stack.enter_context(open_stream(server)) for _ in range(200)]
        statuses = [status_of(client) for client in clients]
        assert (statuses.count(200), statuses.count(503)) == (MAX_STREAMS, 200 - MAX_STREAMS)
        assert get(server, "/page")[1] == b"hello"
        watching = next(c for c, status in zip(clients, statuses, strict=True) if status == 200)
        watching.close()  # its place is free again once the server has seen that
        for _ in range(1000):
            newcomer = stack.enter_context(open_stream(server))
            if status_of(newcomer) == 200:
                return
        pytest.fail("the place of a viewer that has gone is not given to another")


def test_connections_are_bounded() -> None:
    with running() as server, ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            for _ in range(MAX_CONNECTIONS)
        ]
        with pytest.raises((ConnectionError, IndexError)):  # reset, or nothing at all
            status_of(stack.enter_context(open_stream(server)))
        silent[0].close()
        for _ in range(1000):
            try:
                assert status_of(stack.enter_context(open_stream(server))) == 200
                return
            except (ConnectionError, IndexError):
                continue
        pytest.fail("no place has become free")


def test_a_viewer_that_never_reads_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_S", 0.3)
    monkeypatch.setattr(module, "MAX_STREAMS", 1)
    with running() as server, open_stream(server, "/flood") as client:
        assert status_of(client) == 200
        with open_stream(server) as other:
            assert status_of(other) == 503
        assert get(server, "/page")[1] == b"hello"  # meanwhile others are served
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with open_stream(server) as other:
                if status_of(other) == 200:  # the place is free again
                    return
        pytest.fail("the viewer that never reads keeps its place")


def test_it_ends_at_once_with_viewers() -> None:
    with ExitStack() as stack:
        with running() as server:
            clients = [stack.enter_context(open_stream(server, path)) for path in ("/stream", "/flood", "/stream")]
            assert [status_of(client) for client in clients] == [200] * 3
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_an_address_that_cannot_be_had_is_one_error() -> None:
    with running() as server:
        with pytest.raises(OutputError, match=rf"cannot listen on 127.0.0.1:{server.port}: .*; choose another port"):
            Server(Access(HostPort("127.0.0.1", server.port)), answer)
        with pytest.raises(OutputError, match=r"cannot listen on no-such-host.invalid:80: .*choose another port"):
            Server(Access(HostPort("no-such-host.invalid", 80)), answer)


def test_the_terminal_says_who_may_watch() -> None:
    port = 8080
    assert notice("watch", Access(HERE), port) == f"watch: http://127.0.0.1:{port}/"
    everywhere = notice("watch", Access(HostPort("0.0.0.0", port)), port)  # noqa: S104
    assert everywhere.startswith(f"watch: http://{socket.gethostname()}:{port}/ — anyone on the network can watch")
    secret = notice("metrics", Access(HostPort("::1", port), TOKEN), port, "metrics")
    assert secret == f"metrics: http://[::1]:{port}/metrics?token=… with your token"
