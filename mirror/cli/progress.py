"""How far a long command has come, on stderr, for whoever watches."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_WIDTH = 30
_BAR_EVERY_S = 0.1
_LINES = 10


class Progress:
    """A bar on a terminal. `counts` tells how much is done as well, and elsewhere than on a terminal ten times so."""

    def __init__(self, words: str, *, counts: bool = False) -> None:
        self._words = words
        self._counts = counts
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
        text = f"{self._words} {done:,} of {total:,}" if self._counts else self._words
        now = time.monotonic()
        if self._bar and (done >= total or now - self._shown_at >= _BAR_EVERY_S):
            share = min(1.0, done / total)
            bar = "█" * round(share * _WIDTH)
            sys.stderr.write(f"\r{text}  {bar:░<{_WIDTH}}  {share:4.0%}")
            sys.stderr.flush()
            self._shown_at = now
        elif not self._bar and self._counts and done * _LINES // total > self._tenth:
            self._tenth = done * _LINES // total
            self.say(text)

    def clear(self) -> None:
        """Take the bar away, so that a line can be written."""
        if self._bar:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def progress(words: str) -> Iterator[Progress]:
    """Give a progress bar that is gone at the end, so that what is printed next stands on a clean line."""
    shown = Progress(words)
    try:
        yield shown
    finally:
        shown.clear()
