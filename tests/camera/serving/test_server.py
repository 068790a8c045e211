from __future__ import annotations

import asyncio
import http.client
import ipaddress
import itertools
import os
import socket
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeunet.camera.serving import answering as module
from edgeunet.camera.serving.access import Access, notice
from edgeunet.camera.serving.answering import MAX_STREAMS
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.serving.reply import Reply
from edgeunet.camera.serving.server import HttpServer
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
def running(access: Access = Access(HERE)) -> Iterator[HttpServer]:  # noqa: B008 - frozen
    with closing(HttpServer(access, answer)) as server:
        yield server
    assert not [t for t in threading.enumerate() if t.name.startswith("edgeunet-http")]


def get(server: HttpServer, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def raw(server: HttpServer, data: bytes) -> bytes:
    """What comes back for these bytes, up to the end of the connection; what was not read of them may reset it."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client, suppress(ConnectionError):
        client.sendall(data)
        while piece := client.recv(4096):
            answer += piece
    return answer


def open_stream(server: HttpServer, path: str = "/stream") -> socket.socket:
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
    headers = {name.lower(): value for name, value in response.getheaders()}
    assert headers.pop("date").endswith(" GMT")
    assert headers == {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "content-type": "text/plain; charset=utf-8",
        "content-length": "5",
        "connection": "close",
        "server": "edgeunet",
    }
    assert (head.status, head.getheader("Content-Length"), nothing) == (200, "5", b"")


@pytest.mark.parametrize("path", ["/nothing", "/../etc/passwd", "/%2e%2e/etc/passwd", "//page", "/page/", "*", "page"])
def test_paths_are_compared_and_nothing_else(path: str) -> None:
    with running() as server:
        assert raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())[9:12] in (b"404", b"400")


def test_a_stream_has_a_head_too_and_older_clients_are_answered() -> None:
    with running() as server:
        head, _, rest = raw(server, b"HEAD /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").partition(b"\r\n\r\n")
        assert (head[9:12], rest) == (b"200", b"")
        assert raw(server, b"GET /page HTTP/1.0\r\nHost: localhost\r\n\r\n").endswith(b"\r\n\r\nhello")


def test_wrong_requests_are_refused() -> None:
    with running() as server:
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            response, _ = get(server, "/page", method)
            assert (response.status, response.getheader("Allow")) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET, HEAD")
        for request in (
            b"hello\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 100 + b"\r\n",
            b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
            b"GET /" + b"a" * 100_000,
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"%d: %s\r\n" % (i, b"a" * 8000) for i in range(60)),
        ):
            assert raw(server, request)[9:12] in (b"400", b""), request[:20]
        assert raw(server, b"GET / HTTP/0.9\r\nHost: localhost\r\n\r\n") == b""  # a version that has no replies
        assert get(server, "/page")[0].status == 200


def test_a_request_that_never_ends_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_S", 0.1)
    with running() as server:
        assert raw(server, b"GET / HTTP/1.1\r\n") == b""


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "evil", "evil.local", ""]
)
def test_a_foreign_name_is_not_answered(host: str) -> None:
    with running() as server:
        assert get(server, "/page", Host=host)[0].status == HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:22", "LOCALHOST", "[::1]:8080", "192.168.1.5:80"])
def test_addresses_and_own_names_are_answered(host: str) -> None:
    with running() as server:
        assert get(server, "/page", Host=host)[0].status == 200
        assert get(server, "/page", Host=f"{socket.gethostname()}:1")[0].status == 200


def test_a_name_of_containers_needs_the_token() -> None:
    with running(Access(HostPort("127.0.0.1", 0), "a-long-token")) as server:
        assert get(server, "/page", Host="camera:9464", Authorization="Bearer a-long-token")[0].status == 200


@pytest.mark.parametrize("host", ["*", "::"])
def test_everywhere_is_ipv4_too(host: str) -> None:
    with running(Access(HostPort(host, 0))) as server:
        for own in ("127.0.0.1", "::1"):
            with socket.create_connection((own, server.port), timeout=10) as client:
                client.sendall(b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert status_of(client) == 200


def test_a_link_local_address_keeps_its_scope() -> None:
    lines = Path("/proc/net/if_inet6").read_text().splitlines() if Path("/proc/net/if_inet6").exists() else []
    own = next(((line.split()[0], line.split()[5]) for line in lines if line.split()[3] == "20"), None)
    if own is None:
        pytest.skip("this machine has no link-local address")
    address = f"{ipaddress.IPv6Address(int(own[0], 16))}%{own[1]}"
    with running(Access(HostPort.parse(f"[{address}]:0"))) as server:
        place = socket.getaddrinfo(address, server.port, type=socket.SOCK_STREAM)[0][4]
        with socket.socket(socket.AF_INET6) as client:
            client.connect(place)
            client.sendall(f"GET /page HTTP/1.1\r\nHost: [{address}]:1\r\n\r\n".encode())
            assert status_of(client) == 200


def test_a_token_is_asked_for_everywhere() -> None:
    access = Access(HERE, TOKEN)
    with running(access) as server:
        for path in ("/", "/page", "/stream", "/nothing", "/page?token=wrong", "/page?token=", "/page?token"):
            response, body = get(server, path, Cookie=f"edgeunet-{server.port}=wrong", Authorization="Bearer wrong")
            assert (response.status, body) == (401, "401 Unauthorized: add ?token=… to the address\n".encode())
            assert response.getheader("WWW-Authenticate") == 'Bearer realm="edgeunet"'
        assert get(server, "/page?token=correct%20horse%3B%20battery")[0].status == 200
        for scheme in ("Bearer", "bearer", "BEARER"):
            assert get(server, "/page", Authorization=f"{scheme} {TOKEN}", Host="proxy.example")[0].status == 200
        for credentials in (TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer{TOKEN}", ""):
            assert get(server, "/page", Authorization=credentials)[0].status == 401
        assert get(server, "/page", Cookie=f"edgeunet-{server.port}={TOKEN}")[0].status == 401


def test_a_token_beyond_ascii_is_sent_as_utf_8() -> None:
    token = "tökén für die Seite"  # noqa: S105
    with running(Access(HERE, token)) as server:
        for scheme in (b"Bearer", b"bearer"):
            head = b"GET /page HTTP/1.1\r\nHost: a\r\nAuthorization: " + scheme + b" "
            assert raw(server, head + token.encode() + b"\r\n\r\n")[9:12] == b"200"
            assert raw(server, head + token.encode("latin-1") + b"\r\n\r\n")[9:12] == b"401"
        assert get(server, "/page?token=t%C3%B6k%C3%A9n+f%C3%BCr+die+Seite")[0].status == 200
        assert get(server, "/page?token=t%F6k%E9n+f%FCr+die+Seite")[0].status == 401


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
    with pytest.raises(UsageError, match="at least 8 characters, got 0"):
        Access(HERE, "")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        Access(HERE, os.fsdecode(b"secret-\xff\xfe-token"))


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


def held(server: HttpServer, count: int, stack: ExitStack) -> list[socket.socket]:
    """Connections that say nothing."""
    address = ("127.0.0.1", server.port)
    return [stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(count)]


def test_who_asks_is_answered_however_many_connections_ask_for_nothing() -> None:
    for access, path in ((Access(HERE), "/page"), (Access(HERE, TOKEN), "/page?token=correct%20horse%3B%20battery")):
        with running(access) as server, ExitStack() as stack:
            silent = held(server, 300, stack)
            assert get(server, path)[0].status == 200
            held(server, 50, stack)
            assert get(server, path)[0].status == 200
            silent[0].settimeout(10)
            with suppress(ConnectionError):  # long dropped
                assert silent[0].recv(1) == b""


def test_a_viewer_stays_with_many_after_it() -> None:
    with running() as server, open_stream(server) as viewer, ExitStack() as stack:
        assert status_of(viewer) == 200
        held(server, 300, stack)
        assert get(server, "/page")[0].status == 200
        viewer.settimeout(0.2)
        with suppress(TimeoutError):
            while viewer.recv(4096):
                pass
            pytest.fail("the viewer was dropped")


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


def test_it_drops_viewers_also_where_the_machine_is_busy_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(time.monotonic(), 10.0)
    with ExitStack() as stack:
        with running() as server:
            viewer = stack.enter_context(open_stream(server))
            assert status_of(viewer) == 200
            monkeypatch.setattr(asyncio.SelectorEventLoop, "time", lambda _: next(clock))
        with suppress(ConnectionError):
            while viewer.recv(1 << 16):  # times out if the connection is left open
                pass


def test_a_connection_that_is_accepted_while_it_ends_is_closed() -> None:
    """In the turn of the event loop before the one that stops: its transport is made when nothing listens any more."""
    server = HttpServer(Access(HERE), answer)
    assert get(server, "/")[1] == b"hello"
    clients: list[socket.socket] = []

    def connect_and_stop() -> None:
        clients.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        server._loop.call_soon(server._stop.set)

    server._loop.call_soon_threadsafe(connect_and_stop)
    server._thread.join(10)
    assert not server._thread.is_alive()
    with clients[0] as client, suppress(ConnectionError):
        assert client.recv(1) == b""


def test_an_address_that_cannot_be_had_is_one_error() -> None:
    with running() as server:
        with pytest.raises(OutputError, match=rf"cannot listen on 127.0.0.1:{server.port}: .*; choose another port"):
            HttpServer(Access(HostPort("127.0.0.1", server.port)), answer)
        with pytest.raises(OutputError, match=r"cannot listen on no-such-host.invalid:80: .*choose another port"):
            HttpServer(Access(HostPort("no-such-host.invalid", 80)), answer)


def test_the_terminal_says_who_may_watch() -> None:
    port = 8080
    assert notice("watch", Access(HERE), port) == f"watch: http://127.0.0.1:{port}/"
    everywhere = notice("watch", Access(HostPort("0.0.0.0", port)), port)  # noqa: S104
    assert everywhere.startswith(f"watch: http://{socket.gethostname()}:{port}/ — anyone on the network can watch")
    secret = notice("metrics", Access(HostPort("::1", port), TOKEN), port, "metrics")
    assert secret == f"metrics: http://[::1]:{port}/metrics?token=… with your token"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"GET /page", b"GET /page?token=", b"", b"GET /page HTTP/1.1\r\n"]))
def test_no_bytes_get_content_without_the_token(noise: bytes, start: bytes) -> None:
    with running(Access(HERE, TOKEN)) as server:
        answer = raw(server, start + noise + b" HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n\r\n")
    assert b"hello" not in answer
    assert answer == b"" or answer[9:10] in b"45"
