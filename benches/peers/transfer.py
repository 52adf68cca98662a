"""A gibibyte in one answer, and a gibibyte that comes back: processor time, and how much memory grows meanwhile.

firstbyte and hyper make the download as it is sent, from a static block; nginx sends a file by sendfile, which copies
nothing into the process. Of the echo nothing is read in the first half second, so a server that reads on regardless
swallows what it can, and it shows in its memory. What collects content (nginx, Go, may) does not echo here.
"""

import threading
import time

from peers import Failure, running
from plan import interleaved
from report import Row
from wire import Client

GIBIBYTE = 1 << 30
PIECE = 1 << 20
STALL_SECONDS = 0.5

DOWN = ("firstbyte", "hyper", "nginx")
ECHO = ("firstbyte", "hyper", "axum", "actix", "node")


def seconds(plan, names):
    each = 2.5 * sum(name in names for name in DOWN) + 4.5 * sum(name in names for name in ECHO)
    return each * plan.few_rounds


def measure(plan, names, folder, progress):
    rows = []
    for title, able, transfer in (("/bytes", DOWN, download), ("/echo", ECHO, echo)):
        cpu = Row("a transfer of 1 GiB", f"{title}, processor seconds", digits=2)
        memory = Row("a transfer of 1 GiB", f"{title}, growth of memory, MiB", digits=1)
        able = [name for name in able if name in names]
        for number, name in interleaved(able, plan.few_rounds):
            progress.say(f"{title}, round {number} of {plan.few_rounds}, {name}")
            with running(name, folder) as peer:
                spent, grown = observed(peer, transfer)
            cpu.add(name, spent)
            memory.add(name, grown / (1 << 20))
        rows += [cpu, memory]
    return rows


def observed(peer, transfer):
    """The processor time and the highest growth of memory of the second transfer; the first is to warm up."""
    transfer(peer, PIECE)
    peer.forget_peak()
    before, spent = peer.resident_bytes(), peer.cpu_seconds()
    transfer(peer, GIBIBYTE)
    return peer.cpu_seconds() - spent, peer.peak_bytes() - before


def download(peer, length):
    with Client(peer.port) as client:
        client.socket.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % length)
        receive(client.socket, length)


def echo(peer, length):
    with Client(peer.port) as client:
        head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % length
        sender = threading.Thread(target=send, args=(client.socket, head, length), daemon=True)
        sender.start()
        time.sleep(STALL_SECONDS)
        receive(client.socket, length, chunked=True)
        sender.join()


def send(to, head, length):
    piece = bytes(PIECE)
    try:
        to.sendall(head)
        for _ in range(length // PIECE):
            to.sendall(piece)
    except OSError:
        to.close()  # The receiver says what went wrong.


def receive(connection, length, chunked=False):
    """Reads an answer with so much content. Chunked, it ends with the last chunk."""
    room = memoryview(bytearray(PIECE))
    got = connection.recv_into(room)
    head, _, content = bytes(room[:got]).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise Failure(f"a transfer is answered {head[:60]!r}")
    chunked = chunked and b"chunked" in head.lower()
    total, last = len(content), content[-7:]
    while (not last.endswith(b"\r\n0\r\n\r\n")) if chunked else total < length:
        got = connection.recv_into(room)
        if got == 0:
            raise Failure(f"a transfer ends after {total} bytes")
        total += got
        last = (last + bytes(room[max(0, got - 7) : got]))[-7:]
    if total < length:
        raise Failure(f"a transfer of {length} bytes ends after {total}")
