"""Which ends an asset's watcher fires for."""

from __future__ import annotations

import json

from airflow_provider_canfar.account_sessions.end_events import FORGET_AFTER, EndEvents
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.selection import Selection

WORDS = ("Completed", "Failed", "Gone")


def sessions(**words: str) -> list[Session]:
    """Make a list of sessions by their ids."""
    return [
        Session.model_validate({"id": one, "name": f"survey-{one}", "type": "headless", "status": word})
        for one, word in words.items()
    ]


def ends(state: EndEvents | None = None, *, when_all_ended: bool = False) -> EndEvents:
    stored = None if state is None else json.loads(json.dumps(state.to_json()))
    return EndEvents(Selection(prefix="survey-"), WORDS, when_all_ended=when_all_ended, state=stored)


def seen(watched: EndEvents, at: float = 0.0, **words: str) -> list[str]:
    """Show a list, and return the ids of the ends that are news."""
    watched.observe(sessions(**words), at)
    return [row["session_id"] for row in watched.take()]


def test_an_end_is_told_once() -> None:
    watched = ends()
    assert seen(watched, a="Running") == []
    assert seen(watched, a="Completed") == ["a"]
    assert seen(watched, a="Completed") == []


def test_what_had_ended_before_is_known() -> None:
    watched = ends()
    assert seen(watched, a="Completed", b="Running") == []
    assert seen(watched, a="Completed", b="Failed") == ["b"]


def test_a_session_that_was_too_short_to_be_seen_alive_is_told() -> None:
    watched = ends()
    seen(watched)
    assert seen(watched, a="Completed") == ["a"]


def test_a_short_list_in_the_middle_of_an_outage_makes_no_second_end() -> None:
    watched = ends()
    seen(watched, a="Running")
    seen(watched, a="Completed")
    assert seen(watched, 1.0) == []
    assert seen(watched, 2.0, a="Completed") == []


def test_what_the_platform_has_forgotten_is_forgotten() -> None:
    watched = ends()
    seen(watched, a="Completed", b="Running")
    seen(watched, FORGET_AFTER - 1, b="Running")
    assert watched.to_json()["known"] == ["a"]
    seen(watched, FORGET_AFTER, b="Running")
    assert watched.to_json()["known"] == []
    assert list(watched.tracker.rows) == ["b"]


def test_a_restart_tells_what_has_ended_meanwhile_and_nothing_twice() -> None:
    before = ends()
    seen(before, a="Running", b="Running")
    seen(before, a="Completed", b="Running")
    assert seen(ends(before), 10.0, a="Completed", b="Failed", c="Completed") == ["b", "c"]


def test_together_nothing_is_told_while_one_is_alive() -> None:
    watched = ends(when_all_ended=True)
    assert seen(watched, a="Running", b="Running") == []
    assert seen(watched, a="Completed", b="Running") == []
    assert seen(watched, a="Completed", b="Failed") == ["a", "b"]
    assert seen(watched, a="Completed", b="Failed") == []
    assert seen(watched, a="Completed", b="Failed", c="Running") == []
    assert seen(watched, a="Completed", b="Failed", c="Completed") == ["c"]


def test_a_session_that_is_gone_has_ended() -> None:
    watched = ends()
    seen(watched, a="Running")
    watched.tracker.mark_gone(["a"])
    assert [row["status"] for row in watched.take()] == ["Gone"]
    assert watched.take() == []
