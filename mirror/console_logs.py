"""Log lines for people at a terminal, which obeys nothing that a value says: each line stays one line."""

import io
import re
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from mirror.printable import visible

# What stands in columns of its own, without quotes.
_COLUMNS = {"timestamp", "level", "event", "logger"}
_NEEDS_QUOTES = re.compile(r"[\s=\"']")


class _Shown(str):
    """A value as it is to be shown: the console renderer would show a text with spaces by its repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def make_console_renderer(*, colours: bool) -> Processor:
    """Make structlog's console renderer, with values that are escaped as `printable` says and no further."""
    render = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=_write_traceback)

    def render_shown(logger: WrappedLogger, method: str, event: EventDict) -> str:
        return render(logger, method, {name: _show(name, value) for name, value in event.items()})

    return render_shown


def _show(name: str, value: Any) -> Any:
    if name == "exc_info":
        return value
    text = visible(value if isinstance(value, str) else _written(value))
    if name in _COLUMNS or not isinstance(value, str) or not _NEEDS_QUOTES.search(text):
        return _Shown(text)
    return _Shown(f'"{text}"')


def _written(value: Any) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=repr).decode()
    except UnicodeEncodeError:
        return ascii(value)


def _write_traceback(stream: TextIO, info: ExcInfo) -> None:
    """Write a traceback, of which nothing but the line ends is left to obey.

    Not rich's, which is taken where rich is installed: it shows local variables, and secrets among them.
    """
    text = io.StringIO()
    structlog.dev.plain_traceback(text, info)
    stream.write("\n".join(visible(line) for line in text.getvalue().split("\n")))
