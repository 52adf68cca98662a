"""A gibibyte in one answer, and a gibibyte that comes back: processor time, and how much memory grows meanwhile.

firstbyte and hyper make the download as it is sent, from a static block; nginx sends a file by sendfile, which copies
nothing into the process, and the file is in the kernel's memory by then. Of the echo nothing is read in the first half
second, so a server that reads on regardless swallows what it can, and it shows in its memory. What collects content (nginx, Go, may) does not echo here.
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

# Downloads that are measured as one: a single one takes too little time for a clock of 10 ms.
DOWNLOADS = 4

DOWN = ("firstbyte", "hyper", "nginx")
ECHO = ("firstbyte", "hyper", "axum", "actix", "node")


def seconds(plan, names):
    each = 4 * sum(name in names for name in DOWN) + 5 * sum(name in names for name in ECHO)
    return each * plan.few_rounds


def measure(plan, names, folder, progress):
    rows = []
    for title, able, transfer, times in (("/bytes", DOWN, download, DOWNLOADS), ("/echo", ECHO, echo, 1)):
        cpu = Row("a transfer of 1 GiB", f"{title}, processor seconds", digits=2)
        memory = Row("a transfer of 1 GiB", f"{title}, growth of memory, MiB", digits=1)
        able = [name for name in able if name in names]
        for number, name in interleaved(able, plan.few_rounds):
            progress.say(f"{title}, round {number} of {plan.few_rounds}, {name}")
            with running(name, folder) as peer:
                spent, grown = observed(peer, transfer, times)
            cpu.add(name, spent)
            memory.add(name, grown / (1 << 20))
        rows += [cpu, memory]
    return rows


def observed(peer, transfer, times):
    """Processor time for each, and the highest growth of memory, after one that is not counted."""
    transfer(peer)
    peer.forget_peak()
    before, spent = peer.resident_bytes(), peer.cpu_seconds()
    for _ in range(times):
        transfer(peer)
    return (peer.cpu_seconds() - spent) / times, peer.peak_bytes() - before


def download(peer):
    with Client(peer.port) as client:
        client.socket.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % GIBIBYTE)
        receive(client.socket)


def echo(peer):
    with Client(peer.port) as client:
        head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % GIBIBYTE
        sender = threading.Thread(target=send, args=(client.socket, head), daemon=True)
        sender.start()
        time.sleep(STALL_SECONDS)
        receive(client.socket, chunked=True)
        sender.join()


def send(to, head):
    piece = bytes(PIECE)
    try:
        to.sendall(head)
        for _ in range(GIBIBYTE // PIECE):
            to.sendall(piece)
    except OSError:
        to.close()  # The receiver says what went wrong.


def receive(connection, chunked=False):
    """Reads an answer with a gibibyte of content. Chunked, it ends with the last chunk."""
    room = memoryview(bytearray(PIECE))
    got = connection.recv_into(room)
    head, _, content = bytes(room[:got]).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise Failure(f"a transfer is answered {head[:60]!r}")
    chunked = chunked and b"chunked" in head.lower()
    total, last = len(content), content[-7:]
    while (not last.endswith(b"\r\n0\r\n\r\n")) if chunked else total < GIBIBYTE:
        got = connection.recv_into(room)
        if got == 0:
            raise Failure(f"a transfer ends after {total} bytes")
        total += got
        last = (last + bytes(room[max(0, got - 7) : got]))[-7:]
    if total < GIBIBYTE:
        raise Failure(f"a transfer of a gibibyte ends after {total} bytes")
