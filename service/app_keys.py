"""What the handlers share: one key for each thing that `service.app` puts into the application."""

from aiohttp import web

from mirror.settings import Settings
from mirror.storage.store import Store
from service.api.feed_ring import FeedRing
from service.api.feed_tail import FeedTail
from service.webhook.memory_guard import MemoryGuard

SETTINGS = web.AppKey("settings", Settings)
# Connections apart, so that no number of readers keeps a delivery from being stored.
READ_STORE = web.AppKey("read_store", Store)
FEED_TAIL = web.AppKey("feed_tail", FeedTail)
FEED_RING = web.AppKey("feed_ring", FeedRing)
MEMORY_GUARD = web.AppKey("memory_guard", MemoryGuard)
