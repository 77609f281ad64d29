"""Two series over days, shown against adjusted, as an SVG. Performs no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

_WIDTH, _PANEL, _GAP = 860, 170, 56
_LEFT, _RIGHT, _TOP = 62, 20, 64
_SHOWN, _ADJUSTED, _TEXT, _GRID = "#d1495b", "#2e6f95", "#444", "#ddd"
_LINES = 4
_LABELS = 6


@dataclass(frozen=True)
class Panel:
    """One quantity over the same days; None where there is no value. `digits` is how exactly it is written."""

    title: str
    shown: Sequence[float | None]
    adjusted: Sequence[float | None]
    digits: int = 0


def draw(title: str, days: Sequence[date], panels: Sequence[Panel]) -> str:
    """Draw panels one below the other."""
    height = _TOP + len(panels) * (_PANEL + _GAP)
    size = f'viewBox="0 0 {_WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="{_TEXT}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        _text(_LEFT, 24, title, size=16),
        *_legend(),
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, days, _TOP + number * (_PANEL + _GAP))
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> list[str]:
    parts = []
    for x, color, text in ((_LEFT, _SHOWN, "shown: as the public page had it"), (_LEFT + 240, _ADJUSTED, "adjusted")):
        parts.append(f'<line x1="{x}" y1="42" x2="{x + 24}" y2="42" stroke="{color}" stroke-width="2.5"/>')
        parts.append(_text(x + 30, 46, text))
    return parts


def _panel(panel: Panel, days: Sequence[date], top: int) -> list[str]:
    values = [value for value in (*panel.shown, *panel.adjusted) if value is not None]
    low, high = min(values, default=0), max(values, default=1)
    margin = (high - low) * 0.08 or 1
    low, high = low - margin, high + margin

    def x(place: int) -> float:
        return _LEFT + place * (_WIDTH - _LEFT - _RIGHT) / max(1, len(days) - 1)

    def y(value: float) -> float:
        return top + 20 + (high - value) * (_PANEL - 20) / (high - low)

    parts = [_text(_LEFT, top + 10, panel.title)]
    for step in range(_LINES + 1):
        value = low + margin + (high - low - 2 * margin) * step / _LINES
        parts.append(
            f'<line x1="{_LEFT}" y1="{y(value):.1f}" x2="{_WIDTH - _RIGHT}" y2="{y(value):.1f}" stroke="{_GRID}"/>'
        )
        parts.append(_text(_LEFT - 8, y(value) + 4, f"{value:.{panel.digits}f}", anchor="end"))
    labelled = range(0, len(days), max(1, len(days) // _LABELS))
    parts += [_text(x(place), top + _PANEL + 18, days[place].isoformat(), anchor="middle") for place in labelled]
    for series, color, width in ((panel.adjusted, _ADJUSTED, 4), (panel.shown, _SHOWN, 2)):
        parts += [
            f'<polyline fill="none" stroke="{color}" stroke-width="{width}" stroke-linejoin="round" points="'
            + " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in run)
            + '"/>'
            for run in _runs(series)
        ]
    return parts


def _runs(series: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Cut a series where it has no value."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(series):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((place, value))
    return [run for run in runs if run]


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
