"""Which ends an asset's watcher fires for."""

from __future__ import annotations

import json

from airflow_provider_canfar.account_sessions.end_events import FORGET_AFTER, EndEvents
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.selection import Selection

STATUSES = ("Completed", "Failed", "Gone")


def sessions(**statuses: str) -> list[Session]:
    """Make a list of sessions by their ids."""
    return [
        Session.model_validate(
            {"id": session_id, "name": f"survey-{session_id}", "type": "headless", "status": status}
        )
        for session_id, status in statuses.items()
    ]


def end_events(before: EndEvents | None = None, *, when_all_ended: bool = False) -> EndEvents:
    """Make them, from the stored state of earlier ones if there are any."""
    state = None if before is None else json.loads(json.dumps(before.to_json()))
    return EndEvents(Selection(prefix="survey-"), STATUSES, when_all_ended=when_all_ended, state=state)


def new_ends(events: EndEvents, at: float = 0.0, **statuses: str) -> list[str]:
    """Observe a list, and return the ids of the sessions whose ends are new."""
    events.observe(sessions(**statuses), at)
    return [row["session_id"] for row in events.pop_new()]


def test_an_end_is_reported_once() -> None:
    events = end_events()
    assert new_ends(events, a="Running") == []
    assert new_ends(events, a="Completed") == ["a"]
    assert new_ends(events, a="Completed") == []


def test_a_session_that_had_ended_before_the_first_list_is_not_reported() -> None:
    events = end_events()
    assert new_ends(events, a="Completed", b="Running") == []
    assert new_ends(events, a="Completed", b="Failed") == ["b"]


def test_a_session_that_was_never_listed_alive_is_reported() -> None:
    events = end_events()
    new_ends(events)
    assert new_ends(events, a="Completed") == ["a"]


def test_an_incomplete_list_during_an_outage_makes_no_second_end() -> None:
    events = end_events()
    new_ends(events, a="Running")
    new_ends(events, a="Completed")
    assert new_ends(events, 1.0) == []
    assert new_ends(events, 2.0, a="Completed") == []


def test_a_session_that_the_platform_has_forgotten_is_forgotten() -> None:
    events = end_events()
    new_ends(events, a="Completed", b="Running")
    new_ends(events, FORGET_AFTER - 1, b="Running")
    assert events.to_json()["reported"] == ["a"]
    new_ends(events, FORGET_AFTER, b="Running")
    assert events.to_json()["reported"] == []
    assert list(events.tracker.rows) == ["b"]


def test_after_a_restart_the_ends_in_between_are_reported_and_none_twice() -> None:
    before = end_events()
    new_ends(before, a="Running", b="Running")
    new_ends(before, a="Completed", b="Running")
    assert new_ends(end_events(before), 10.0, a="Completed", b="Failed", c="Completed") == ["b", "c"]


def test_with_when_all_ended_nothing_is_reported_while_a_session_is_alive() -> None:
    events = end_events(when_all_ended=True)
    assert new_ends(events, a="Running", b="Running") == []
    assert new_ends(events, a="Completed", b="Running") == []
    assert new_ends(events, a="Completed", b="Failed") == ["a", "b"]
    assert new_ends(events, a="Completed", b="Failed") == []
    assert new_ends(events, a="Completed", b="Failed", c="Running") == []
    assert new_ends(events, a="Completed", b="Failed", c="Completed") == ["c"]


def test_a_session_that_is_gone_has_ended() -> None:
    events = end_events()
    new_ends(events, a="Running")
    events.update([], ["a"])
    assert [row["status"] for row in events.pop_new()] == ["Gone"]
    assert events.pop_new() == []


def test_a_session_with_a_chosen_id_but_of_another_kind_is_not_reported() -> None:
    events = EndEvents(Selection(ids=("a",), kinds=("notebook",)), STATUSES)
    new_ends(events, a="Running")
    assert new_ends(events, a="Completed") == []
