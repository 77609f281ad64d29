"""The picture of an incident is drawn from the answers of a real service."""

import sys
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tools.dev import picture
from tools.dev.chart import Panel, draw
from tools.simulator.population import Population

SVG = "{http://www.w3.org/2000/svg}"


def lines(svg: str) -> list[list[str]]:
    return [line.attrib["points"].split() for line in ET.fromstring(svg).iter(f"{SVG}polyline")]  # noqa: S314 - ours


def test_a_series_has_a_gap_where_it_has_no_value() -> None:
    days = [date(2025, 9, day) for day in range(1, 6)]
    svg = draw("a <title>", days, [Panel("average", [1, 2, None, 3, 4], [1, 2, 3, 3, 4], digits=2)])
    assert [len(points) for points in lines(svg)] == [5, 2, 2]
    assert "a &lt;title&gt;" in svg


@pytest.mark.process
def test_the_command_draws_shown_and_adjusted_of_a_mirror_that_the_simulator_has_fed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "DAYS", 24)
    monkeypatch.setattr(picture, "LIVES", Population(reviews=12, businesses=2, days=24))
    monkeypatch.setattr(sys, "argv", ["picture", str(tmp_path / "picture.svg")])
    assert picture.main() == 0
    drawn = lines((tmp_path / "picture.svg").read_text())
    # Two panels of two series, of nine days.
    assert [len(points) for points in drawn] == [9] * 4
