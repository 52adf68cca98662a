"""What was measured: rows, the Markdown table that shows them, the facts beside it, and the place in the README."""

import json
import os
import re
import statistics
import textwrap
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from peers import BUILT, PEERS, ROOT, Failure, output

RESULTS = BUILT / "results.json"
README = ROOT / "benches" / "README.md"
CHART = ROOT / "benches" / "peers" / "chart.svg"

TITLES = {
    "go": "Go", "node": "Node.js", "may": "may_minihttp", "actix": "actix-web", "tungstenite": "tokio-tungstenite",
    "tungstenite-small": "the same, 4 KiB", "ws": "ws (Node.js)",
}


@dataclass
class Row:
    """One line of the table: for each peer what its rounds have given."""

    part: str
    title: str
    digits: int
    better: str = "less"
    samples: dict = field(default_factory=dict)

    def add(self, peer, sample):
        self.samples.setdefault(peer, []).append(sample)

    def median(self, peer):
        return statistics.median(self.samples[peer]) if self.samples.get(peer) else None

    def ratio(self, peer):
        """`peer` to the best of the others."""
        best = min if self.better == "less" else max
        others = [self.median(other) for other in self.samples if other != peer]
        return f"{self.median(peer) / best(others):.2f}" if others and self.median(peer) and best(others) else "–"

    def cell(self, peer):
        middle = self.median(peer)
        if middle is None:
            return "–"
        of = self.samples[peer]
        # Half the distance between the least and the greatest: as good as nothing where only one was taken.
        around = f" ±{50 * (max(of) - min(of)) / middle:.0f}%" if len(of) > 1 and middle else ""
        return f"{middle:,.{self.digits}f}{around}"


@dataclass
class Facts:
    """Under which circumstances."""

    command: str
    date: str
    machine: str
    load: float
    tools: str
    versions: dict
    seconds: float = 0

    @staticmethod
    def of(command, names, kinds=PEERS):
        return Facts(
            command, time.strftime("%Y-%m-%d"), machine(), round(os.getloadavg()[0], 1), tools(),
            {name: kinds[name].version() for name in names},
        )


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal: *(\d+)", Path("/proc/meminfo").read_text())[1]) >> 20
    release = re.match(r"\d+\.\d+", os.uname().release)[0]
    return f"{os.cpu_count()} cores of {model[1] if model else os.uname().machine}, {memory} GiB, Linux {release}"


def tools():
    said = {
        "wrk": r"wrk \S*?(\d[\d.]+)", "valgrind": r"valgrind-([\d.]+)", "strace": r"version ([\d.]+)",
        "rustc": r"rustc ([\d.]+)",
    }
    found = ((tool, re.search(version, output_of(tool))) for tool, version in said.items())
    return ", ".join(f"{tool} {version[1]}" for tool, version in found if version)


def output_of(tool):
    try:
        return output(tool, "--version")
    except OSError:
        return ""


def save(facts, rows, results=RESULTS):
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({"facts": asdict(facts), "rows": [asdict(row) for row in rows]}, indent=1))


def saved(results=RESULTS):
    try:
        kept = json.loads(results.read_text())
    except OSError as error:
        raise Failure(f"nothing was measured yet: {error}") from error
    return Facts(**kept["facts"]), [Row(**row) for row in kept["rows"]]


def title(name):
    return TITLES.get(name, name)


def markdown(facts, rows, ratio_of=None):
    """With `ratio_of` a last column has that peer's ratio to the best other one."""
    names = list(facts.versions)
    columns = [title(name) for name in names] + (["ratio"] if ratio_of else [])
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    part = None
    for row in rows:
        if row.part != part:
            part = row.part
            lines.append(f"| **{part}** |" + " |" * len(columns))
        cells = [row.cell(name) for name in names] + ([row.ratio(ratio_of)] if ratio_of else [])
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def caption(facts, rows):
    versions = ", ".join(f"{title(name)} {version}" for name, version in facts.versions.items())
    circumstances = (
        f"`{facts.command}`, {facts.date}, {facts.seconds / 60:.0f} min on {facts.machine}, load {facts.load} at the"
        f" start. {versions}; {facts.tools}."
    )
    rounds = max((len(samples) for row in rows for samples in row.samples.values()), default=0)
    how = (
        f"Less is better everywhere but in requests a second. A figure with ± is the median of up to {rounds} rounds, ±"
        " half of what lies between the least and the greatest of them; one without was counted in a single run. – is what"
        " a peer cannot do, or what was not asked of it."
    )
    return "\n".join(textwrap.fill(text, 120, break_on_hyphens=False) + "\n" for text in (circumstances, how))


def write(facts, rows, chart):
    """Puts table and chart where the README shows them."""
    shown = "![firstbyte beside its peers: the figures of the table below as bars](peers/chart.svg)"
    put("make bench-peers", f"{shown}\n\n{caption(facts, rows)}\n{markdown(facts, rows)}")
    CHART.write_text(chart)


def put(command, shown):
    """Between the two comments of the README that name the command."""
    begin = f"<!-- From here to the next comment: written by `{command}`. -->"
    end = f"<!-- The end of what `{command}` writes. -->"
    text = README.read_text()
    if text.count(begin) != 1 or text.count(end) != 1:
        raise Failure(f"{README} has lost the comments between which the table of `{command}` stands")
    before, _, rest = text.partition(begin)
    README.write_text(f"{before}{begin}\n\n{shown}\n{end}{rest.partition(end)[2]}")
