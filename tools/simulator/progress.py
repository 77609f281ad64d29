"""How far a run has come: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import TextIO

_WIDTH = 30
_BAR_EVERY_S = 0.1
_LINES = 10


class Progress:
    """Tells on a stream how much of `total` is done; `note` is what stands behind it."""

    def __init__(self, stream: TextIO, total: int, *, bar: bool) -> None:
        self._stream = stream
        self._total = max(1, total)
        self._bar = bar
        self._started = time.monotonic()
        self._shown_at = self._started
        self._lines = 0
        self._open = False

    def show(self, done: int, note: str) -> None:
        """Tell, unless that was just told."""
        if self._bar:
            self._draw(done, note)
        elif done * _LINES // self._total > self._lines:
            self._lines = done * _LINES // self._total
            self._stream.write(f"{self._text(done, note)}\n")
            self._stream.flush()

    def end(self) -> None:
        """Leave the cursor on a line of its own."""
        if self._open:
            self._stream.write("\n")
            self._stream.flush()
            self._open = False

    def _draw(self, done: int, note: str) -> None:
        now = time.monotonic()
        if done < self._total and now - self._shown_at < _BAR_EVERY_S:
            return
        self._shown_at = now
        self._open = True
        full = done * _WIDTH // self._total
        # Clears to the end of the line: a shorter text must not leave the tail of a longer one.
        self._stream.write(f"\r[{'#' * full}{'.' * (_WIDTH - full)}] {self._text(done, note)}\x1b[K")
        self._stream.flush()

    def _text(self, done: int, note: str) -> str:
        seconds = time.monotonic() - self._started
        rate = done / seconds if seconds else 0.0
        return f"{100 * done // self._total:3} %  {done:,} of {self._total:,} deliveries, {rate:,.0f} a second, {note}"
