"""Processor time a request, and requests a second: rounds of wrk, interleaved, all peers up the whole time.

The processor time is what the kernel has counted for all processes of a peer, in user code and for them in itself. It
moves little when the machine is busy with something else; requests a second, which the load generator takes part in,
move much.
"""

import contextlib

from peers import PEERS, Failure, running
from plan import interleaved
from report import Row
from wrk import wrk

SCALE_PEERS = ("firstbyte", "floor", "hyper", "nginx")


def cases(plan):
    """case: (how wrk is started, what a peer must be able to do)"""
    found = {"64 connections": (dict(connections=64), None)}
    if plan.thousand:
        found["1,000 connections"] = (dict(connections=1000), None)
    found["64 connections, by 16"] = (dict(connections=64, pipelined=True), None)
    if plan.thousand:
        found["1,000 connections, by 16"] = (dict(connections=1000, pipelined=True), None)
    found["a connection each, 64 at once"] = (dict(connections=64, close=True), "close")
    return found


def seconds(plan, names):
    return len(cases(plan)) * len(names) * plan.rounds * (plan.seconds + 0.2)


def measure(plan, names, folder, progress):
    cpu, rate = [], []
    with contextlib.ExitStack() as up:
        progress.say("starting the peers")
        peers = {name: up.enter_context(running(name, folder)) for name in names}
        for case, (how, needed) in cases(plan).items():
            cpu.append(Row("processor time, µs a request", case, digits=2))
            rate.append(Row("requests a second", case, digits=0, better="more"))
            able = [name for name in names if needed not in peers[name].kind.cannot]
            for number, name in interleaved(able, plan.rounds):
                progress.say(f"{case}, round {number} of {plan.rounds}, {name}")
                before = peers[name].cpu_seconds()
                run = wrk(peers[name].port, seconds=plan.seconds, **how)
                cpu[-1].add(name, 1e6 * (peers[name].cpu_seconds() - before) / run.requests)
                rate[-1].add(name, run.per_second)
    return cpu + rate


def scaling_seconds(plan, names):
    measured = [name for name in SCALE_PEERS if name in names]
    return len(plan.scale) * len(measured) * plan.few_rounds * (sum(plan.scale_seconds) + 1)


def measure_scaling(plan, names, folder, progress):
    """The difference of a long run and a short one, which leaves out what opening and closing the connections costs."""
    names = [name for name in SCALE_PEERS if name in names]
    rows = []
    with contextlib.ExitStack() as up:
        peers = {name: up.enter_context(running(name, folder, flags=PEERS[name].for_many)) for name in names}
        for connections in plan.scale:
            rows.append(Row("scaling, µs a request", f"{connections:,} connections", digits=2))
            for number, name in interleaved(names, plan.few_rounds):
                progress.say(f"{connections:,} connections, round {number} of {plan.few_rounds}, {name}")
                spent, answered = [], []
                for length in plan.scale_seconds:
                    before = peers[name].cpu_seconds()
                    answered.append(wrk(peers[name].port, connections, length, least=0).requests)
                    spent.append(peers[name].cpu_seconds() - before)
                if answered[1] <= answered[0]:
                    raise Failure(f"{name} answers no more at {connections} connections in a longer time")
                rows[-1].add(name, 1e6 * (spent[1] - spent[0]) / (answered[1] - answered[0]))
    return rows
