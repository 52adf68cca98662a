"""WebSockets under load, by `firstbyte ws-bench`: an echo, rounds interleaved, and a room.

The load client checks every message byte for byte, runs on one thread, and says what it has spent itself: where that is
near 100 % of a processor, messages a second and times are its own limit, and only the processor time is the server's.
"""

import contextlib
import json
import shlex
import subprocess

from peers import OURS, Failure, running
from plan import interleaved
from report import Row
from websocket import WS_PEERS

# Seconds beyond its own time after which a run is given up.
PATIENCE = 60

# Of a room.
RATE = 20

# The name of a case, what it asks for, and how many connections.
ECHO = {
    f"{size}, {connections} connections{by}": ["--clients", str(connections), "--in-flight", in_flight, *how]
    for size, connections, how in (
        ("64 B", 64, ["--size", "64", "--text"]),
        ("1 KiB", 64, ["--size", "1024"]),
        ("64 KiB", 8, ["--size", "65536"]),
    )
    for by, in_flight in (("", "1"), (", by 16", "16"))
}


def ws_bench(peer, path, seconds, *how):
    """What it tells, and the processor time that the peer has spent on it in all, in seconds."""
    asked = [
        str(OURS / "firstbyte"), "ws-bench", f"ws://127.0.0.1:{peer.port}{path}", "--json",
        "--pid", str(peer.process.pid), "--seconds", str(seconds), *how,
    ]
    before = peer.cpu_seconds()
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"ws-bench does not end: {shlex.join(asked)}") from error
    if done.returncode:
        raise Failure(f"{shlex.join(asked)} finds {peer.name} at fault:\n{(done.stderr or done.stdout).strip()}")
    return json.loads(done.stdout), peer.cpu_seconds() - before


def seconds(plan, names):
    return len(ECHO) * len(names) * plan.rounds * (plan.seconds + 1.3)


def measure(plan, names, folder, progress):
    with contextlib.ExitStack() as up:
        progress.say("starting the peers")
        peers = {name: up.enter_context(running(name, folder, kind=WS_PEERS[name])) for name in names}
        tables = [
            {case: Row(part, case, digits, better) for case in ECHO}
            for part, digits, better in (
                ("processor time of the server, µs a message", 2, "less"),
                ("messages a second", 0, "more"),
                ("p50, µs", 0, "less"),
                ("p99, µs", 0, "less"),
                ("the load client, % of a processor", 0, "less"),
            )
        ]
        for case, how in ECHO.items():
            for number, name in interleaved(names, plan.rounds):
                progress.say(f"{case}, round {number} of {plan.rounds}, {name}")
                told, spent = ws_bench(peers[name], "/ws", plan.seconds, *how)
                found = (
                    1e6 * spent / told["messages"]["arrived"],
                    told["messages"]["arrived_per_second"],
                    told["latency_us"]["p50"],
                    told["latency_us"]["p99"],
                    told["client"]["cpu_percent"],
                )
                for table, sample in zip(tables, found):
                    table[case].add(name, sample)
    return [row for table in tables for row in table.values()]


def room_seconds(plan, names):
    return len(names) * plan.few_rounds * (plan.room_seconds + 8)


def measure_room(plan, names, folder, progress):
    """A server of its own for each round, so that its memory is that of this room."""
    title = f"{plan.room_clients:,} clients, {RATE} messages a second"
    rows = [
        Row("a room", f"{title}: {what}", digits)
        for what, digits in (
            ("processor time, µs a message delivered", 2),
            ("p50, ms", 1),
            ("p99, ms", 1),
            ("bytes a client", 0),
            ("the load client, % of a processor", 0),
        )
    ]
    able = [name for name in names if "room" not in WS_PEERS[name].cannot]
    for number, name in interleaved(able, plan.few_rounds):
        progress.say(f"round {number} of {plan.few_rounds}, {name}")
        kind = WS_PEERS[name]
        with running(name, folder, kind=kind, flags=kind.for_many) as peer:
            told, _ = ws_bench(
                peer, "/room/load", plan.room_seconds, "--room", "--clients", str(plan.room_clients),
                "--rate", str(RATE), "--warm-up", "2",
            )
        found = (
            told["server"]["cpu_us_per_message"],
            told["latency_us"]["p50"] / 1000,
            told["latency_us"]["p99"] / 1000,
            told["server"]["rss_loaded_bytes_per_client"],
            told["client"]["cpu_percent"],
        )
        for row, sample in zip(rows, found):
            row.add(name, sample)
    return rows
