import json
from pathlib import Path
from typing import Any

import pytest

from tools.simulator.errors import ScenarioError
from tools.simulator.library import SHIPPED, load_scenario, shipped_names
from tools.simulator.scenario import Step


def steps(name: str) -> dict[str, Step]:
    return {step.name: step for step in load_scenario(name).steps}


def reviews(name: str) -> list[Any]:
    return [json.loads(step.body)["payload"].get("review") for step in load_scenario(name).steps]


def test_these_scenarios_are_shipped() -> None:
    expected = ["documented", "duplicates", "late-copy", "other-events", "two-absences", "unknown-fields"]
    assert expected == shipped_names()


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_scenario_loads_and_tells_its_story_and_its_source(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.title
    assert scenario.source.startswith("https://developers.partoo.co/")
    assert all(step.says and step.body for step in scenario.steps)


def test_the_documented_life_ends_with_the_bytes_of_the_edit() -> None:
    life = steps("documented")
    assert list(life) == ["created", "edited", "vanished", "back"]
    assert life["back"].body == life["edited"].body
    assert life["back"].same_as == "edited"
    assert "❤️".encode() in life["created"].body


def test_the_documented_life_goes_from_four_stars_to_three_to_deleted_and_back() -> None:
    life = [(review["rating"], review["state"], "delete_date" in review) for review in reviews("documented")]
    assert life == [(4, "not_treated", False), (3, "treated", False), (3, "deleted", True), (3, "treated", False)]
    assert [step.at.date().isoformat() for step in load_scenario("documented").steps] == [
        "2025-08-20",
        "2025-09-04",
        "2025-09-10",
        "2025-09-15",
    ]


def test_every_duplicate_has_the_bytes_of_the_event_in_front_of_it() -> None:
    bodies = [step.body for step in load_scenario("duplicates").steps]
    assert bodies[0::2] == bodies[1::2]


def test_the_late_copies_are_older_than_what_came_before_them() -> None:
    dates = [review["update_date"] for review in reviews("late-copy")]
    assert dates[3] < dates[2]
    assert dates[4] < dates[3]


def test_the_unknown_fields_include_a_state_a_partner_and_every_kind_of_comments() -> None:
    seen = reviews("unknown-fields")
    assert {"pending_auto_reply", "treated_auto_reply", "escalated"} <= {review["state"] for review in seen}
    assert "sentiment" in seen[0]
    kinds = [type(review["comments"]) if "comments" in review else "missing" for review in seen[2:5]]
    assert [list, "missing", type(None)] == kinds
    assert seen[-1]["partner"] == "trustpilot"


def test_only_the_last_of_the_other_events_is_about_a_review_and_it_is_a_try_out() -> None:
    events = load_scenario("other-events").steps
    assert [event.type for event in events] == ["business_updated", "message_created", "review_updated"]
    assert [event.review is None for event in events] == [True, True, False]
    assert [dict(event.headers) for event in events] == [{}, {}, {"X-Partoo-Webhook-Tryout": "1"}]


def test_the_second_absence_is_another_one_and_the_late_copy_is_of_the_first() -> None:
    absences = steps("two-absences")
    assert absences["vanished"].body != absences["vanished again"].body
    assert absences["late deletion"].body == absences["vanished"].body
    assert absences["back"].body == absences["back again"].body == absences["created"].body


def test_a_scenario_can_be_named_by_its_path() -> None:
    assert load_scenario(str(SHIPPED / "documented.json")).title == load_scenario("documented").title


def test_an_unknown_name_lists_the_names_there_are() -> None:
    with pytest.raises(ScenarioError, match=r'no shipped scenario is called "documentd", .*; name one of documented, '):
        load_scenario("documentd")


def test_a_path_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.json: cannot be read \(No such file or directory\)"):
        load_scenario(str(tmp_path / "none.json"))
    with pytest.raises(ScenarioError, match=r"cannot be read \(Is a directory\)"):
        load_scenario(str(tmp_path))
