"""The wires over which lives are played: how webhooks travel, and what Partoo's API is like meanwhile. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from tools.simulator.planning import PRESETS, Wire

# How far the search is behind, in real seconds: verification asks sooner than that is over. As search indexes are, it
# is behind by about the same for a while; one that jumps from request to request is played on the bad day.
_LAG = ("--api-lag", "4", "--api-listed-after", "8")
_JUMPING_LAG = ("--api-lag", "0.5-6", "--api-listed-after", "8")
_NOTATION = ("--api-notation", "mixed")
_FIELDS = ("--photos", "0.3", "--api-media-on-request", "--api-omits", "key,link,partner_id", "--api-adds", "origin")
_UNREADABLE = ("--api-unreadable", "0.03")
_FAULTS = (
    "--api-429",
    "0.02",
    "--api-retry-after-date",
    "--api-500",
    "0.03",
    "--api-cut",
    "0.02",
    "--api-html",
    "0.02",
)
_OMISSIONS = (
    "--api-disconnected",
    "3/facebook,5/google_my_business,tripadvisor",
    "--api-businesses",
    "0,1,2,3,4,5,6,7",
)


@dataclass(frozen=True)
class Conditions:
    """Under which conditions a life is played.

    preset       how webhooks travel: a named wire of the simulator
    options      what the simulator is told beside it
    disrupted    whether our own processes fail too
    asks         whether the API is what this is about: played with a key only
    omits        whether the API never shows some reviews, so that questions about them stay open
    """

    preset: str
    options: tuple[str, ...] = ()
    disrupted: bool = False
    asks: bool = False
    omits: bool = False

    @property
    def clean(self) -> bool:
        """Whether every event arrives once and in order, so that histories must tell what happened, and only that."""
        return self.preset == "clean"


WIRES: Mapping[str, Conditions] = MappingProxyType(
    {
        "clean": Conditions("clean"),
        "faulty": Conditions("faulty"),
        "bad-day": Conditions("bad-day"),
        "hostile": Conditions("hostile", disrupted=True),
        "api-lag": Conditions("clean", _LAG, asks=True),
        "api-notation": Conditions("clean", _NOTATION, asks=True),
        "api-fields": Conditions("clean", _FIELDS, asks=True),
        "api-all": Conditions(
            "clean", (*_LAG, *_NOTATION, *_FIELDS, *_UNREADABLE, *_FAULTS, *_OMISSIONS), asks=True, omits=True
        ),
        "api-bad-day": Conditions("bad-day", (*_JUMPING_LAG, *_NOTATION, *_FIELDS, *_UNREADABLE, *_FAULTS), asks=True),
    }
)

# In true time, retries may also take hours: the simulator's backoff of four seconds ends within two minutes.
TRUE_TIME_WIRES: Mapping[str, Wire] = MappingProxyType(
    {
        **PRESETS,
        "bad-day, retries over hours": replace(PRESETS["bad-day"], backoff=600.0),
    }
)
