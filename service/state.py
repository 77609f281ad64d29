"""What the handlers share: one key for each thing that `service.app` puts into the application."""

from aiohttp import web

from mirror.settings import Settings
from mirror.storage.store import Store
from service.acknowledger import Acknowledger
from service.pressure import Pressure
from service.redeliveries import Redeliveries
from service.tally import Tally

SETTINGS = web.AppKey("settings", Settings)
# Connections apart, so that no number of readers keeps a delivery from being stored.
READ_STORE = web.AppKey("read_store", Store)
STORE = web.AppKey("store", Store)
ACKNOWLEDGER = web.AppKey("acknowledger", Acknowledger)
PRESSURE = web.AppKey("pressure", Pressure)
REDELIVERIES = web.AppKey("redeliveries", Redeliveries)
TALLY = web.AppKey("tally", Tally)
