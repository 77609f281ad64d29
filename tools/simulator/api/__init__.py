"""Partoo's REST API as developers.partoo.co describes it, with settable faults.

options     what is settable
search      which reviews a search gives, page by page: pure
notation    other ways to write the same review: pure
showing     which reviews the key sees, and how they are written: pure
limits      so many requests a minute: pure, time is an argument
source      where the reviews come from: a simulation, or a fixed set for tests
answers     JSON answers, and errors in one shape
faults      what a request may get in place of its answer
app         the HTTP side
"""

from tools.simulator.api.app import make_api
from tools.simulator.api.notation import Form
from tools.simulator.api.options import ApiOptions, Link, Span
from tools.simulator.api.source import FixedReviews, SimulatedReviews, TruthSource

__all__ = ["ApiOptions", "FixedReviews", "Form", "Link", "SimulatedReviews", "Span", "TruthSource", "make_api"]
