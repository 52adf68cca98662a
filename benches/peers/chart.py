"""The chart: a panel for each of six rows, a bar for each peer, as one SVG without scripts and without fonts of its own.

Colours are those of a light page, and of a dark one where the reader prefers that; both stand on the page's own ground.
"""

from html import escape

from report import title

# (part of the row, its title or the beginning of it, what stands above the bars)
PANELS = [
    ("instructions a request", "169 B, one at a time", "Instructions a request", "one at a time, 169-byte head"),
    ("instructions a request", "169 B, by 16", "Instructions a request", "pipelined by 16, 169-byte head"),
    ("memory", "bytes an idle", "Bytes an idle connection", "of 10,000, each answered once"),
    ("processor time", "64 connections", "Processor time, µs a request", "64 connections"),
    ("processor time", "64 connections, by 16", "Processor time, µs a request", "64 connections, pipelined by 16"),
    ("requests a second", "64 connections", "Requests a second", "64 connections, more is better"),
]

COLUMNS = 3
PANEL_WIDTH, PANEL_GAP = 310, 30
MARGIN = 20
HEAD_HEIGHT, BAR_PITCH, BAR_HEIGHT, FOOT_HEIGHT = 52, 19, 11, 26
NAME_WIDTH, VALUE_WIDTH = 92, 54

STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a }
  .title { font-size: 14px; font-weight: 600; fill: #1f2328 }
  .ours { font-weight: 600; fill: #1f2328 }
  .bar { fill: #b6bec8 }
  .bar.floor { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
  .bar.ours { fill: #1a7f64 }
  .value { font-variant-numeric: tabular-nums }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title, .ours { fill: #f0f6fc }
    .bar { fill: #4b535d }
    .bar.floor { stroke: #7d8590 }
    .bar.ours { fill: #3fb68b }
  }
"""


def chart(facts, rows):
    panels = [(heading, below, row) for part, name, heading, below in PANELS if (row := find(rows, part, name))]
    names = list(facts.versions)
    height = HEAD_HEIGHT + BAR_PITCH * len(names) + FOOT_HEIGHT
    lines = -(-len(panels) // COLUMNS)
    width = 2 * MARGIN + COLUMNS * PANEL_WIDTH + (COLUMNS - 1) * PANEL_GAP
    total = 2 * MARGIN + lines * height
    drawn = [
        panel(heading, below, row, names, MARGIN + at % COLUMNS * (PANEL_WIDTH + PANEL_GAP), MARGIN + at // COLUMNS * height)
        for at, (heading, below, row) in enumerate(panels)
    ]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" height="{total}" role="img">',
        f"<title>firstbyte beside its peers, {escape(facts.date)}</title>",
        f"<style>{STYLE}</style>",
        *drawn,
        "</svg>",
    ]) + "\n"


def find(rows, part, name):
    """The row of that title, or else the first whose title begins so."""
    of_part = [row for row in rows if row.part.startswith(part)]
    exact = [row for row in of_part if row.title == name]
    return next(iter(exact or [row for row in of_part if row.title.startswith(name)]), None)


def panel(heading, below, row, names, x, y):
    measured = {name: row.median(name) for name in names}
    most = max(value for value in measured.values() if value is not None)
    drawn = [
        f'<g transform="translate({x} {y})">',
        f'<text class="title" y="14">{escape(heading)}</text>',
        f'<text y="32">{escape(below)}</text>',
    ]
    for at, (name, value) in enumerate(measured.items()):
        drawn += bar(name, value, row, most, HEAD_HEIGHT + at * BAR_PITCH)
    return "\n".join([*drawn, "</g>"])


def bar(name, value, row, most, y):
    ours = " ours" if name == "firstbyte" else ""
    baseline = y + BAR_HEIGHT - 1
    named = (
        f'<text class="{ours.strip()}" x="{NAME_WIDTH - 8}" y="{baseline}" text-anchor="end">{escape(title(name))}</text>'
    )
    if value is None:
        return [named, f'<text x="{NAME_WIDTH}" y="{baseline}">–</text>']
    length = max((PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH) * value / most, 1)
    kind = "bar floor" if name == "floor" else f"bar{ours}"
    return [
        named,
        f'<rect class="{kind}" x="{NAME_WIDTH}" y="{y}" width="{length:.1f}" height="{BAR_HEIGHT}" rx="1.5"/>',
        f'<text class="value{ours}" x="{NAME_WIDTH + length + 6:.1f}" y="{baseline}">{value:,.{row.digits}f}</text>',
    ]
