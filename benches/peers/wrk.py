"""One run of wrk, and what it says."""

import re
import subprocess

from peers import HERE, ROOT, Failure
from wire import CLIENT, DEPTH

# Lines of the head that wrk does not send by itself.
FIELDS = CLIENT.decode().split("\r\n")[2:-2]

# Seconds beyond its own time after which wrk is given up.
PATIENCE = 30


class Run:
    """The requests that were answered, in how many seconds, and the latencies in milliseconds."""

    def __init__(self, printed, least):
        found = re.search(r"(\d+) requests in ([\d.]+)(m?s|m),", printed)
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)|connect ([1-9]\d*)", printed)
        if found is None or refused or int(found[1]) < least:
            raise Failure(f"wrk could not measure:\n{printed.strip()}")
        self.requests, self.seconds = int(found[1]), in_seconds(found[2], found[3])
        self.per_second = self.requests / self.seconds
        self.latency_ms = {
            float(part): 1000 * in_seconds(value, unit)
            for part, value, unit in re.findall(r"^ +([\d.]+)% +([\d.]+)(us|ms|s|m)$", printed, re.MULTILINE)
        }


def in_seconds(value, unit):
    return float(value) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[unit]


def command(port, connections, seconds, pipelined=False, close=False, latency=False):
    """Whole seconds are all that wrk knows."""
    fields = ["Connection: close" if close and "keep-alive" in field else field for field in FIELDS]
    return [
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
        *(argument for field in fields for argument in ("-H", field)),
        *(["-s", str(HERE / "pipeline.lua")] if pipelined else []),
        *(["--latency"] if latency else []),
        f"http://127.0.0.1:{port}/plaintext",
    ]


def wrk(port, connections, seconds, least=1, **how):
    """`least`: requests that must have been answered."""
    asked = command(port, connections, seconds, **how)
    try:
        done = subprocess.run(
            asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=seconds + PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"wrk does not end: {' '.join(asked)}") from error
    return Run(done.stdout, least)


assert DEPTH == 16, "pipeline.lua sends sixteen"
