"""Following logs of sessions that still run."""

from __future__ import annotations

import pytest
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


@given(
    pieces=st.lists(st.text("ab\r\n\x1b::groupé", max_size=50).map(lambda text: text * 10), max_size=10),
    max_log_bytes=st.integers(1, 500),
)
def test_however_a_log_grows_no_more_of_it_is_shown_than_allowed(
    pieces: list[str], max_log_bytes: int
) -> None:
    follower, log, shown = LogFollower(60.0, max_log_bytes), "", []
    for number, piece in enumerate(pieces):
        follower.observe(RUNNING, at=60.0 * number)
        log += piece
        if follower.due(at=60.0 * number):
            shown += follower.new_lines(RUNNING.id, log, at=60.0 * number, prefix="stars: ")
    notes = [line for line in shown if line.startswith("stars: (")]
    assert len(notes) in (0, 2)
    assert sum(len(line.encode()) + 1 for line in shown if line not in notes) <= max_log_bytes


@pytest.mark.parametrize("max_log_bytes", [10_000, None])
def test_a_log_that_is_longer_than_allowed_is_followed_no_further(max_log_bytes: int | None) -> None:
    follower = LogFollower(60.0, max_log_bytes)
    follower.observe(RUNNING, at=0.0)
    lines = follower.new_lines(RUNNING.id, "".join(f"{number:099}\n" for number in range(10_099)), at=0.0)
    follower.observe(RUNNING, at=60.0)
    if max_log_bytes is None:
        assert len(lines) == 10_099
        assert follower.due(at=60.0) == [RUNNING.id]
    else:
        assert lines[0] == "(Some lines are omitted here.)"
        assert lines[1:-1] == [f"{number:099}" for number in range(9_999, 10_099)]
        assert lines[-1] == (
            "(This log is not followed any further: max_log_bytes is 10,000. Its end is shown when the "
            "session has ended.)"
        )
        assert follower.due(at=600.0) == []
        assert follower.wake_at() is None


def test_of_an_enormous_line_a_piece_is_shown() -> None:
    _, line, _ = LogFollower(60.0, 1000).new_lines(
        "k3v9x2qa", "x" * 3_000_000 + "\n", at=0.0, prefix="stars: "
    )
    assert line.startswith("stars: xxx")
    assert 900 < len(line) < 1000


def test_a_followed_log_shows_the_last_state_of_a_progress_bar() -> None:
    bar = "\r".join(f"{number}%" for number in range(101))
    assert LogFollower(60.0).new_lines("k3v9x2qa", f"{bar}\n::endgroup::\n", at=0.0) == [
        "100%",
        ": :endgroup: :",
    ]
