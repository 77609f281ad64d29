"""What the command line asks and shows at a terminal only."""

import argparse
import io
import sys

import pytest

from mirror.cli.arguments import confirmed
from mirror.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "expected"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_at_a_terminal_only_a_yes_goes_on(typed: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", shown)
    assert confirmed("2 dead letters would be lost.", argparse.Namespace(yes=False)) is expected
    assert shown.getvalue() == "2 dead letters would be lost. [y/N] "


def test_a_progress_bar_is_shown_at_a_terminal_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with progress("replaying") as bar:
        bar.show(1, 2)
        bar.show(3, 2)
    lines = shown.getvalue().split("\r")
    assert lines[1].startswith("replaying  ███")
    assert lines[1].endswith(" 50%")
    assert lines[2].endswith("100%")
    assert lines[3] == "\x1b[K"


def test_elsewhere_no_progress_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    with progress("replaying") as bar:
        bar.show(1, 2)
    assert shown.getvalue() == ""
