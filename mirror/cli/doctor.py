"""`doctor`: checks what the mirror needs, and says for each finding what to do."""

import argparse
import asyncio
import os
import re
from collections.abc import Iterator, Sequence

import msgspec

from mirror import misspelt
from mirror.bootstrap import EXIT_FAILED
from mirror.cli.check import FAIL, OK, WARN, Check
from mirror.cli.doctor_endpoints import check_endpoints
from mirror.cli.doctor_partoo import check_partoo
from mirror.cli.doctor_postgres import check_postgres
from mirror.cli.doctor_server import check_disk, check_replicas
from mirror.cli.output import write, write_json
from mirror.clock import span
from mirror.domain.silence import Reason, Standing
from mirror.settings import Settings
from mirror.storage import corrupt, dead_letters, deliveries, erased_files, inbox, server, silence, workers
from mirror.storage.errors import StorageUnavailableError
from mirror.storage.probe import explain, try_writing
from mirror.storage.refusals import NO_ANSWER
from mirror.storage.store import Store
from mirror.variables import FEWEST_CONNECTIONS

NAME = "doctor"
HELP = "check configuration, Redis, connections and workers, and say what to do; status 1 if a check fails"
_SHORT_SECRET = 16
_MEMORY_WARNING = 0.8
_MOST_NAMED = 10
_UNTOLD = "the server does not tell"
# The checks that fail while deliveries are refused.
_STORING = ("deliveries", "memory")


class Queue(msgspec.Struct, frozen=True):
    """How the work stands.

    `waiting`: reviews with waiting deliveries; `oldest_waiting`: the age of the oldest of these in ms;
    `with_raw_deliveries`: reviews of which raw deliveries are kept; `corrupt`: reviews that cannot be read.
    """

    workers: int
    waiting: int
    oldest_waiting: int
    with_raw_deliveries: int
    dead_letters: int
    corrupt: list[int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--without-worker",
        action="store_true",
        help="leave out what needs a running worker, as in a release phase before the first start",
    )


async def run(store: Store, settings: Settings, options: argparse.Namespace) -> int:
    checks = await examine(store, settings, with_worker=not options.without_worker)
    if options.json:
        write_json({"checks": checks})
    else:
        for check in checks:
            write(f"{check.state:4}  {check.name}: {check.found}")
            if check.remedy:
                write(f"      → {check.remedy}")
    return EXIT_FAILED if any(check.state == FAIL for check in checks) else 0


async def examine(store: Store, settings: Settings, *, with_worker: bool = True) -> list[Check]:
    """Make every check; where Redis does not answer, that is one of them."""
    return [*_configuration(settings), *await _redis(store, settings, with_worker=with_worker)]


def _configuration(settings: Settings) -> Iterator[Check]:
    names = ", ".join(key.name for key in settings.partoo_public_keys)
    if settings.redis_url is None:
        found = f"not set: an embedded Redis in {settings.redis_data_dir} is used, which is for development only"
        yield Check("REDIS_URL", WARN, found, "set REDIS_URL to the Redis that web and worker share")
    for hint in misspelt.hints(os.environ):
        yield Check("configuration", WARN, str(hint), f"rename it to {hint.meant}, if it is meant for the mirror")
    yield Check("configuration", OK, f"every variable can be used; deliveries are verified with key {names}")
    yield _secret(
        "PARTOO_WEBHOOK_SECRET",
        settings.partoo_webhook_secret or (),
        missing="whoever gets hold of an old delivery can send it again: nothing that Partoo signs carries a time",
    )
    if settings.alert_webhook_url is None:
        yield Check("ALERT_WEBHOOK_URL", OK, "not set: the mirror tells nobody when it is ill; ask /readyz")
    else:
        yield Check("ALERT_WEBHOOK_URL", OK, "set; python -m mirror notices --test tries it")
    yield _secret("API_TOKEN", [token.secret for token in settings.api_token or ()], missing="the read API is closed")


def _secret(name: str, values: Sequence[str], *, missing: str) -> Check:
    if not values:
        return Check(
            name, WARN, f"not set: {missing}", f"set {name}, for instance to what `openssl rand -hex 24` gives"
        )
    if min(map(len, values)) < _SHORT_SECRET:
        return Check(name, WARN, f"shorter than {_SHORT_SECRET} characters", "take a longer one that cannot be guessed")
    return Check(name, OK, "set" if len(values) == 1 else f"{len(values)} set")


async def _redis(store: Store, settings: Settings, *, with_worker: bool) -> list[Check]:
    try:
        facts, queue, refused, unclean, _ = await asyncio.gather(
            server.inspect(store),
            _queue(store),
            try_writing(store),
            erased_files.finding(store),
            store.clock.synchronize(store.redis),
        )
        quiet = await silence.standing(store)
    except StorageUnavailableError as error:
        found = await explain(store, error)
        # What did not answer says why, a name that cannot be resolved for instance.
        problem = f"does not answer ({error})" if found.problem.startswith(NO_ANSWER) else found.problem
        return [Check("Redis", FAIL, problem, found.remedy)]
    checks = [
        *_server_checks(facts, queue, settings),
        _finding("deliveries", FAIL, refused, "Redis takes what they need"),
        _finding("clock", WARN, server.clock_finding(store), "agrees with Redis's"),
        _connections(facts, settings, max(1, queue.workers)),
    ]
    if with_worker:
        stored = not any(check.state == FAIL and check.name in _STORING for check in checks)
        checks.append(_worker(queue, stored=stored))
    checks.append(_finding("silence", WARN, silence.finding(quiet, await store.now()), _last_delivery(quiet)))
    if unclean is not None:
        checks.append(_finding("erased reviews", WARN, unclean, ""))
    checks += [_waiting(queue), _letters(queue), *_corrupt(queue), *await check_endpoints(store)]
    return [*checks, await check_partoo(store, settings), await check_postgres(store, settings)]


def _last_delivery(standing: Standing) -> str:
    if standing.reason is Reason.QUIET:
        return "deliveries stay away, and Partoo has nothing new"
    if standing.limit is None:
        return "how often deliveries usually come is not known yet: that takes two weeks at least"
    return f"it would be told {span(standing.limit)} after the last delivery"


async def _queue(store: Store) -> Queue:
    heartbeats = await workers.heartbeats(store)
    backlog = await inbox.backlog(store)
    return Queue(
        len(heartbeats.alive),
        backlog.reviews,
        backlog.age_ms,
        await deliveries.kept_for(store),
        await dead_letters.count(store),
        await corrupt.reviews(store),
    )


def _server_checks(facts: server.Server, queue: Queue, settings: Settings) -> Iterator[Check]:
    minimum = ".".join(str(part) for part in server.MINIMUM_VERSION)
    known = tuple(int(part) for part in re.findall(r"\d+", facts.redis_version)[:2])
    found = f"{facts.name} {facts.version}"
    if known >= server.MINIMUM_VERSION:
        yield Check("server", OK, found)
    else:
        yield Check("server", FAIL, f"{found}, older than {minimum}", f"upgrade Redis to {minimum} or newer")
    yield _finding("role", FAIL, server.replica_finding(facts), "primary")
    yield _finding("eviction policy", FAIL, server.eviction_finding(facts), facts.eviction_policy or _UNTOLD)
    kept = _UNTOLD if facts.append_only_file is None else "append-only file on"
    yield _finding("persistence", WARN, server.persistence_finding(facts), kept)
    yield check_replicas(facts, settings)
    yield from check_disk(facts, known, settings)
    yield _memory(facts, queue)


def _memory(facts: server.Server, queue: Queue) -> Check:
    full = server.memory_finding(facts)
    if full is not None:
        return Check("memory", FAIL, full.problem, full.remedy)
    if facts.memory.share >= server.HIGH_SHARE:
        nearly = server.nearly_full(facts) if queue.waiting else server.filled(facts)
        return Check("memory", FAIL, nearly.problem, nearly.remedy)
    # The service goes on refusing down to this share, and neither worker nor service can make room.
    if facts.memory.share >= server.SCARCE_SHARE and not queue.waiting and not queue.with_raw_deliveries:
        filled = server.filled(facts)
        return Check("memory", FAIL, filled.problem, filled.remedy)
    if facts.memory.share < _MEMORY_WARNING:
        return Check("memory", OK, f"used: {facts.memory}")
    refused = f"from {server.HIGH_SHARE:.0%} on deliveries are refused (503)"
    return Check("memory", WARN, f"used: {facts.memory}", f"take a larger plan before it is full: {refused}")


def _finding(name: str, state: str, finding: server.Finding | None, fine: str) -> Check:
    return Check(name, OK, fine) if finding is None else Check(name, state, finding.problem, finding.remedy)


def _connections(facts: server.Server, settings: Settings, worker_count: int) -> Check:
    # How many web dynos there are, a process of one of them cannot tell.
    processes = settings.web_concurrency + worker_count
    # Old and new processes overlap while a release is rolled out.
    needed = 2 * processes * settings.redis_max_connections
    counted = f"({settings.web_concurrency} web + {worker_count} worker) x {settings.redis_max_connections} x 2"
    found = f"up to {needed} at a release: {counted}, with one web dyno"
    if facts.max_clients is None:
        return Check("connection budget", OK, f"{found}; the server does not tell its limit")
    if needed <= facts.max_clients:
        return Check(
            "connection budget", OK, f"{found}, {facts.max_clients} allowed; {facts.connected_clients} open now"
        )
    fitting = facts.max_clients // (2 * processes)
    remedy = "take a plan with more connections"
    if fitting >= FEWEST_CONNECTIONS:
        allowed = str(fitting) if fitting == FEWEST_CONNECTIONS else f"{FEWEST_CONNECTIONS} to {fitting}"
        remedy = f"set REDIS_MAX_CONNECTIONS to {allowed}"
    return Check("connection budget", WARN, f"{found}, but only {facts.max_clients} allowed", remedy)


def _worker(queue: Queue, *, stored: bool) -> Check:
    if queue.workers:
        return Check("workers", OK, f"{queue.workers} alive")
    return Check(
        "workers",
        FAIL,
        "none is alive: deliveries are stored, but not applied" if stored else "none is alive",
        "start one: python -m worker (on Heroku: heroku ps:scale worker=1)",
    )


def _waiting(queue: Queue) -> Check:
    if queue.oldest_waiting < inbox.LATE_AFTER_MS:
        return Check("waiting deliveries", OK, "none is late")
    found = f"the oldest has waited for {span(queue.oldest_waiting)}"
    return Check("waiting deliveries", WARN, found, "look for drain.* lines in the worker's log, or add workers")


def _letters(queue: Queue) -> Check:
    if not queue.dead_letters:
        return Check("dead letters", OK, "none")
    remedy = "see python -m mirror dead-letters list for the reasons; retry them once the code can read them"
    return Check("dead letters", WARN, f"{queue.dead_letters} kept", remedy)


def _corrupt(queue: Queue) -> Iterator[Check]:
    if queue.corrupt:
        named = ", ".join(str(review_id) for review_id in queue.corrupt[:_MOST_NAMED])
        more = ", …" if len(queue.corrupt) > _MOST_NAMED else ""
        yield Check(
            "records",
            FAIL,
            f"what Redis holds of reviews {named}{more} cannot be read; their deliveries become dead letters",
            "mend them as docs/operations.md says, then: python -m mirror dead-letters retry --all",
        )
