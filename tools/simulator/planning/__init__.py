"""What the wire makes of what happened: deliveries with their bytes and their times of arrival. Performs no I/O.

wire      the faults, and named sets of them
extras    what travels beside the events of reviews: try-outs, other events, fields that nobody documented
plan      events in, deliveries out
"""

from tools.simulator.planning.plan import Part, PlannedDelivery, plan
from tools.simulator.planning.wire import PRESETS, Wire

__all__ = ["PRESETS", "Part", "PlannedDelivery", "Wire", "plan"]
