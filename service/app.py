"""The wiring: routes, background loops, and what the handlers share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from mirror.settings import Settings
from mirror.storage.connection import UNAVAILABLE, connect
from mirror.storage.store import Store
from mirror.tasks import end
from service import absence_api, health, metrics, openapi, read_api
from service.acknowledger import Acknowledger
from service.direct import DIRECT, Direct
from service.in_flight import IN_FLIGHT, InFlight
from service.intake import Intake
from service.nudger import Nudger
from service.outcomes import Outcomes
from service.pressure import Pressure
from service.redeliveries import Redeliveries
from service.requests import expect
from service.state import PRESSURE, READ_STORE, SETTINGS
from service.tally import Tally
from service.webhook import PATH, Webhook

# One for the write under way, one for nudges and dead letters; the other connections are for reading.
STORE_CONNECTIONS = 2


def make_app(settings: Settings, redis_url: str) -> web.Application:
    """Build the application; it connects to Redis when it is first asked to.

    Raises SettingsError if the URL of Redis cannot be used.
    """
    app = web.Application()
    store = Store(connect(settings, redis_url, STORE_CONNECTIONS))
    read_store = Store(connect(settings, redis_url, settings.redis_max_connections - STORE_CONNECTIONS))
    nudger = Nudger(store)
    pressure = Pressure(read_store)
    redeliveries = Redeliveries(read_store, settings.redelivery_window)
    tally = Tally(read_store)
    outcomes = Outcomes(tally, redeliveries)
    acknowledger = Acknowledger(store, nudger, pressure, outcomes.accepted)
    intake = Intake(settings.partoo_public_keys, acknowledger, redeliveries.offered)
    app[SETTINGS] = settings
    app[IN_FLIGHT] = InFlight()
    app[READ_STORE] = read_store
    app[PRESSURE] = pressure
    webhook = Webhook(settings.partoo_webhook_secret, store, pressure, intake, outcomes)
    app[DIRECT] = Direct("POST", PATH, webhook.receive)
    _setup_routes(app, webhook)

    async def background(_app: web.Application) -> AsyncIterator[None]:
        loops = (tally.run(), pressure.run(), redeliveries.run(), nudger.run())
        tasks = [asyncio.create_task(loop) for loop in loops]
        yield
        await acknowledger.close()
        await end(*tasks)
        with suppress(*UNAVAILABLE):
            await tally.flush()
        with suppress(*UNAVAILABLE):
            await redeliveries.flush()
        for each in (store, read_store):
            with suppress(*UNAVAILABLE):
                await each.close()

    app.cleanup_ctx.append(background)
    return app


def _setup_routes(app: web.Application, webhook: Webhook) -> None:
    routes = (
        ("POST", PATH, webhook.receive),
        ("POST", PATH + "/{secret}", webhook.receive_with_secret),
        ("GET", "/reviews", read_api.list_reviews),
        ("GET", "/reviews/{id}", read_api.get_review),
        ("GET", "/reviews/{id}/changes", read_api.get_changes),
        ("GET", "/stats", absence_api.get_stats),
        ("GET", "/incidents", absence_api.list_incidents),
        ("GET", "/healthz", health.healthz),
        ("GET", "/readyz", health.readyz),
        ("GET", "/metrics", metrics.metrics),
        ("GET", "/openapi.json", openapi.openapi),
    )
    for method, path, handler in routes:
        app.router.add_route(method, path, handler, expect_handler=expect)
