"""What happens to a population of reviews, in simulated time, and what is true at any moment of it. Performs no I/O.

options, events    how many, how lively; what one happening is
newborn, changes   one review's fields, and how they change
life               the whole population's events, in order
truth              what every review is at any moment
"""

from tools.simulator.population.events import START, Kind, TruthEvent, iso, moment
from tools.simulator.population.life import life
from tools.simulator.population.options import Moving, Population
from tools.simulator.population.truth import Truth

__all__ = ["START", "Kind", "Moving", "Population", "Truth", "TruthEvent", "iso", "life", "moment"]
