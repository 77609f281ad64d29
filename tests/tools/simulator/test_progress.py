import io

from tools.simulator.progress import Progress


def test_without_a_terminal_it_is_a_line_each_tenth() -> None:
    stream = io.StringIO()
    progress = Progress(stream, 200, bar=False)
    for done in range(1, 201):
        progress.show(done, "a note")
    progress.end()
    lines = stream.getvalue().splitlines()
    assert [line[:5] for line in lines] == [f"{percent:3} %" for percent in range(10, 101, 10)]
    assert lines[0].startswith(" 10 %  20 of 200 deliveries, ")
    assert lines[0].endswith(" a second, a note")


def test_a_bar_is_redrawn_in_place_now_and_then_and_at_the_end() -> None:
    stream = io.StringIO()
    progress = Progress(stream, 1000, bar=True)
    for done in range(1, 1001):
        progress.show(done, "a note")
    progress.end()
    progress.end()
    drawn = stream.getvalue().split("\r")
    assert drawn[-1].startswith("[##############################] 100 %  1,000 of 1,000 deliveries")
    assert drawn[-1].endswith("\x1b[K\n")
    assert len(drawn) < 100


def test_nothing_to_do_is_no_error() -> None:
    Progress(io.StringIO(), 0, bar=True).end()
