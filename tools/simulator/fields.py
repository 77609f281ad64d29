"""Reading the fields of a JSON object that a person wrote, and saying where a wrong one stands. Performs no I/O."""

import json
import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, NoReturn

from tools.simulator.errors import ScenarioError
from tools.simulator.wire import SIGNATURE_HEADER

# Partoo: custom headers start with "X-". It keeps a scenario off the headers that HTTP needs for itself.
_HEADER_NAME = re.compile(r"X-[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.IGNORECASE)


class Fields:
    """One JSON object and where it stands. Every method raises ScenarioError, naming the place and the remedy."""

    def __init__(self, raw: Any, where: str) -> None:
        if not isinstance(raw, dict):
            raise ScenarioError(f"{where}: this must be a JSON object, in braces")
        self.raw: dict[str, Any] = raw
        self.where = where

    def wrong(self, problem: str) -> NoReturn:
        """Raise ScenarioError: the place, then the problem."""
        raise ScenarioError(f"{self.where}: {problem}")

    def allow(self, known: Collection[str]) -> None:
        """Refuse every field not listed: a misspelt one would be left out in silence."""
        for name in self.raw:
            if name not in known:
                self.wrong(f'there is no field "{name}" here; there are: {", ".join(known)}')

    def choose(self, names: Collection[str]) -> str:
        """Give the one of these fields that is there."""
        there = [name for name in names if name in self.raw]
        if len(there) != 1:
            found = " and ".join(f'"{name}"' for name in there) or "none"
            self.wrong(f"needs exactly one of {', '.join(names)}; found {found}")
        return there[0]

    def text(self, name: str, default: str | None = None) -> str:
        """Give a text, its white space folded: it is printed as part of a line."""
        value = self.raw.get(name, default)
        if not isinstance(value, str) or not value.strip():
            self.wrong(f'"{name}" must be a text that is not empty')
        return " ".join(value.split())

    def date(self, name: str) -> datetime:
        """Give a date-time with an offset: only those can be compared."""
        value = self.raw.get(name)
        try:
            date = datetime.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            date = None
        if date is None or date.tzinfo is None:
            self.wrong(f'"{name}" must be an ISO date-time with its offset, as 2025-09-04T10:12:00+02:00')
        return date

    def object(self, name: str) -> dict[str, Any]:
        value = self.raw.get(name, {})
        if not isinstance(value, dict):
            self.wrong(f'"{name}" must be a JSON object, in braces')
        return value

    def names(self, name: str) -> list[str]:
        value = self.raw.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong(f'"{name}" must be a list of field names')
        return value

    def headers(self, name: str) -> dict[str, str]:
        headers = self.object(name)
        for header, value in headers.items():
            if not _HEADER_NAME.fullmatch(header) or header.lower() == SIGNATURE_HEADER.lower():
                self.wrong(f'header "{header}": its name must start with X-, and the signature is made when it is sent')
            if not isinstance(value, str) or not value.isprintable():
                self.wrong(f'header "{header}": its value must be a text on one line')
        return headers


def decode_object(text: bytes, where: str) -> Fields:
    """Decode UTF-8 JSON that must be an object. Raises ScenarioError."""
    try:
        return Fields(json.loads(text.decode(), parse_constant=_refuse_constant), where)
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{where}: this is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{where}: this is not JSON ({error}); correct it there") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
