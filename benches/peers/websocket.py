"""The peers with WebSockets, and a client on plain sockets for what is counted.

Each peer sends back what comes at /ws, in one unmasked frame. Those with rooms send what comes at /room/NAME to all that
are there, its sender too. Nobody compresses.
"""

import base64
import hashlib
import json
import os
import re

from peers import BUILT, HERE, PEERS, Failure, Kind, locked, printing, rust
from wire import Client

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

# Of each frame that is sent. A peer cannot know that it is always the same.
KEY = bytes.fromhex("37fa213d")

# What a peer puts behind the key: RFC 6455 1.3.
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload):
    """A whole message of a client, masked: RFC 6455 5.2, 5.3."""
    mask = (KEY * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(len(payload))
    return head(opcode, len(payload), 0x80) + KEY + masked


def head(opcode, length, mask_bit=0):
    first = bytes([0x80 | opcode])
    if length < 126:
        return first + bytes([mask_bit | length])
    if length < 1 << 16:
        return first + bytes([mask_bit | 126]) + length.to_bytes(2)
    return first + bytes([mask_bit | 127]) + length.to_bytes(8)


class Socket(Client):
    """One WebSocket. What it asks are frames."""

    def __init__(self, port, path="/ws", **how):
        super().__init__(port, **how)
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall(
            b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % (path.encode(), port, key)
        )
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            got += self.some(65536)
        accept = re.search(rb"\r\nsec-websocket-accept: *(\S+)\r\n", got, re.IGNORECASE)
        if not got.startswith(b"HTTP/1.1 101") or not accept:
            raise Failure(f"{path} is no WebSocket: {got[:60]!r}")
        if accept[1] != base64.b64encode(hashlib.sha1(key + GUID).digest()):
            raise Failure(f"{path} accepts another key")

    def answer(self):
        """One frame. Nothing may stand behind it."""
        got = self.exactly(2)
        more = {126: 2, 127: 8}.get(got[1], 0)
        length = self.exactly(more)
        return got + length + self.exactly(int.from_bytes(length) if more else got[1])


def prove_echo(peer):
    with Socket(peer.port) as client:
        for opcode, payload, expected in (
            (TEXT, "grüß dich".encode(), TEXT),
            (BINARY, bytes(range(256)) * 256, BINARY),
            (TEXT, b"", TEXT),
            (PING, b"there?", PONG),
            (BINARY, bytes(range(100)), BINARY),
        ):
            client.socket.sendall(frame(opcode, payload))
            if client.answer() != head(expected, len(payload)) + payload:
                raise Failure(f"{peer.name} answers {len(payload)} bytes of opcode {opcode} otherwise than the others")
        client.socket.sendall(frame(CLOSE, (1000).to_bytes(2)))
        if client.answer()[0] != 0x80 | CLOSE:
            raise Failure(f"{peer.name} does not answer a Close")


def prove_rooms(peer):
    prove_echo(peer)
    with Socket(peer.port, "/room/proof") as one:
        # Who hears itself is in the room.
        prove_told(peer, one, [one], TEXT, b"anybody?")
        with Socket(peer.port, "/room/proof") as other:
            prove_told(peer, other, [one, other], TEXT, "grüß euch".encode())
            prove_told(peer, one, [one, other], BINARY, bytes(range(256)) * 8)


def prove_told(peer, speaker, members, opcode, payload):
    speaker.socket.sendall(frame(opcode, payload))
    for member in members:
        if member.answer() != head(opcode, len(payload)) + payload:
            raise Failure(f"{peer.name} tells a room otherwise than the others")


# They cannot be a `room` for which nobody has written one, nor run under `callgrind` if they make their code as they go.
WS_PEERS = {
    "firstbyte": Kind(
        PEERS["firstbyte"].version,
        PEERS["firstbyte"].start,
        for_many=("--connections-max", "16384", "--connections-per-address-max", "16384"),
        prove=prove_rooms,
    ),
    "fastwebsockets": Kind(lambda: locked("fastwebsockets"), rust("ws-fastwebsockets"), prove=prove_rooms),
    "tungstenite": Kind(lambda: locked("tokio-tungstenite"), rust("ws-tungstenite"), prove=prove_rooms),
    "tungstenite-small": Kind(
        lambda: locked("tokio-tungstenite"), rust("ws-tungstenite", "--small"), prove=prove_rooms
    ),
    "actix-ws": Kind(lambda: locked("actix-ws"), rust("ws-actix"), frozenset({"room"}), prove=prove_echo),
    "ws": Kind(
        lambda: json.loads((BUILT / "node/node_modules/ws/package.json").read_text())["version"],
        printing("node", HERE / "node" / "ws.js", "0"), frozenset({"room", "callgrind"}), prove=prove_echo,
    ),
}
