"""What goes wrong in a run, and when: drawn from a seed. Performs no I/O."""

import random
from collections.abc import Sequence

import msgspec

# What goes wrong, and the shortest and the longest that it lasts, in seconds; 0: it happens in a moment.
KINDS: dict[str, tuple[float, float]] = {
    "web-kill": (0, 0),
    "web-term": (0, 0),
    "accept-kill": (0, 0),
    "worker-kill": (0, 0),
    "commit-kill": (0, 0),
    "worker-term": (0, 0),
    "workers-kill": (0, 2),
    "redis-kill": (0, 3),
    "redis-hang": (2.5, 9),
    "redis-full": (1, 4),
    "redis-disk-full": (1, 4),
    "redis-rewrite": (0, 0),
    "link-cut": (0, 0),
    "link-cut-up": (0, 0),
    "link-cut-down": (0, 0),
    "link-mute": (1, 7),
    "link-delay": (1, 5),
    "queue-lost": (0, 0),
    "postgres-kill": (0, 3),
    "postgres-cut": (0, 0),
    "release": (4, 10),
}
# Faults lie in this part of the deliveries; the closing act comes behind it.
FIRST, LAST = 0.03, 0.93
# How much shorter each lasts in a short run, but for what must outlast a deadline.
SHORTENED = 0.25
MUST_OUTLAST = {"redis-hang"}
# How often a fault follows the one before it at once.
AT_ONCE = 0.2


class Fault(msgspec.Struct, frozen=True):
    """One fault: due once `at` deliveries are answered 200; `lot` (0 to 1) draws whom it hits and how hard."""

    kind: str
    at: int
    seconds: float
    lot: float


def make_plan(seed: int, deliveries: int, faults: int, kinds: Sequence[str], *, short: bool = False) -> list[Fault]:
    """Draw `faults` faults, each kind about as often as any other. The same arguments give the same plan."""
    lots = random.Random(f"plan:{seed}")  # noqa: S311 - to be repeatable is the point
    drawn: list[str] = []
    while len(drawn) < faults:
        drawn += lots.sample(kinds, len(kinds))
    places = sorted(lots.uniform(FIRST, LAST) for _ in range(faults))
    plan: list[Fault] = []
    for kind, place in zip(drawn, places, strict=False):
        at = plan[-1].at if plan and lots.random() < AT_ONCE else int(place * deliveries)
        shortest, longest = KINDS[kind]
        seconds = shortest if short and kind in MUST_OUTLAST else lots.uniform(shortest, longest)
        factor = SHORTENED if short and kind not in MUST_OUTLAST else 1
        plan.append(Fault(kind, at, round(seconds * factor, 2), round(lots.random(), 3)))
    return plan
