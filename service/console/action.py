"""What an action of the console is: what is asked before it, and what it does."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from service.console.visit import Visit


class Question(msgspec.Struct, frozen=True):
    """What is asked before an action: what will happen, to what; `fields` come back with the confirmation."""

    title: str
    words: str
    button: str
    back: str
    section: str
    targets: Sequence[str] = ()
    fields: Sequence[tuple[str, str]] = ()
    danger: bool = False


class Done(msgspec.Struct, frozen=True):
    """What was done: in words for the next page, at `back`, and in `facts` for the log."""

    words: str
    back: str
    facts: dict[str, Any]


class Given(Protocol):
    """What a URL or a form gives an action: several values of one name, perhaps."""

    def get(self, key: str, default: str, /) -> Any: ...

    def getall(self, key: str, default: list[str], /) -> list[Any]: ...


class Action(msgspec.Struct, frozen=True):
    """One action: what is asked before it, and what it does."""

    question: Callable[[Visit, Given], Awaitable[Question]]
    perform: Callable[[Visit, Given], Awaitable[Done]]
