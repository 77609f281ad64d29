"""The JSON of requests and answers, as JSON Schema: the components of the OpenAPI document."""

from typing import Any

from mirror.domain.changes import Certainty, Kind, Source
from mirror.domain.lifecycle import Status
from mirror.domain.silence import Reason

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_MOMENT: Schema = {"type": "string", "format": "date-time", "pattern": "Z$"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_ANY: Schema = {"type": "object"}
_CURSOR: Schema = {"type": ["string", "null"], "description": "`cursor` of the next page; null: this is the last."}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _enum(values: Any) -> Schema:
    return {"enum": [str(value) for value in values]}


def _object(optional: dict[str, Schema] | None = None, /, **required: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


_PARTOO_REVIEW: Schema = {
    "type": "object",
    "description": "A review as Partoo sends it: every field, known to this service or not, as it came.",
    "required": ["id"],
    "properties": {"id": _WHOLE | {"maximum": 2**63 - 1}},
}

_CERTAINTY = _enum(Certainty) | {"description": "How far the mirror can vouch for it."}

_ERROR = _object(code=_TEXT | {"pattern": "^[a-z][a-z_]*$"}, message=_TEXT, request_id=_TEXT)

_QUANTILES = _object(p50=_or_null(_SECONDS), p90=_or_null(_SECONDS), p99=_or_null(_SECONDS)) | {
    "description": "How many seconds those that returned were missing, within 5 %; null before the first."
}
_ABSENCES = _object(
    absences=_WHOLE | {"description": "The sum of returned, gone and going_on."},
    returned=_WHOLE,
    gone=_WHOLE,
    going_on=_WHOLE,
    returned_from_gone=_WHOLE,
    returned_after_s=_QUANTILES,
)

_SILENCE = _object(
    last_delivery_at=_or_null(_MOMENT),
    silent_since=_or_null(_MOMENT | {"description": "When the last delivery came, if they stay away for too long."}),
    reason=_or_null(_enum(Reason)),
    without_delivery_s=_or_null(_SECONDS),
    usual_longest_gap_s=_or_null(_SECONDS),
    silent_after_s=_or_null(_SECONDS),
)

ALL: dict[str, Schema] = {
    "Error": _object(error=_ERROR),
    "PartooReview": _PARTOO_REVIEW,
    "Delivery": _object({"payload": _ANY | {"properties": {"review": ref("PartooReview")}}}, type=_TEXT),
    "Acknowledgement": _object(
        status=_enum(("accepted", "ignored", "tryout", "dead_letter")),
        delivery_id=_TEXT | {"pattern": "^[0-9a-f]{24}$"},
    ),
    "Review": _object(
        id=_WHOLE,
        status=_enum(Status),
        version=_WHOLE | {"description": "How many changes there were."},
        certainty=_CERTAINTY,
        ambiguous={"type": "boolean", "description": "Payload and order could not tell news from a late copy."},
        review=ref("PartooReview"),
        last_live=_or_null(ref("PartooReview")),
        missing_since=_or_null(_MOMENT),
        reappearances=_WHOLE,
        first_seen_at=_MOMENT,
        last_changed_at=_MOMENT,
        last_received_at=_MOMENT,
    ),
    "ReviewPage": _object(
        {"corrupt": _list(_WHOLE) | {"description": "Reviews left out: what Redis holds of them cannot be read."}},
        reviews=_list(ref("Review")),
        next=_CURSOR,
        cursor=_TEXT | {"description": "Where the feed stood before the list was begun: go on there with GET /feed."},
    ),
    "Change": _object(
        version=_WHOLE,
        kind=_enum(Kind),
        fields={
            "type": "object",
            "description": "By field: before and after; null also where one of them does not have the field.",
            "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2},
        },
        added=_TEXTS | {"description": "Fields that were not there before."},
        removed=_TEXTS | {"description": "Fields that are not there any more."},
        tags=_or_null(_object(added={"type": "array"}, removed={"type": "array"})),
        received_at=_MOMENT,
        delivery_id=_TEXT,
        source=_enum(Source),
        certainty=_CERTAINTY,
        ambiguous={"type": "boolean"},
        repaired=_TEXTS | {"description": "What had to be repaired before the delivery could be read."},
        missing_for=_or_null(_SECONDS | {"description": "For how long the review was missing, in seconds."}),
    ),
    "ChangePage": _object(changes=_list(ref("Change")), next=_CURSOR),
    "Event": _object(
        specversion={"const": "1.0"},
        id=_TEXT | {"description": "The review's id and version: the same however often the event is delivered."},
        source=_TEXT,
        type=_TEXT
        | {"pattern": r"^reviewmirror\.", "description": "What happened, such as reviewmirror.review.vanished."},
        subject=_TEXT | {"description": "The review's id, or an incident's scope."},
        time=_MOMENT,
        datacontenttype={"const": "application/json"},
        data=_ANY
        | {
            "description": "Of a review: the change as in its history, and `status`, `certainty` and `review` right "
            "after it, null where nothing of that is kept any more. Of one that was forgotten: its id alone."
        },
    ),
    "FeedPage": _object(
        events=_list(ref("Event")), cursor=_TEXT | {"description": "`cursor` of the next request; it stays valid."}
    ),
    "Rating": _object(
        count=_WHOLE | {"description": "Reviews with a rating."},
        count_unrated=_WHOLE | {"description": "Reviews without one, which count nowhere else."},
        average=_or_null({"type": "number"}),
        stars=_object(**{str(star): _WHOLE for star in range(1, 6)}),
        recommended=_WHOLE,
        not_recommended=_WHOLE,
    ),
    "Ratings": _object(
        at=_MOMENT,
        shown=ref("Rating") | {"description": "The reviews that were live at that moment."},
        adjusted=ref("Rating")
        | {"description": "Also those that were missing and came back later, or whose absence is still undecided."},
    ),
    "RatingsOrBuckets": {
        "description": "One moment; or, of a series, `buckets`; or, grouped, `groups` of either.",
        "anyOf": [
            ref("Ratings"),
            _object(buckets=_list(ref("Ratings"))),
            _object(groups={"type": "array", "items": {"type": "object"}}),
        ],
    },
    "Absences": _ABSENCES,
    "Stats": {
        "description": "How absences ended, over all, by partner and by business; or, asked for one business, its own.",
        "anyOf": [
            _object(
                overall=ref("Absences"),
                by_partner=_list({"allOf": [ref("Absences"), _object(partner=_TEXT)]}),
                by_business=_list({"allOf": [ref("Absences"), _object(business_id=_TEXT)]}),
            ),
            {"allOf": [ref("Absences"), _object(business_id=_TEXT)]},
        ],
    },
    "Incident": _object(
        {"business_id": _TEXT, "partner": _TEXT},
        status=_enum(("open", "closed")),
        opened_at=_MOMENT,
        closed_at=_or_null(_MOMENT),
        closed_by=_or_null(_TEXT),
        first_vanished_at=_MOMENT,
        last_vanished_at=_MOMENT,
        absences=_WHOLE,
        returned=_WHOLE,
        missing=_WHOLE,
        returned_after_s=_QUANTILES,
    ),
    "IncidentPage": _object(incidents=_list(ref("Incident")), next=_CURSOR),
    "Health": _object(status={"const": "ok"}),
    "Readiness": _object(
        {
            "error": _ERROR,
            "workers": _WHOLE,
            "worker_heartbeat_age_s": _or_null(_SECONDS),
            "waiting_reviews": _WHOLE,
            "oldest_waiting_s": _SECONDS,
            "clock_skew_s": {"type": "number"},
            "silence": _SILENCE,
        },
        status=_enum(("ready", "not_ready")),
        problems=_TEXTS,
        warnings=_TEXTS,
        redis=_enum(("ok", "refuses", "unavailable")),
    ),
    "Document": _object(openapi={"const": "3.1.0"}, info=_ANY, paths=_ANY),
}
