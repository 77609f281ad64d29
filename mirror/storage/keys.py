"""Every Redis key of the mirror, with its TTL and its reason. arq's own keys (`arq:*`) are only nudges; see `NUDGE`.

The keys of one review share a hash tag, so that they stay together when reviews are spread over several servers.
None of these keys may be evicted: Redis must run with `noeviction`.
"""

# One review. The Lua scripts build these names too, from the parts below.
REVIEW_PREFIX = "rm:{"
RECORD_SUFFIX = "}:record"  # string: the record, JSON. No TTL.
INBOX_SUFFIX = "}:inbox"  # list: accepted deliveries that are not applied yet, oldest first. Gone when empty.
CHANGES_SUFFIX = "}:changes"  # list: the change history, JSON, oldest first; version v stands at index v - 1. No TTL.

# Reviews whose inbox holds something. Two sorted sets of review ids, times in milliseconds since 1970:
WAITING = (
    "rm:waiting"  # by when the oldest waiting delivery was accepted: what age and length of the queue are read from
)
DUE = "rm:due"  # by when the review may be claimed: now, or the end of the lease of the worker that claimed it

# How long a claim keeps other workers off a review. The commit is safe without it; it only spares double work.
LEASE_MS = 10_000

# An arq job that will claim is on its way, so that accepting needs to enqueue no other. Deleted by each claim; should
# its job be lost, the TTL lets the next delivery nudge again.
NUDGE = "rm:nudge"
NUDGE_TTL_MS = 2_000

# One for each write of deliveries, so that repeating the write after a broken connection cannot store them twice.
ACCEPTED_PREFIX = "rm:accepted:"
ACCEPTED_TTL_MS = 120_000

# Reviews about which Partoo is to be asked, where there is a key for its API: sorted set of review ids by when the
# question is due (ms since 1970), or by when the lease of the worker that asks ends. Taken out by the commit that
# applies the answer, or that brings news which needs no question.
VERIFY = "rm:verify"
VERIFY_FAILURES = "rm:verify:failures"  # hash: review id -> how often asking has failed in a row
API_BUCKET = "rm:api:bucket"  # string: until when Partoo's API is booked, ms; expires by itself (see partoo/limiter)
API_PAUSE = "rm:api:pause"  # string with a TTL: Partoo has answered 429 and named a time to wait

# A reconciliation: where it stands, and which ids it has seen (see the functions below). What an interrupted run has
# read longer ago than this says too little of now, so the next run begins anew.
RECONCILIATION_TTL_MS = 43_200_000
RECONCILIATION_HOLD = "rm:reconciliation:hold"  # string: who runs one; renewed while it does
RECONCILIATION_HOLD_MS = 15_000
RECONCILIATION_PLANNED = "rm:reconciliation:planned"  # string: a worker has planned the day's run
RECONCILIATION_PLANNED_MS = 72_000_000  # less than a day, more than workers' clocks differ

COUNTERS = "rm:counters"  # hash: what web processes and workers counted since the beginning. No TTL.
DEAD_LETTERS = "rm:dead_letters"  # hash: delivery id -> dead letter, JSON. No TTL.
WORKERS = "rm:workers"  # sorted set: worker -> last heartbeat
HEARTBEAT_INTERVAL_MS = 5_000
WORKER_ALIVE_MS = 20_000  # a worker silent for longer does not count
WORKER_FORGOTTEN_MS = 86_400_000  # and is dropped from WORKERS after a day

FEED = "rm:feed"  # stream: one entry a change, of all reviews, for consumers that follow along
FEED_LENGTH = 100_000  # about how many of the newest entries it keeps

# Indexes: sorted sets of review ids, padded to sort as text, all with score 0.
PARTNERS = "rm:partners"  # set: the partners seen, to know the indexes by status and partner


def record(review_id: int) -> str:
    return f"{REVIEW_PREFIX}{review_id}{RECORD_SUFFIX}"


def inbox(review_id: int) -> str:
    return f"{REVIEW_PREFIX}{review_id}{INBOX_SUFFIX}"


def changes(review_id: int) -> str:
    return f"{REVIEW_PREFIX}{review_id}{CHANGES_SUFFIX}"


def index(status: str, partner: str) -> str:
    """Name the index of all reviews with this status and partner; each review stands in exactly one of them."""
    return f"rm:index:{status}:{partner}"


def business(business_id: str) -> str:
    """Name the index of all reviews of one business."""
    return f"rm:business:{business_id}"


def member(review_id: int) -> str:
    """Write a review id so that ids sort as text in the order of their numbers."""
    return f"{review_id:019d}"


def reconciliation(scope: str) -> str:
    """Name where the run of a scope stands: string, JSON."""
    return f"rm:reconciliation:{scope}"


def reconciliation_seen(scope: str, search: int) -> str:
    """Name the ids that a listing of a run has shown: string, eight bytes an id."""
    return f"rm:reconciliation:{scope}:seen:{search}"
