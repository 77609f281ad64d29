"""What is settable about the API: what Partoo leaves open, and faults. Performs no I/O."""

from dataclasses import dataclass

DEFAULT_KEY = "a-key-for-the-simulator"


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How the API behaves. Shares are of requests (`left_out`: of reviews) and lie between 0 and 1.

    deleted_in_search    whether a search without `state` gives deleted reviews too: Partoo does not document it
    deleted_findable     whether a search with `state=deleted` gives them
    per_minute           requests in any 60 s, past which the answer is 429; 0: without limit
    too_many, failing    answers of 429 and of 500, out of the blue
    hanging              requests that get no answer for `hang_s` seconds
    truncated            pages that hold fewer reviews than they say, or whose JSON is cut off half way
    left_out             reviews that no search gives; which ones is drawn from `seed`
    """

    key: str = DEFAULT_KEY
    deleted_in_search: bool = False
    deleted_findable: bool = True
    per_minute: int = 300
    too_many: float = 0.0
    failing: float = 0.0
    hanging: float = 0.0
    hang_s: float = 60.0
    truncated: float = 0.0
    left_out: float = 0.0
    seed: int = 1
