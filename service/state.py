"""What the handlers share: one key for each thing that `service.app` puts into the application."""

from aiohttp import web

from mirror.settings import Settings
from mirror.storage.store import Store
from service.acknowledger import Acknowledger
from service.tally import Tally

SETTINGS = web.AppKey("settings", Settings)
STORE = web.AppKey("store", Store)
ACKNOWLEDGER = web.AppKey("acknowledger", Acknowledger)
TALLY = web.AppKey("tally", Tally)
