"""Bytes that an idle connection holds: 10,000 of them, each answered once before.

What the processes of a peer have in memory (Rss of smaps_rollup), after less before, by the number of connections. The
kernel's own part, the socket, is the same for all and not in it.
"""

import contextlib
import time

from peers import PEERS, running
from plan import interleaved
from report import Row
from wire import CLIENT, Client

WARM_UP = 200

# Time in which a server may give back what it held only while it answered.
SETTLE_SECONDS = 1


def seconds(plan, names):
    return 4.5 * len(names) * plan.few_rounds


def measure(plan, names, folder, progress):
    row = Row("memory", f"bytes an idle connection, {plan.idle:,} of them", digits=0)
    for number, name in interleaved(names, plan.few_rounds):
        progress.say(f"round {number} of {plan.few_rounds}, {name}")
        with running(name, folder, flags=PEERS[name].for_many) as peer:
            row.add(name, idle_bytes(peer, Client, CLIENT, plan.idle))
    return [row]


def idle_bytes(peer, connect, request, count):
    """What each of so many connections holds, one after the other made by `connect(port)` and asked once."""
    with connect(peer.port) as client:
        client.ask(request, WARM_UP)
    time.sleep(SETTLE_SECONDS)
    before = peer.resident_bytes()
    with contextlib.ExitStack() as open_ones:
        for _ in range(count):
            open_ones.enter_context(connect(peer.port)).ask(request, 1)
        time.sleep(SETTLE_SECONDS)
        return (peer.resident_bytes() - before) / count
