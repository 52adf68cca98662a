"""User instructions a request, by callgrind, over a real socket and a single connection.

The server is started once under callgrind. Before and after the requests of a case it is told to write down what it has
counted and to begin anew, so neither its start nor another case is in the count. The kernel's work is not counted, and
threads take turns under valgrind: what two cores do at once, and what that costs, shows in the processor time alone.
"""

import re
import subprocess
from collections import Counter
from pathlib import Path

from peers import PEERS, Failure, running
from report import Row
from wire import CLIENT, DEPTH, SHORT, Client, get, post

WARM_UP = 512
KIBIBYTE = bytes(range(256)) * 4

# case: (the request, whether it is pipelined). /plaintext where no path is named.
CASES = {
    "169 B, one at a time": (CLIENT, False),
    "169 B, by 16": (CLIENT, True),
    "shortest, one at a time": (SHORT, False),
    "shortest, by 16": (SHORT, True),
}
ECHO = {
    "/echo 1 KiB, one at a time": (post("/echo", KIBIBYTE), False),
    "/echo 1 KiB, by 16": (post("/echo", KIBIBYTE), True),
}
ROUTES = {
    "/json, one at a time": (get("/json"), False),
    "/json, by 16": (get("/json"), True),
    "/users/{id}, one at a time": (get("/users/42"), False),
    "/users/{id}, by 16": (get("/users/42"), True),
}

# valgrind can not run these: one makes its code as it goes, the other moves its stacks.
UNCOUNTABLE = ("go", "node")

# nginx's workers are forked, and valgrind hears no commands in those: here the first process serves.
FLAGS = {"nginx": ["-g", "master_process off;"]}


def cases(name):
    """Those of every peer; the echo of those that have one and keep the connection; the other routes of firstbyte."""
    if name == "firstbyte":
        return {**CASES, **ECHO, **ROUTES}
    return CASES if PEERS[name].cannot & {"echo", "keep"} else {**CASES, **ECHO}


def seconds(plan, names):
    return 5 * sum(name not in UNCOUNTABLE for name in names)


def measure(plan, names, folder, progress, times=None, only=None, keep=None, top=0):
    """With `keep` callgrind's files stay in that folder; `top` functions of each case are printed."""
    rows = {
        case: Row("instructions a request", case, digits=0)
        for case in {**CASES, **ECHO, **ROUTES} if not only or re.search(only, case)
    }
    counts = Path(keep or folder).resolve()
    counts.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name in UNCOUNTABLE:
            continue
        progress.say(name)
        for old in counts.glob(f"{name}.callgrind.*"):
            old.unlink()
        under = ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={counts}/{name}.callgrind.%p"]
        with running(name, folder, under=under, flags=FLAGS.get(name, ()), slow=8) as peer:
            for case, asking in cases(name).items():
                if case in rows:
                    files, asked = count(peer, counts, Client(peer.port), *asking, times or plan.times)
                    rows[case].add(name, sum(map(total, files)) / asked)
                    if top:
                        print_top(f"{name}, {case}: {rows[case].cell(name)} instructions a request", files, asked, top)
    return [row for row in rows.values() if row.samples]


def count(peer, counts, client, request, pipelined, times):
    """Has the peer answer `client` that often. Returns the files with the counts, and how often it was."""
    with client:
        ask = client.ask_pipelined if pipelined else client.ask
        ask(request, WARM_UP)
        dump(peer, counts)
        ask(request, times)
        # One more stands at the beginning of a pipeline: its answer tells how long they are.
        return dump(peer, counts), times // DEPTH * DEPTH + 1 if pipelined else times


def dump(peer, counts):
    """Has each process of the peer write its counts and begin anew. Returns the files."""
    files = []
    for pid, _ in peer.processes():
        before = set(counts.glob(f"{peer.name}.callgrind.{pid}.*"))
        told = subprocess.run(
            ["vgdb", f"--pid={pid}", "dump"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        new = set(counts.glob(f"{peer.name}.callgrind.{pid}.*")) - before
        if told.returncode or not new:
            raise Failure(f"{peer.name} under callgrind does not write its counts: {told.stdout.strip()}")
        files += new
    return files


def total(file):
    found = re.search(r"^(?:totals|summary): *(\d+)", file.read_text(errors="replace"), re.MULTILINE)
    return int(found[1]) if found else 0


def print_top(title, files, requests, top):
    """The functions that take most, each with its own instructions a request, whatever file inlined code came from."""
    functions = Counter()
    for file in files:
        functions += own(file)
    print(f"\n{title}")
    for function, count in functions.most_common(top):
        print(f"{count / requests:>9.1f}  {function}")
    print(f"           in {', '.join(map(str, files))}", flush=True)


def own(file):
    """What each function spent itself. (callgrind_annotate adds callees, where a call lasted longer than the count.)

    `fn=(7) name` begins what function 7 spent, the name stands there the first time only; `calls=` announces that the
    next line is what a callee spent.
    """
    names, counts, function, of_callee = {}, Counter(), None, False
    for line in file.read_text(errors="replace").splitlines():
        if found := re.match(r"(c?)fn=\((\d+)\)(?: (.+))?", line):
            if found[3]:
                names[found[2]] = found[3]
            if not found[1]:
                function = found[2]
        elif line.startswith("calls="):
            of_callee = True
        elif re.match(r"[-+*\d]\S* \d", line):
            if not of_callee:
                counts[names[function]] += int(line.split()[1])
            of_callee = False
    return counts
