"""A progress bar on stderr, for whoever watches at a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WIDTH = 30


class Progress:
    """Shows how far something has come; says nothing where stderr is not a terminal."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._shown = sys.stderr.isatty()

    def show(self, done: int, total: int) -> None:
        if self._shown:
            share = min(1.0, done / total) if total else 1.0
            bar = "█" * round(share * _WIDTH)
            sys.stderr.write(f"\r{self._words}  {bar:░<{_WIDTH}}  {share:4.0%}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
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
