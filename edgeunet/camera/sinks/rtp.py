"""The drawn picture as H.264 over RTP (RFC 6184), for other machines; an SDP file (RFC 8866) tells players how.

Packets go to one address even if nothing receives them: a viewer cannot delay the loop.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgeunet.camera.frame import Shot
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.sinks.encoder import TICKS, Encoder, load_encoder
from edgeunet.errors import OutputError
from edgeunet.utils.files import replacing, writing

_OURS = b"\r\ns=edgeunet\r\n"
PAYLOAD = 96  # the first number without a fixed meaning
PACKET = 1200  # bytes; fits into an Ethernet frame with every header a tunnel may add
# A busy scene must not flood a wireless network: 6 Mbit/s, counted over half a second.
_RATE = {"maxrate": "6M", "bufsize": "3M"}


class RtpStream:
    """Sends frames; streaming_rtp() makes it."""

    def __init__(self, encoder: Encoder, address: HostPort) -> None:
        self._encoder = encoder
        self._address = address

    def write(self, shot: Shot) -> None:
        """Send the drawn picture. Raises OutputError if the network cannot be reached."""
        with writing(Path(f"rtp://{self._address}")):
            self._encoder.write(shot.overlay, shot.time_s)


def sdp_of(address: HostPort) -> str:
    """What a player has to know; not the parameter sets, which the stream itself repeats once per second."""
    family = "IP6" if ":" in address.host else "IP4"
    lines = (
        "v=0",
        f"o=- 0 0 IN {family} {address.host}",
        "s=edgeunet",
        f"c=IN {family} {address.host}",
        "t=0 0",
        f"m=video {address.port} RTP/AVP {PAYLOAD}",
        f"a=rtpmap:{PAYLOAD} H264/{TICKS}",
        f"a=fmtp:{PAYLOAD} packetization-mode=1",
    )
    return "\r\n".join(lines) + "\r\n"


@contextmanager
def streaming_rtp(address: HostPort, sdp: Path, fps: float, notify: Callable[[str], None]) -> Iterator[RtpStream]:
    """An RtpStream to `address`. Writes the file `sdp`, over an older one of edgeunet, and `notify` gets the command to
    watch it.

    If the file cannot be written, `notify` gets its lines. fps only guides the encoder. Raises OutputError if the host
    is not known.
    """
    av = load_encoder()
    try:
        socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise OutputError(f"--rtp {address}: the host {address.host} is not known; give its IP address") from error
    try:
        _write(sdp, sdp_of(address))
    except OutputError as error:
        notify(f"--rtp continues without the file {sdp} ({error}); a player needs one with these lines:")
        notify(sdp_of(address).replace("\r\n", "\n").strip())
    with writing(Path(f"rtp://{address}")):
        container = av.open(f"rtp://{address}?pkt_size={PACKET}", "w", format="rtp")
    notify(
        f"watch on {address.host}: ffplay -protocol_whitelist file,udp,rtp -fflags nobuffer {sdp}; or open it in VLC"
    )
    try:
        yield RtpStream(Encoder(container, fps, _RATE), address)
    finally:
        with suppress(av.error.FFmpegError):  # the network may be gone
            container.close()


def _write(path: Path, text: str) -> None:
    """Raises OutputError also if edgeunet did not write the file that is there."""
    with writing(path):
        if path.exists() and _OURS not in path.read_bytes()[:1000]:
            raise OutputError(f"{path} was not written by edgeunet")
    with writing(path), replacing(path, force=True) as temporary:
        temporary.write_text(text, encoding="ascii", newline="")
