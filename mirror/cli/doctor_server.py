"""The part of `doctor` that looks at how safe what the server holds is: replicas, and what a 200 waits for."""

from mirror.cli.check import FAIL, OK, Check
from mirror.settings import Settings
from mirror.storage import server

# Where WAITAOF came.
_WAITAOF_VERSION = (7, 2)


def check_replicas(facts: server.Server, settings: Settings) -> Check:
    """Tell how many replicas are in reach, and whether they are as many as a 200 waits for."""
    wanted = settings.redis_wait_replicas
    reached = [replica for replica in facts.replicas if replica.is_online]
    found = f"{len(reached)} in reach"
    if reached:
        found += f", behind by up to {max(replica.lag_s for replica in reached)} s"
    if len(facts.replicas) > len(reached):
        found += f"; {len(facts.replicas) - len(reached)} not ready yet"
    if len(reached) < wanted:
        remedy = "bring replicas back, or lower REDIS_WAIT_REPLICAS"
        return Check("replicas", FAIL, f"{found}, but a 200 waits for {wanted}: deliveries are refused (503)", remedy)
    return Check("replicas", OK, f"{found}; a 200 waits for {wanted}" if wanted else f"{found}; no 200 waits for one")


def check_disk(facts: server.Server, version: tuple[int, ...], settings: Settings) -> list[Check]:
    """Tell whether the server can do what REDIS_WAIT_DISK asks for; nothing where it asks for nothing."""
    if not settings.redis_wait_disk:
        return []
    if version < _WAITAOF_VERSION or facts.append_only_file is False:
        problem = "REDIS_WAIT_DISK is on, and the server cannot tell when a write is on its disk: deliveries get a 503"
        remedy = "have Redis 7.2 or Valkey with appendonly yes, or set REDIS_WAIT_DISK=off"
        return [Check("disk", FAIL, problem, remedy)]
    return [Check("disk", OK, "a 200 waits until a delivery is on it")]
