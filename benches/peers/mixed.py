"""How long a plain request takes while other clients of three kinds are there.

    plain      32 connections of wrk, one request at a time: what is measured
    pipelined  32 connections that send sixteen requests in one write, every 40 ms
    slow      200 connections that send a head byte by byte, a byte every 40 ms
    idle    2,000 connections that were answered once and say nothing

What the three others ask for is the same for every server, however fast it is. All share the machine's cores with the
server, so the figures say how it treats the plain ones beside the others, not what it could do with a machine of its own.
"""

import contextlib
import selectors
import threading
import time

from peers import Failure, running
from plan import interleaved
from report import Row
from wire import CLIENT, DEPTH, SHORT, Client
from wrk import wrk

PLAIN, PIPELINED, SLOW, IDLE = 32, 32, 200, 2_000
BEAT_SECONDS = 0.04

# In which a slow client must have been answered, on a machine however busy.
PATIENCE = 15
PEERS = ("firstbyte", "hyper", "hyper-flush", "nginx")
PERCENTILES = (50, 99)


def seconds(plan, names):
    return sum(name in names for name in PEERS) * plan.few_rounds * (plan.mixed_seconds + 2)


def measure(plan, names, folder, progress):
    rows = {part: Row("a mixed load, ms", f"p{part:g} of plain requests", digits=2) for part in PERCENTILES}
    for number, name in interleaved([name for name in PEERS if name in names], plan.few_rounds):
        progress.say(f"round {number} of {plan.few_rounds}, {name}")
        with running(name, folder) as peer, idle(peer), others(peer) as answers:
            run = wrk(peer.port, PLAIN, plan.mixed_seconds, latency=True)
            until = time.monotonic() + PATIENCE
            while not answers:
                if time.monotonic() > until:
                    raise Failure(f"{name} does not answer slow clients")
                time.sleep(BEAT_SECONDS)
        for part, row in rows.items():
            row.add(name, run.latency_ms[part])
    return list(rows.values())


@contextlib.contextmanager
def idle(peer):
    with contextlib.ExitStack() as open_ones:
        for _ in range(IDLE):
            open_ones.enter_context(Client(peer.port)).ask(CLIENT, 1)
        yield


@contextlib.contextmanager
def others(peer):
    """The slow and the pipelined ones. What slow ones have been answered comes into the list that is lent."""
    answers, over = [], threading.Event()
    beating = threading.Thread(target=beat, args=(peer, answers, over), daemon=True)
    beating.start()
    try:
        yield answers
    finally:
        over.set()
        beating.join()


def beat(peer, answers, over):
    with contextlib.ExitStack() as open_ones, selectors.DefaultSelector() as ready:
        slow, pipelined = (
            [open_ones.enter_context(Client(peer.port)).socket for _ in range(count)] for count in (SLOW, PIPELINED)
        )
        for connection in slow:
            ready.register(connection, selectors.EVENT_READ, answers)
        for connection in pipelined:
            ready.register(connection, selectors.EVENT_READ, [])
        sent = 0
        while not over.is_set():
            began = time.monotonic()
            for connection in slow:
                connection.send(SHORT[sent : sent + 1])
            for connection in pipelined:
                connection.send(CLIENT * DEPTH)
            sent = (sent + 1) % len(SHORT)
            over.wait(max(0, began + BEAT_SECONDS - time.monotonic()))
            for key, _ in ready.select(0):
                got = key.fileobj.recv(1 << 16)
                if not got:
                    return
                key.data.append(len(got))
