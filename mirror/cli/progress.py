"""How far a long command has come, on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time

_WIDTH = 30
_BAR_EVERY_S = 0.1
_LINES = 10


class Progress:
    def __init__(self) -> None:
        self._bar = sys.stderr.isatty()
        self._shown_at = 0.0
        self._tenth = 0

    def begin(self, text: str) -> None:
        """Start anew, with a line that says what follows."""
        self._tenth = 0
        self.say(text)

    def say(self, text: str) -> None:
        """Write a line; the bar is drawn anew below it."""
        self.clear()
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def show(self, done: int, total: int) -> None:
        """Tell how much is done, unless that was just told."""
        total = max(1, total)
        now = time.monotonic()
        if self._bar and (done >= total or now - self._shown_at >= _BAR_EVERY_S):
            full = min(_WIDTH, done * _WIDTH // total)
            sys.stderr.write(f"\r[{'#' * full}{'.' * (_WIDTH - full)}] page {done:,} of {total:,}\x1b[K")
            sys.stderr.flush()
            self._shown_at = now
        elif not self._bar and done * _LINES // total > self._tenth:
            self._tenth = done * _LINES // total
            self.say(f"page {done:,} of {total:,}")

    def clear(self) -> None:
        """Take the bar away, so that a line can be written."""
        if self._bar:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
