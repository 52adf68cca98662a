"""What no machine's mood moves: instructions and system calls a message of an echo, and bytes an idle connection holds.

As `instructions.py`, `syscalls.py` and `memory.py` do it for HTTP, which say more.
"""

import re
from pathlib import Path

import instructions
import syscalls
from memory import idle_bytes
from peers import running
from plan import interleaved
from report import Row
from websocket import BINARY, TEXT, WS_PEERS, Socket, frame

SMALL = frame(TEXT, b"0123456789abcdef" * 4)
KIBIBYTE = frame(BINARY, bytes(range(256)) * 4)
LARGE = frame(BINARY, bytes(range(256)) * 256)

# case: (the message, whether sixteen are sent at once). Sixteen large ones would fill both directions, and nothing move.
CASES = {
    "64 B, one at a time": (SMALL, False),
    "64 B, by 16": (SMALL, True),
    "1 KiB, one at a time": (KIBIBYTE, False),
    "1 KiB, by 16": (KIBIBYTE, True),
    "64 KiB, one at a time": (LARGE, False),
}


def instruction_seconds(plan, names):
    return 8 * len(names)


def measure_instructions(plan, names, folder, progress, times=None, only=None, keep=None, top=0):
    rows = {
        case: Row("instructions a message", case, digits=0) for case in CASES if not only or re.search(only, case)
    }
    counts = Path(keep or folder).resolve()
    counts.mkdir(parents=True, exist_ok=True)
    for name in names:
        if "callgrind" in WS_PEERS[name].cannot:
            continue
        progress.say(name)
        for old in counts.glob(f"{name}.callgrind.*"):
            old.unlink()
        under = ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={counts}/{name}.callgrind.%p"]
        with running(name, folder, kind=WS_PEERS[name], under=under, slow=8) as peer:
            for case, row in rows.items():
                files, sent = instructions.count(peer, counts, Socket(peer.port), *CASES[case], times or plan.times)
                row.add(name, sum(map(instructions.total, files)) / sent)
                if top:
                    instructions.print_top(
                        f"{name}, {case}: {row.cell(name)} instructions a message", files, sent, top
                    )
    return list(rows.values())


def syscall_seconds(plan, names):
    return 8 * len(names)


def measure_syscalls(plan, names, folder, progress, top=0):
    rows = {case: Row("system calls a message, one connection", case, digits=2) for case in CASES}
    for name in names:
        progress.say(name)
        log = folder / f"{name}.strace"
        with running(
            name, folder, kind=WS_PEERS[name], under=["strace", "-I1", "-f", "-qq", "-o", str(log)], slow=4
        ) as peer:
            for case, (message, pipelined) in CASES.items():
                with Socket(peer.port) as client:
                    ask = client.ask_pipelined if pipelined else client.ask
                    ask(message, syscalls.WARM_UP)
                    calls = syscalls.count(log, lambda: ask(message, plan.times))
                rows[case].add(name, calls.total() / plan.times)
                if top:
                    print(f"\n{name}, {case}: calls for {plan.times} messages")
                    for call, number in calls.most_common(top):
                        print(f"{number:>9}  {call}", flush=True)
        log.unlink()
    return list(rows.values())


def memory_seconds(plan, names):
    return 5 * len(names) * plan.few_rounds


def measure_memory(plan, names, folder, progress):
    row = Row("memory", f"bytes an idle connection, {plan.room_clients:,} of them, after a message each", digits=0)
    for number, name in interleaved(names, plan.few_rounds):
        progress.say(f"round {number} of {plan.few_rounds}, {name}")
        kind = WS_PEERS[name]
        with running(name, folder, kind=kind, flags=kind.for_many) as peer:
            row.add(name, idle_bytes(peer, Socket, SMALL, plan.room_clients))
    return [row]
