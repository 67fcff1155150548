"""Following logs of sessions that still run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.task_sessions.log_follower import LOGS_PER_LIST, LogFollower

RUNNING = Session.model_validate({"id": "k3v9x2qa", "name": "stars", "status": "Running"})
COMPLETED = Session.model_validate({"id": "k3v9x2qa", "name": "stars", "status": "Completed"})


def test_nothing_is_followed_unless_asked_for() -> None:
    following = LogFollower(None)
    following.observe(RUNNING, at=0.0)
    assert following.due(at=1000.0) == []


def test_a_log_is_followed_while_its_session_runs() -> None:
    following = LogFollower(60.0)
    following.observe(RUNNING, at=0.0)
    assert following.due(at=0.0) == [RUNNING.id]
    following.new_lines(RUNNING.id, "", at=0.0)
    assert following.due(at=59.0) == []
    assert following.due(at=60.0) == [RUNNING.id]
    following.observe(COMPLETED, at=60.0)
    assert following.due(at=60.0) == []


def test_of_many_logs_each_gets_its_turn() -> None:
    following = LogFollower(60.0)
    ids = [f"session{i}" for i in range(2 * LOGS_PER_LIST)]
    for session_id in ids:
        following.observe(RUNNING.model_copy(update={"id": session_id}), at=0.0)
    first = following.due(at=0.0)
    for session_id in first:
        following.new_lines(session_id, "", at=0.0)
    assert sorted(first + following.due(at=0.0)) == sorted(ids)


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])), max_size=20), st.data())
def test_however_a_log_grows_each_line_is_shown_once(lines: list[str], data: st.DataObject) -> None:
    log = "".join(f"{line}\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=5)))
    following = LogFollower(60.0)
    shown = [line for cut in [*cuts, len(log)] for line in following.new_lines("k3v9x2qa", log[:cut], at=0.0)]
    assert shown == lines


def test_a_log_that_was_cut_says_so_and_is_shown_anew() -> None:
    following = LogFollower(60.0)
    following.new_lines("k3v9x2qa", "one\ntwo\nthree\n", at=0.0)
    assert following.new_lines("k3v9x2qa", "four\nfive\n", at=60.0) == [
        "(The beginning of this log was dropped since it was last shown.)",
        "four",
        "five",
    ]
