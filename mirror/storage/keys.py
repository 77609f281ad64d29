"""Every Redis key of the mirror, with its TTL and its reason. arq's own keys (`arq:*`) are only nudges; see `NUDGE`.

The keys of one review share a hash tag, so that they stay together when reviews are spread over several servers.
None of these keys may be evicted: Redis must run with `noeviction`.
"""

# One review. The Lua scripts build these names too, from the parts below. Records, changes and the bodies of deliveries
# are JSON, compressed where that is shorter (`frames`); `python -m mirror show ID --stored` prints them.
REVIEW_PREFIX = "rm:{"
RECORD_SUFFIX = "}:record"  # string: the record. No TTL.
INBOX_SUFFIX = "}:inbox"  # list: accepted deliveries that are not applied yet, oldest first. Gone when empty.
# list: the deliveries applied in the last DELIVERY_RETENTION, inbox entries as they were (a redelivery also tells when
# it was first offered), in the order in which they were applied. Its TTL is that time from the last of them; what is
# older goes when a newer one comes. Of byte-identical copies that change nothing only the last stays.
DELIVERIES_SUFFIX = "}:deliveries"
DELIVERIES_KEPT = 100  # the newest of each review
# Reviews that have such a list: sorted set of review ids by when the last delivery was applied (ms since 1970). Where
# memory is scarce, the lists of those at its beginning are dropped first. Entries older than DELIVERY_RETENTION go.
KEPT = "rm:kept"
# list: the change history, oldest first. The first has version 1, or a higher one once it was trimmed: to some
# 10,000 entries (`mirror.domain.trimming`), or to HISTORY_RETENTION. No TTL.
CHANGES_SUFFIX = "}:changes"

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
ACCEPTED_TTL_MS = 30_000  # a write is given up after 6 s; no more of these than writes in that time

# Reviews about which Partoo is to be asked, where there is a key for its API: sorted set of review ids by when the
# question is due (ms since 1970), or by when the lease of the worker that asks ends. Taken out by the commit that
# applies the answer, or that brings news which needs no question.
VERIFY = "rm:verify"
VERIFY_FAILURES = "rm:verify:failures"  # hash: review id -> how often asking has failed in a row
SECOND_LOOKS = "rm:verify:again"  # sorted set: review id -> when to ask once more, as the search that answered may lag
API_BUCKET = "rm:api:bucket"  # string: until when Partoo's API is booked, ms; expires by itself (see partoo/limiter)
API_REFUSED = "rm:api:refused"  # string: since when Partoo refuses the key, ms; deleted once it is taken
API_REFUSED_MS = 86_400_000  # and forgotten where nothing was asked for so long
API_PAUSE = "rm:api:pause"  # string with a TTL: Partoo has answered 429 and named a time to wait

# One for each body whose first attempt failed: when that was, ms. The commit of its redelivery deletes it; if none
# comes, the TTL (REDELIVERY_WINDOW) does.
OFFERED_PREFIX = "rm:offered:"
OFFERS = "rm:offers"  # string with the TTL of the last of them: there may be some
# Their digests: sorted set by when they end. Beyond OFFERED_KEPT the oldest go: an outage may leave one for each body.
OFFERED_INDEX = "rm:offers:index"
OFFERED_KEPT = 20_000
# A reconciliation: where it stands, and which ids it has seen (see the functions below). What an interrupted run has
# read longer ago than this says too little of now, so the next run begins anew.
RECONCILIATION_TTL_MS = 43_200_000
RECONCILIATION_HOLD = "rm:reconciliation:hold"  # string: who runs one; renewed while it does
RECONCILIATION_HOLD_MS = 15_000
RECONCILIATION_PLANNED = "rm:reconciliation:planned"  # string: a worker has planned the day's run
RECONCILIATION_PLANNED_MS = 72_000_000  # less than a day, more than workers' clocks differ

# The probe of writes: a string with a TTL and a list, gone in the step that makes them; and what arq enqueues in.
PROBE_PREFIX = "rm:probe:"
PROBE_TTL_MS = 10_000
ARQ_QUEUE = "arq:queue"

COUNTERS = "rm:counters"  # hash: what web processes and workers counted since the beginning. No TTL.
DEAD_LETTERS = "rm:dead_letters"  # hash: delivery id -> dead letter, JSON. No TTL. Of identical bodies only the newest.
# hash: digest of a dead letter's body -> its delivery id, how often the body came before, the first such delivery's id
DEAD_BODIES = "rm:dead_letters:bodies"
# hash: what `forget` has erased, while Redis's own files may still hold it. `aof` and `rdb` -> a mark, JSON (see
# erased_files); `review:ID` -> "", while it is not known that a worker has erased it. No TTL: each goes when done.
UNCLEAN_FILES = "rm:forget:unclean"
CORRUPT = "rm:corrupt"  # hash: review id -> bytes of its record that could not be read, set aside for whoever mends it
WORKERS = "rm:workers"  # sorted set: worker -> last heartbeat
WORKERS_STARTED = "rm:workers:started"  # hash: worker -> first heartbeat
HEARTBEAT_INTERVAL_MS = 5_000
WORKER_ALIVE_MS = 20_000  # a worker silent for longer does not count
WORKER_FORGOTTEN_MS = 86_400_000  # and is dropped from WORKERS after a day

FEED = "rm:feed"  # stream: one entry a change, of all reviews, and one for each incident opened or closed
FEED_LENGTH = 100_000  # about how many of the newest entries it keeps, unless the variable of this name says more

# Silence, written by storage/silence.py. DELIVERY_HOURS: hash, hour since 1970 -> how many deliveries came in it and
# the longest wait for one (ms), of the last eight weeks. SILENCE: hash, when the last delivery came and since when it
# is silent. No TTL.
DELIVERY_HOURS = "rm:silence:hours"
SILENCE = "rm:silence"

# Operator notices: string, JSON: what was told and what waits to be sent, bounded by domain/notices; and the process
# that sends them, a string with a TTL.
NOTICES = "rm:notices"
NOTICES_LEASE = "rm:notices:lease"
NOTICES_LEASE_MS = 30_000

IMPORTING = "rm:importing"  # string: an import is under way, or was interrupted

# Outgoing webhooks. ENDPOINTS: hash, endpoint id -> its configuration, JSON. Of each endpoint, below ENDPOINT_PREFIX
# and its id: `cursor` (string: the place in the feed up to which everything was delivered or is pending), `pending` and
# `parked` (hashes: place in the feed -> item, JSON), `facts` (hash: counts, and since when it fails), `answers` (list:
# the newest answers, JSON) and `lease` (string with a TTL: the worker that sends to it).
ENDPOINTS = "rm:endpoints"
ENDPOINT_PREFIX = "rm:endpoint:"
ENDPOINT_LEASE_MS = 8_000  # renewed every second: after a crash another worker goes on so much later
ANSWERS_KEPT = 20
ITEMS_KEPT = 10_000  # pending ones of an endpoint, before it reads no further; and parked ones, of which the oldest go
HELD_KEPT = 50_000  # disappearances that are held, besides: a business may lose all its reviews at once

# Ratings: how far they follow the feed (JSON), the businesses that have tracks (set), and of each business a hash:
# review id -> its track, msgpack. All of it can be worked out again from the histories. Written by storage/ratings.py.
RATINGS_PROGRESS = "rm:ratings:progress"
RATED_BUSINESSES = "rm:ratings:businesses"
RATINGS_PREFIX = "rm:ratings:of:"

# The Postgres sink. MIRROR_ID: string, who this mirror is, so that its tables are not taken for another's. SINK: how
# the sink stands, JSON; it ends by itself once no worker has DATABASE_URL any more.
MIRROR_ID = "rm:mirror_id"
SINK = "rm:sink"
SINK_KEPT_MS = 86_400_000

# The console. A session: hash, named by the hash of its id; `token` is the hash of the token that it was begun with.
# And how many logins failed of late: strings, one an address and one for all.
CONSOLE_SESSION_PREFIX = "rm:console:session:"
CONSOLE_SESSION_MS = 43_200_000  # a working day: after that, log in again
CONSOLE_ATTEMPTS_PREFIX = "rm:console:attempts:"
CONSOLE_ATTEMPTS_MS = 60_000

# Indexes: sorted sets of review ids, padded to sort as text, all with score 0.
PARTNERS = "rm:partners"  # set: the partners seen, to know the indexes by status and partner

# Absences: of reviews reported deleted. commit.lua writes all of these, unless another writer is named.
ABSENCES = "rm:absences"  # sorted set: id of a missing review -> from when its grace counts; not those that are held
STATS_PREFIX = (
    "rm:absence_stats:"  # hashes, `all`, one a partner, one a business: how absences ended, and when. No TTL.
)
ABSENT_BUSINESSES = "rm:absent_businesses"  # sorted set: business -> how many absences its reviews had
RECENT_PREFIX = "rm:absences:recent:"  # sorted sets, one a partner, one a business: the absences of the last windows
INCIDENTS = "rm:incidents"  # set: the scopes, `business:…` or `partner:…`, that have an open incident
INCIDENT_PREFIX = "rm:incident:"  # hash: an open incident's times and counts
HELD_PREFIX = "rm:incident_reviews:"  # sorted set: its reviews that are still missing -> missing since when
CLOSED_INCIDENTS = "rm:incidents:closed"  # sorted set: a closed incident, JSON -> when. Written by close_incident.lua.
CLOSED_INCIDENTS_KEPT = 1_000  # the newest


def record(review_id: int) -> str:
    return f"{REVIEW_PREFIX}{review_id}{RECORD_SUFFIX}"


def inbox(review_id: int) -> str:
    return f"{REVIEW_PREFIX}{review_id}{INBOX_SUFFIX}"


def deliveries(review_id: int) -> str:
    return f"{REVIEW_PREFIX}{review_id}{DELIVERIES_SUFFIX}"


def changes(review_id: int) -> str:
    return f"{REVIEW_PREFIX}{review_id}{CHANGES_SUFFIX}"


def review_of(name: str) -> int:
    """Return the id of the review that a key, one of the above, belongs to."""
    return int(name.removeprefix(REVIEW_PREFIX).partition("}")[0])


def index(status: str, partner: str) -> str:
    """Name the index of all reviews with this status and partner; each review stands in exactly one of them."""
    return f"rm:index:{status}:{partner}"


def certainty(certainty: str) -> str:
    """Name the index of all reviews with this certainty, one that is not `proven`."""
    return f"rm:index:certainty:{certainty}"


def business(business_id: str) -> str:
    """Name the index of all reviews of one business."""
    return f"rm:business:{business_id}"


def endpoint(endpoint_id: str, part: str) -> str:
    """Name one of the keys of an endpoint."""
    return f"{ENDPOINT_PREFIX}{endpoint_id}:{part}"


def ratings(business_id: str) -> str:
    """Name the tracks of one business's reviews."""
    return f"{RATINGS_PREFIX}{business_id}"


def member(review_id: int) -> str:
    """Write a review id so that ids sort as text in the order of their numbers."""
    return f"{review_id:019d}"


def is_member(member: bytes) -> bool:
    """Tell whether `member` is what `member()` writes."""
    return len(member) == 19 and member.isdigit()  # noqa: PLR2004 - as above


def reconciliation(scope: str) -> str:
    """Name where the run of a scope stands: string, JSON."""
    return f"rm:reconciliation:{scope}"


def reconciliation_seen(scope: str, search: int) -> str:
    """Name the ids that a listing of a run has shown: string, eight bytes an id."""
    return f"rm:reconciliation:{scope}:seen:{search}"
