"""Partoo's REST API as developers.partoo.co describes it, with settable faults.

options    what is settable
search     which reviews a search gives, page by page: pure
limits     so many requests a minute: pure, time is an argument
source     where the reviews come from: a simulation, or a fixed set for tests
app        the HTTP side
"""

from tools.simulator.api.app import make_api
from tools.simulator.api.options import ApiOptions
from tools.simulator.api.source import FixedReviews, SimulatedReviews, TruthSource

__all__ = ["ApiOptions", "FixedReviews", "SimulatedReviews", "TruthSource", "make_api"]
