"""System calls a request, by strace: one request at a time, and 64 connections at once.

strace writes a line for each call as it happens. Those that are written while the requests of a case are answered are
counted, so the start is not among them. Where many connections are busy, one epoll_wait tells of several.
"""

import re
import time
from collections import Counter

from peers import running
from report import Row
from wire import CLIENT, Client
from wrk import wrk

WARM_UP = 50
CONNECTIONS = 64

# Time for strace to write down what happened last.
SETTLE_SECONDS = 0.2


def seconds(plan, names):
    return 4.5 * len(names)


def measure(plan, names, folder, progress, top=0):
    alone = Row("system calls a request", "one at a time", digits=2)
    busy = Row("system calls a request", f"{CONNECTIONS} connections", digits=2)
    for name in names:
        progress.say(name)
        log = folder / f"{name}.strace"
        # -I1: a signal ends it.
        with running(name, folder, under=["strace", "-I1", "-f", "-qq", "-o", str(log)], slow=4) as peer:
            with Client(peer.port) as client:
                client.ask(CLIENT, WARM_UP)
                calls = count(log, lambda: client.ask(CLIENT, plan.times))
            alone.add(name, calls.total() / plan.times)
            wrk(peer.port, CONNECTIONS, 1)
            done = []
            many = count(log, lambda: done.append(wrk(peer.port, CONNECTIONS, 1)))
            busy.add(name, many.total() / done[0].requests)
            if top:
                print(f"\n{name}: calls for {plan.times} requests one at a time; for {done[0].requests} of {CONNECTIONS}")
                for call, number in calls.most_common(top):
                    print(f"{number:>9} {many[call]:>9}  {call}", flush=True)
        log.unlink()
    return [alone, busy]


def count(log, work):
    """The calls that begin during `work`, by name."""
    time.sleep(SETTLE_SECONDS)
    start = log.stat().st_size
    work()
    time.sleep(SETTLE_SECONDS)
    with log.open("rb") as lines:
        lines.seek(start)
        return Counter(re.findall(r"^\d+ +(\w+)\(", lines.read().decode(errors="replace"), re.MULTILINE))
