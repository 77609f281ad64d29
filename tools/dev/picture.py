"""`python -m tools.dev.picture FILE.svg`: draws what an incident does to ratings, from the answers of `GET /ratings`.

The simulator makes up sixty days of a company's reviews, in which whole businesses vanish and return. A mirror gets its
events, each at its time; then the service is asked for the ratings of each day.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from mirror.domain.changes import Source
from mirror.domain.inbox import Entry, make_delivery_id
from mirror.settings import load
from mirror.storage import inbox, ratings
from mirror.storage.connection import Client, connect
from mirror.storage.embedded import embedded_redis
from mirror.storage.store import Store
from tools.dev.chart import Panel, draw
from tools.dev.stack import free_port, running
from tools.simulator.population import Population, TruthEvent, life, moment
from tools.simulator.wire import encode_event
from worker.deciding import Policy
from worker.drain import Drainer
from worker.watch import watch

SEED = 45
DAYS = 60
LIVES = Population(
    reviews=600,
    businesses=4,
    days=DAYS,
    changes_per_day=0.02,
    absences_per_day=0.001,
    business_absences_per_day=0.015,
    returning=1.0,
)
GRACE_MS = 7 * 86_400_000
TOKEN = "picture"  # noqa: S105 - on loopback, for this run
FROM = 16  # a review is written in the first quarter of the time


class PastStore(Store):
    """A store whose time is that of the events."""

    def __init__(self, redis: Client) -> None:
        super().__init__(redis)
        self.at = 0

    async def now(self) -> int:
        return self.at


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.dev.picture", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reviewmirror-picture-") as name:
        folder = Path(name)
        with embedded_redis(str(folder / "redis")) as url:
            asyncio.run(_mirror(url, life(SEED, LIVES)))
        buckets = _ask(folder)
    title = "Whole businesses vanish for days, and return"
    options.file.write_text(picture(title, buckets))
    sys.stdout.write(f"{options.file}: {len(buckets)} days\n")
    return 0


async def _mirror(url: str, events: Iterable[TruthEvent]) -> None:
    store = PastStore(connect(load({}), url))
    drainer = Drainer(store, Policy())
    day = 0
    for number, event in enumerate(events):
        store.at = round(moment(event.at).timestamp() * 1000)
        body = encode_event("review_updated", {"review": event.payload})
        entry = Entry(make_delivery_id(store.at, number), store.at, Source.WEBHOOK, body)
        await inbox.accept(store, [(event.review_id, entry)])
        await drainer.run()
        if store.at // 86_400_000 != day:
            day = store.at // 86_400_000
            await watch(store, drainer, GRACE_MS)
    while not await ratings.catch_up(store, 100):
        pass
    await store.close()


def _ask(folder: Path) -> list[dict[str, Any]]:
    start, end = (moment(days * 86_400).isoformat().replace("+00:00", "Z") for days in (FROM, DAYS))
    query = urllib.parse.urlencode({"from": start, "to": end, "interval": "day"})
    with (folder / "log").open("wb") as log, running(folder, free_port(), {"API_TOKEN": TOKEN}, log) as stack:
        request = urllib.request.Request(  # noqa: S310 - http on loopback
            f"{stack.url}/ratings?{query}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
            found: list[dict[str, Any]] = json.load(answer)["buckets"]
            return found


def picture(title: str, buckets: list[dict[str, Any]]) -> str:
    """Draw the buckets of an answer of `GET /ratings`."""
    days: list[date] = [datetime.fromisoformat(one["at"]).date() for one in buckets]

    def series(side: str, name: str) -> list[float | None]:
        return [one[side][name] for one in buckets]

    panels = [
        Panel("average rating", series("shown", "average"), series("adjusted", "average"), digits=2),
        Panel("ratings that count", series("shown", "count"), series("adjusted", "count")),
    ]
    return draw(title, days, panels)


if __name__ == "__main__":
    sys.exit(main())
