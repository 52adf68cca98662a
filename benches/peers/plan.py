"""How long the parts of a run are, and what is said while they last."""

import random
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes of everything that is repeated. Times are seconds."""

    # Requests of each case under callgrind, and one at a time under strace.
    times: int
    # Interleaved rounds of the load generator against each peer, and of what else is timed.
    rounds: int
    few_rounds: int
    # One run of the load generator, and one of the mixed load.
    seconds: float
    mixed_seconds: float
    # Idle connections.
    idle: int
    # Connections at which the cost of a request is compared, and the short and the long run there.
    scale: tuple
    scale_seconds: tuple
    # Clients in a room, and how long they are there.
    room_clients: int
    room_seconds: int
    # Whether the load generator also opens a thousand connections.
    thousand: bool


FULL = Plan(3000, 5, 3, 2, 6, 10_000, (10, 100, 1_000, 10_000), (2, 6), 5_000, 10, True)
QUICK = Plan(500, 2, 1, 1, 3, 10_000, (10, 10_000), (1, 4), 5_000, 4, False)


def interleaved(names, rounds):
    """Every name once a round, each round in another order, the same orders each time."""
    shuffle = random.Random(1).shuffle
    for number in range(1, rounds + 1):
        order = list(names)
        if number > 1:
            shuffle(order)
        for name in order:
            yield number, name


class Progress:
    """Says on standard error what is done now, and about how long everything takes yet."""

    def __init__(self, parts):
        """`parts`: the name of each and the seconds that it was thought to take."""
        self.parts, self.current = dict(parts), None
        self.begun = self.part_begun = time.monotonic()

    def part(self, name):
        self.leave()
        self.current, self.part_begun = name, time.monotonic()

    def leave(self):
        self.parts.pop(self.current, None)

    def say(self, what):
        now = time.monotonic()
        in_part = now - self.part_begun
        left = sum(self.parts.values()) - min(in_part, self.parts.get(self.current, 0))
        minutes, seconds = divmod(int(left), 60)
        print(f"[about {minutes}:{seconds:02} left] {self.current}: {what}", file=sys.stderr, flush=True)

    def warn(self, what):
        print(f"  {what}", file=sys.stderr, flush=True)
