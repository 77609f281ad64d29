"""What the mirror would never write for review 34, but may find."""

import msgspec

from tests.support import make_review

START = 1_757_664_000_000
HOUR = 3_600_000
RECORD = {
    "schema": 1,
    "id": 34,
    "status": "live",
    "version": 2,
    "review": make_review(),
    "first_seen_at": START,
    "last_changed_at": START,
    "last_received_at": START + HOUR,
}
CHANGE = {"version": 1, "kind": "first_seen", "received_at": START, "delivery_id": "a"}

BAD_RECORDS: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"garbage",
    "cut off": msgspec.json.encode(RECORD)[:-5],
    "not UTF-8": msgspec.json.encode(RECORD).replace(b"Castorche", b"\xff\xfe"),
    "a lone surrogate": msgspec.json.encode(RECORD).replace(b"Castorche", b"\\ud800"),
    "another JSON": b"[]",
    "nothing in it": b"{}",
    "too deep": b'{"schema":1,"review":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no version": msgspec.json.encode({name: value for name, value in RECORD.items() if name != "version"}),
    "a text for a number": msgspec.json.encode(RECORD | {"version": "2"}),
    "a status that is none": msgspec.json.encode(RECORD | {"status": "Castorche"}),
    "a review that is none": msgspec.json.encode(RECORD | {"review": [1]}),
    "another id": msgspec.json.encode(RECORD | {"id": 35}),
    "a review of another id": msgspec.json.encode(RECORD | {"review": make_review(35)}),
    "a review without an id": msgspec.json.encode(RECORD | {"review": {}}),
    "a time before 1970": msgspec.json.encode(RECORD | {"first_seen_at": -1}),
    "a time after 9999": msgspec.json.encode(RECORD | {"last_changed_at": 253_402_300_800_000}),
    "a time beyond 64 bits": msgspec.json.encode(RECORD | {"missing_since": 10**30}),
}
BAD_HISTORIES: dict[str, list[bytes]] = {
    "none": [],
    "not JSON": [b"garbage"],
    "another JSON": [b"1"],
    "a kind that is none": [msgspec.json.encode(CHANGE | {"kind": "Castorche"})],
    "fields that are none": [msgspec.json.encode(CHANGE | {"fields": {"rating": [1]}})],
    "a time after 9999": [msgspec.json.encode(CHANGE | {"received_at": 253_402_300_800_000})],
    "an absence without end": [msgspec.json.encode(CHANGE | {"missing_for": 10**400})],
    "out of order": [msgspec.json.encode(CHANGE | {"version": version}) for version in (1, 3)],
    "the same twice": [msgspec.json.encode(CHANGE)] * 2,
    "of another review": [msgspec.json.encode(CHANGE), msgspec.json.encode(CHANGE | {"version": 2, "added": ["id"]})],
}
