"""What the doctor finds."""

import msgspec

OK, WARN, FAIL = "ok", "warn", "fail"


class Check(msgspec.Struct, frozen=True):
    """One check's result: `state` is ok, warn or fail; `remedy` says what to do where it is not ok."""

    name: str
    state: str
    found: str
    remedy: str = ""
