"""What an operator is told: once, when it is over, and not more than one can read."""

import msgspec

from mirror.domain.notices import (
    CALM_MS,
    GROWN_AFTER_MS,
    MOST_SENT,
    OUTBOX_KEPT,
    SENT_WINDOW_MS,
    Condition,
    Kind,
    State,
    given_up,
    next_to_send,
    observe,
    sent,
    summary,
    take,
)

NOW = 1_700_000_000_000


def condition(key: str = "silence", *, patience: int = 0, since: int = 0, size: int = 0) -> Condition:
    words = {"what": f"{key} it is", "todo": "mend it", "look": "docs"}
    return Condition(key=key, patience=patience, since=since, size=size, **words)


def told(state: State) -> list[tuple[str, Kind]]:
    return [(notice.key, notice.kind) for notice in state.outbox]


def test_a_condition_is_told_once_however_long_it_lasts() -> None:
    state = State()
    for step in range(100):
        state = observe(state, [condition()], NOW + step * 10_000)
    assert told(state) == [("silence", Kind.OPENED)]
    (notice,) = state.outbox
    assert (notice.at, notice.since, notice.what, notice.todo, notice.look) == (
        *(NOW, NOW, "silence it is", "mend it", "docs"),
    )


def test_what_lasts_less_than_its_patience_is_never_told() -> None:
    state = observe(State(), [condition(patience=30_000)], NOW)
    state = observe(state, [condition(patience=30_000)], NOW + 29_999)
    state = observe(state, [], NOW + 30_000)
    assert (state.outbox, state.known) == ([], {})
    for step in (40_000, 70_000):
        state = observe(state, [condition(patience=30_000)], NOW + step)
    assert told(state) == [("silence", Kind.OPENED)]
    assert state.outbox[0].since == NOW + 40_000


def test_patience_counts_from_when_it_began_where_that_is_known() -> None:
    state = observe(State(), [condition(patience=30_000, since=NOW - 30_000)], NOW)
    assert state.outbox[0].since == NOW - 30_000


def test_that_it_is_over_is_told_once_it_has_stayed_so() -> None:
    state = observe(State(), [condition(since=NOW - 60_000)], NOW)
    for step in range(1, 10):
        state = observe(state, [], NOW + step * 10_000)
    assert told(state) == [("silence", Kind.OPENED), ("silence", Kind.RESOLVED)]
    resolved = state.outbox[1]
    assert (resolved.at, resolved.lasted, resolved.what) == (NOW + 10_000 + CALM_MS, 70_000, "silence it is")
    assert state.known == {}
    assert len({notice.id for notice in state.outbox}) == 2


def test_what_flickers_is_told_once() -> None:
    state = State()
    for step in range(100):
        state = observe(state, [condition()] if step % 3 else [], NOW + step * 10_000)
    assert told(state) == [("silence", Kind.OPENED)]


def test_the_same_condition_may_be_told_again_after_it_was_over() -> None:
    state = observe(State(), [condition()], NOW)
    for step in range(1, 6):
        state = observe(state, [], NOW + step * 10_000)
    state = observe(state, [condition()], NOW + 100_000)
    assert told(state) == [(("silence"), kind) for kind in (Kind.OPENED, Kind.RESOLVED, Kind.OPENED)]
    assert len({notice.id for notice in state.outbox}) == 3


def test_more_of_it_is_told_again_an_hour_later() -> None:
    state = observe(State(), [condition(size=1)], NOW)
    state = observe(state, [condition(size=5)], NOW + GROWN_AFTER_MS - 1)
    state = observe(state, [condition(size=5)], NOW + GROWN_AFTER_MS)
    state = observe(state, [condition(size=5)], NOW + 3 * GROWN_AFTER_MS)
    assert told(state) == [("silence", Kind.OPENED), ("silence", Kind.GROWN)]


def test_of_what_is_unknown_nothing_is_told() -> None:
    state = observe(State(), [condition("endpoint:a"), condition("workers")], NOW)
    for step in range(1, 20):
        state = observe(state, [condition("redis")], NOW + step * 10_000, unknown=["endpoint:", "workers"])
    assert told(state) == [("endpoint:a", Kind.OPENED), ("workers", Kind.OPENED), ("redis", Kind.OPENED)]


def test_many_at_once_are_summed_up() -> None:
    state = observe(State(), [condition(f"incident:{number}") for number in range(30)], NOW)
    state = take(state, NOW)
    assert len(state.outbox) == MOST_SENT
    last = state.outbox[-1]
    assert (last.kind, last.count) == (Kind.SUMMARY, 21)
    assert last.what.startswith("21 more notices; incident:9 it is; incident:10 it is; ")
    assert last.what.endswith("; and 16 more")
    assert take(state, NOW) == state


def test_no_more_are_sent_than_one_can_read_and_the_rest_later() -> None:
    state = observe(State(), [condition(f"incident:{number}") for number in range(MOST_SENT)], NOW)
    while (notice := next_to_send(state, NOW)) is not None:
        state = sent(state, notice, NOW)
    assert state.outbox == []
    state = observe(state, [*(known.condition for known in state.known.values()), condition()], NOW + 1)
    assert next_to_send(state, NOW + SENT_WINDOW_MS - 1) is None
    later = next_to_send(state, NOW + SENT_WINDOW_MS)
    assert later is not None
    assert later.key == "silence"
    assert sent(state, later, NOW + SENT_WINDOW_MS).sent == [NOW + SENT_WINDOW_MS]


def test_what_waits_is_bounded_and_a_summary_of_summaries_counts_all() -> None:
    state = State()
    for step in range(20):
        conditions = [condition(f"{step}:{number}") for number in range(50)]
        state = observe(state, conditions, NOW + step * 60_000)
    assert len(state.outbox) == OUTBOX_KEPT
    assert state.outbox[0].kind is Kind.SUMMARY
    assert summary(state.outbox).count > 1_000


def test_what_is_given_up_is_taken_out_and_the_state_can_be_stored() -> None:
    state = observe(State(), [condition(), condition("redis")], NOW)
    state = given_up(state, state.outbox[0])
    assert told(state) == [("redis", Kind.OPENED)]
    assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state
