"""One small life through real processes: the simulator as Partoo, asked where payloads cannot tell."""

from pathlib import Path

from faithful.stack import Life, run


def test_over_a_bad_wire_and_with_a_key_the_mirror_ends_up_equal_to_partoo(tmp_path: Path) -> None:
    outcome = run(tmp_path / "run", Life(40, 10, 2.0, 1), "bad-day", with_key=True, disrupted=False)
    assert (outcome.wrong, outcome.lost) == (0, 0), outcome.differing
    assert outcome.reviews == 40
    assert outcome.api_requests > 0
