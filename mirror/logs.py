"""Structured logs on stdout: one JSON object a line in production, colours on a terminal.

Whatever logs through the standard library (arq, aiohttp, asyncio) comes out in the same shape.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from mirror.clock import iso, now_ms
from mirror.console_logs import make_console_renderer
from mirror.printable import one_line, tolerate
from mirror.settings import Settings

# Heroku splits lines over 10,000 bytes, which breaks JSON; the contract says below 8 KB.
MAX_LINE_BYTES = 8_000
_MAX_VALUE_CHARS = 500
_MAX_TRACEBACK_CHARS = 4_000
# structlog's method names that are not levels.
_LEVELS = {"exception": "error", "warn": "warning"}
# What tells whose line it is and must survive when a line is too long.
_IDENTITY = frozenset({"timestamp", "level", "event", "delivery_id", "review_id", "request_id", "job_id", "version"})


def configure(settings: Settings, stream: TextIO | None = None, processors: Sequence[Processor] = ()) -> None:
    """Set up logging for the whole process; `stream` is stdout unless given. Each line passes `processors` as well."""
    stream = sys.stdout if stream is None else stream
    tolerate(stream)
    console = (settings.log_format or ("console" if stream.isatty() else "json")) == "console"
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [structlog.contextvars.merge_contextvars, stamp, *processors]
    if not console:
        shared.append(_format_exception)
    render_console = make_console_renderer(colours=stream.isatty())
    structlog.configure(
        processors=[*shared, render_console if console else render_line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream) if console else LineWriter(stream.buffer),
        cache_logger_on_first_use=True,
    )
    _adopt_standard_logging(stream, level, shared, render_console if console else _render_text)


class LineWriter:
    """A structlog logger, and its own factory, that writes the lines of one turn of the event loop together.

    Flushing line by line costs more than making the lines. Without a running loop each line is written at once.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._told = False

    def __call__(self, *_args: Any) -> "LineWriter":
        return self

    def msg(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self._write)
        except RuntimeError:
            self._write()

    debug = info = warning = error = critical = msg

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        try:
            self._stream.write(b"\n".join([*lines, b""]))
            self._stream.flush()
        except (OSError, ValueError) as error:
            # Whoever read the log is gone, or the disk is full. Telling of it in the log would fail as well, and again.
            self._tell_once(error)

    def _tell_once(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            with suppress(OSError, ValueError):
                sys.stderr.write(f"reviewmirror: the log cannot be written, and lines are lost: {error}\n")
                sys.stderr.flush()


def stamp(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Put when, how grave and what first, for the eyes that read raw lines."""
    return {"timestamp": iso(now_ms()), "level": _LEVELS.get(method, method), "event": event["event"], **event}


def _format_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return structlog.processors.format_exc_info(logger, method, event) if "exc_info" in event else event


def _adopt_standard_logging(stream: TextIO, level: int, shared: list[Processor], renderer: Processor) -> None:
    handler = logging.StreamHandler(stream)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # At INFO arq writes two lines a job; the jobs log for themselves.
    logging.getLogger("arq").setLevel(max(level, logging.WARNING))
    logging.getLogger("asyncio").setLevel(max(level, logging.WARNING))


def render_line(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    """Render a log line as JSON; one that would be too long keeps whose it is and loses its longest values."""
    line = _encode(event)
    if len(line) <= MAX_LINE_BYTES:
        return line
    short = {name: value if name in _IDENTITY else _cut(name, value) for name, value in event.items()}
    line = _encode(short | {"truncated": True})
    if len(line) <= MAX_LINE_BYTES:
        return line
    return _encode({name: _cut(name, event[name]) for name in event if name in _IDENTITY} | {"truncated": True})


def _render_text(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return render_line(logger, method, event).decode()


def _encode(event: Mapping[str, Any]) -> bytes:
    try:
        return _json(event)
    except UnicodeEncodeError:
        return _json({name: _encodable(value) for name, value in event.items()})


def _json(value: Any) -> bytes:
    return one_line(msgspec.json.encode(value, enc_hook=repr))


def _encodable(value: Any) -> Any:
    """Give the value, or its escaped form if it holds a lone surrogate, from a header in no known encoding perhaps."""
    try:
        _json(value)
    except UnicodeEncodeError:
        return ascii(value)
    return value


def _cut(name: str, value: Any) -> Any:
    value = _encodable(value)
    text = value if isinstance(value, str) else _json(value).decode()
    most = _MAX_TRACEBACK_CHARS if name == "exception" else _MAX_VALUE_CHARS
    # A traceback's end tells the most.
    return value if len(text) <= most else "…" + text[-most:] if name == "exception" else text[:most] + "…"
