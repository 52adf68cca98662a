"""A client on plain sockets, for what is counted: it sends what it is told, and knows how long the answers are."""

import re
import socket

from peers import ROOT, Failure

# Requests that are on their way at once, where they are pipelined.
DEPTH = 16

# Seconds for any answer. Under valgrind and strace servers are slow.
PATIENCE = 60

# What a benchmark's client sends (169 bytes, TechEmpower's fields), and the least that wrk does.
CLIENT = (ROOT / "tests/corpus/bench/benchmark-client-169.http").read_bytes()
SHORT = b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"


def get(path):
    """The head of the benchmark's client, for another path."""
    return CLIENT.replace(b"/plaintext", path.encode(), 1)


def post(path, content):
    """The same head with content behind it."""
    head = get(path).replace(b"GET", b"POST", 1)[:-2]
    return head + b"Content-Length: %d\r\n\r\n" % len(content) + content


class Client:
    """One connection."""

    def __init__(self, port, host="127.0.0.1", source=None):
        self.socket = socket.create_connection((host, port), timeout=PATIENCE, source_address=source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def answer(self):
        """One answer, head and content. Nothing may stand behind it."""
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.some(65536)
        head, _, content = got.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise Failure(f"an answer begins with {head[:60]!r}")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if length is None:
            while not content.endswith(b"0\r\n\r\n"):
                content += self.some(65536)
        else:
            content += self.exactly(int(length[1]) - len(content))
        return head + b"\r\n\r\n" + content

    def exactly(self, length):
        got = bytearray()
        while len(got) < length:
            got += self.some(length - len(got))
        return bytes(got)

    def some(self, most):
        got = self.socket.recv(most)
        if not got:
            raise Failure("the connection was closed before the answer was whole")
        return got

    def ask(self, request, times):
        """Asks one at a time. All answers must be as long as the first."""
        self.socket.sendall(request)
        length = len(self.answer())
        for _ in range(times - 1):
            self.socket.sendall(request)
            self.exactly(length)
        return length

    def ask_pipelined(self, request, times):
        """Asks in batches, each sent in one write and answered whole before the next."""
        self.socket.sendall(request)
        length = len(self.answer())
        batch = request * DEPTH
        for _ in range(times // DEPTH):
            self.socket.sendall(batch)
            self.exactly(length * DEPTH)
