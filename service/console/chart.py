"""A line chart, worked out on the server: places in an SVG. Performs no I/O."""

from collections.abc import Callable, Sequence

import msgspec

WIDTH, HEIGHT = 960, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 944, 14, 222
_STEPS = 4
_LABELS = 4


class Label(msgspec.Struct, frozen=True):
    """A word beside an axis, at its place along it."""

    place: float
    words: str


class Band(msgspec.Struct, frozen=True):
    """A period that is shaded."""

    x: float
    width: float
    words: str


class Dot(msgspec.Struct, frozen=True):
    """A point of the first line, which leads somewhere."""

    x: float
    y: float
    path: str
    words: str


class Chart(msgspec.Struct, frozen=True):
    """What the template draws. `lines`: names of classes with the points of each unbroken piece of a line."""

    lines: list[tuple[str, str]]
    bands: list[Band]
    dots: list[Dot]
    below: list[Label]
    beside: list[Label]


class Axes(msgspec.Struct, frozen=True):
    """From where to where the upright axis goes, and how values and moments (ms since 1970 UTC) are written."""

    low: float
    high: float
    write: Callable[[float], str]
    write_moment: Callable[[int], str]


Line = tuple[str, Sequence[float | None]]


def draw(
    moments: Sequence[int],
    lines: Sequence[Line],
    bands: Sequence[tuple[int, int, str]],
    links: Sequence[tuple[str, str]],
    axes: Axes,
) -> Chart:
    """Draw lines over moments (ms since 1970 UTC, rising); the points of the first line are links (path, words).

    `bands` are periods with what they are.
    """
    start, end = moments[0], moments[-1]
    low, high = axes.low, axes.high

    def x(at: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * (min(max(at, start), end) - start) / max(1, end - start), 1)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - low) / max(1e-9, high - low), 1)

    shaded = [
        Band(x(begin), max(3.0, round(x(until) - x(begin), 1)), words)
        for begin, until, words in bands
        if begin <= end and until >= start
    ]
    pieces = [
        (name, " ".join(f"{x(at)},{y(value)}" for at, value in piece))
        for name, values in reversed(lines)
        for piece in _pieces(moments, values)
    ]
    dots = [
        Dot(x(at), y(value), *link)
        for at, value, link in zip(moments, lines[0][1], links, strict=True)
        if value is not None
    ]
    below = [Label(x(at), axes.write_moment(at)) for at in _chosen(moments)]
    beside = [
        Label(y(value), axes.write(value))
        for value in (low + (high - low) * step / _STEPS for step in range(_STEPS + 1))
    ]
    return Chart(pieces, shaded, dots, below, beside)


def _pieces(moments: Sequence[int], values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Cut a line where it has no value."""
    found: list[list[tuple[int, float]]] = [[]]
    for at, value in zip(moments, values, strict=True):
        if value is None:
            found.append([])
        else:
            found[-1].append((at, value))
    return [piece for piece in found if piece]


def _chosen(moments: Sequence[int]) -> list[int]:
    return [moments[round(step * (len(moments) - 1) / (_LABELS - 1))] for step in range(_LABELS)]
