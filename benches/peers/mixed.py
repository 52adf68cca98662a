"""How long a plain request takes while other clients of three kinds are there.

    plain      32 connections of wrk, one request at a time: what is measured
    pipelined   4 connections of wrk, by sixteen, as fast as they go
    slow      200 connections that send a head byte by byte, each a byte in 50 ms
    idle    2,000 connections that were answered once and say nothing

All share the machine's cores with the server, so the figures say how a server treats the plain ones beside the others,
not what it could do with a machine of its own.
"""

import contextlib
import selectors
import subprocess
import threading
import time

import wrk
from peers import Failure, running
from plan import interleaved
from report import Row
from wire import CLIENT, SHORT, Client

PLAIN, PIPELINED, SLOW, IDLE = 32, 4, 200, 2_000
BYTE_SECONDS = 0.05
PEERS = ("firstbyte", "hyper", "hyper-flush", "nginx")
PERCENTILES = (50, 99)


def seconds(plan, names):
    return sum(name in names for name in PEERS) * plan.few_rounds * (plan.mixed_seconds + 2)


def measure(plan, names, folder, progress):
    rows = {part: Row("a mixed load, ms", f"p{part:g} of plain requests", digits=2) for part in PERCENTILES}
    for number, name in interleaved([name for name in PEERS if name in names], plan.few_rounds):
        progress.say(f"round {number} of {plan.few_rounds}, {name}")
        with running(name, folder) as peer, idle(peer), slow(peer) as answers, pipelined(peer, plan.mixed_seconds + 1):
            run = wrk.wrk(peer.port, PLAIN, plan.mixed_seconds, latency=True)
            if not answers:
                raise Failure(f"{name} has not answered a slow client")
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
def slow(peer):
    """Their answers are counted in the list that is lent."""
    answers, over = [], threading.Event()
    dripping = threading.Thread(target=drip, args=(peer, answers, over), daemon=True)
    dripping.start()
    try:
        yield answers
    finally:
        over.set()
        dripping.join()


def drip(peer, answers, over):
    with contextlib.ExitStack() as open_ones, selectors.DefaultSelector() as ready:
        sockets = [open_ones.enter_context(Client(peer.port)).socket for _ in range(SLOW)]
        for connection in sockets:
            ready.register(connection, selectors.EVENT_READ)
        sent = 0
        while not over.is_set():
            began = time.monotonic()
            for connection in sockets:
                connection.send(SHORT[sent : sent + 1])
            sent = (sent + 1) % len(SHORT)
            for key, _ in ready.select(0):
                if not key.fileobj.recv(4096):
                    return
                answers.append(1)
            time.sleep(max(0, BYTE_SECONDS - (time.monotonic() - began)))


@contextlib.contextmanager
def pipelined(peer, seconds):
    command = wrk.command(peer.port, PIPELINED, seconds, pipelined=True)
    load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        load.kill()
        load.wait()
