"""The doctor's question to Partoo's API: whether the key opens it."""

import aiohttp

from mirror.cli.check import OK, WARN, Check
from mirror.cli.output import counted
from mirror.partoo.api import PartooApi, Patience
from mirror.partoo.errors import ApiRefusedError, ApiUnavailableError
from mirror.partoo.limiter import Limiter
from mirror.settings import Settings
from mirror.storage.store import Store

NAME = "Partoo's API"
_PATIENCE = Patience(timeout_s=5.0)


async def check_partoo(store: Store, settings: Settings) -> Check:
    """Ask for one page of reviews. Raises StorageUnavailableError: the fleet's rate is kept in Redis."""
    key = settings.partoo_api_key
    if key is None:
        found = "PARTOO_API_KEY is not set: what a delivery cannot tell stays in doubt, what none told is never found"
        return Check(NAME, WARN, found, "set PARTOO_API_KEY to a key that may read the reviews")
    async with aiohttp.ClientSession() as session:
        api = PartooApi(session, settings.partoo_api_url, key, Limiter(store, settings.partoo_api_rate), _PATIENCE)
        try:
            page = await api.page({}, 1)
        except ApiRefusedError as error:
            # Not a failure: what is delivered is mirrored all the same, and a release must not wait for a new key.
            return Check(NAME, WARN, str(error), "set PARTOO_API_KEY and PARTOO_API_URL (or PARTOO_ENV) to a pair")
        except ApiUnavailableError as error:
            return Check(NAME, WARN, str(error), "nothing is lost: questions wait, and are asked again by themselves")
    return Check(NAME, OK, f"lists {counted(page.count, 'review')}")
