"""Templates, and how times, numbers and what a review says are written in them.

What a review says is text, never markup: every value is escaped, and no template marks one as safe.
"""

import re
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mirror.clock import iso, span

_FOLDER = Path(__file__).parent / "templates"
# What HTML does not allow, and what turns the direction of the text around it: shown by its number.
_UNSHOWN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_MINUTE = 60_000


class Renderer:
    """Renders templates as HTML in UTF-8."""

    def __init__(self, style: str) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {"when": when, "iso": iso, "span": span, "shown": shown, "number": number}
        self._environment.globals["style"] = style
        self._environment.globals["distance"] = distance

    def render(self, template: str, values: dict[str, Any]) -> bytes:
        return self._environment.get_template(template).render(values).encode()


def when(milliseconds: int) -> str:
    """Write a time (ms since 1970 UTC) for people."""
    return f"{iso(milliseconds)[:19].replace('T', ' ')} UTC"


def distance(milliseconds: int, now: int) -> str:
    """Write how far a time lies from `now`."""
    apart = now - milliseconds
    if abs(apart) < 1_000:  # noqa: PLR2004 - a second
        return "now"
    words = f"{abs(apart) // 1_000} s" if abs(apart) < _MINUTE else span(abs(apart))
    return f"{words} ago" if apart > 0 else f"in {words}"


def number(value: float) -> str:
    return f"{value:,}"


def shown(value: Any) -> str:
    """Write a value of a review as text: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=repr).decode()
    return _UNSHOWN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)
