"""Following logs of sessions that still run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.task_sessions.log_follower import (
    BYTES_PER_READ,
    LINES_PER_READ,
    LogFollower,
)
from airflow_provider_canfar.task_sessions.log_text import clean_lines

RUNNING = Session.model_validate({"id": "k3v9x2qa", "name": "stars", "status": "Running"})
COMPLETED = Session.model_validate({"id": "k3v9x2qa", "name": "stars", "status": "Completed"})


def test_nothing_is_followed_unless_asked_for() -> None:
    following = LogFollower(None)
    following.observe(RUNNING, at=0.0)
    assert following.due(at=1000.0) == []


def begin(follower: LogFollower, *sessions: Session) -> float:
    """Let the follower see sessions, and return when the first logs are due."""
    for session in sessions:
        follower.observe(session, at=0.0)
    at = follower.wake_at()
    assert at is not None
    return at


def test_a_log_is_followed_while_its_session_runs() -> None:
    follower = LogFollower(60.0)
    start = begin(follower, RUNNING)
    assert 0.0 <= start < 60.0
    assert follower.due(at=start) == [RUNNING.id]
    follower.new_lines(RUNNING.id, "", at=start)
    assert follower.due(at=start + 59.0) == []
    assert follower.due(at=start + 60.0) == [RUNNING.id]
    follower.observe(COMPLETED, at=start + 60.0)
    assert follower.due(at=start + 60.0) == []


@given(st.lists(st.floats(0.1, 100.0), max_size=30))
def test_however_often_the_worker_is_woken_a_log_is_read_once_per_interval(waits: list[float]) -> None:
    at, reads = 0.0, 0
    for seconds in waits:
        follower = LogFollower(60.0)
        follower.observe(RUNNING, at=at)
        end = at + seconds
        while (due := follower.wake_at()) is not None and due < end:
            follower.new_lines(RUNNING.id, "", at=due)
            reads += 1
        at = end
    assert abs(reads - at / 60.0) <= 1.0


def test_of_many_logs_a_few_are_followed_and_others_take_the_places_of_those_that_end() -> None:
    follower = LogFollower(60.0, max_logged=2)
    one, two, three = (RUNNING.model_copy(update={"id": f"session{number}"}) for number in range(3))
    begin(follower, one, two, three)
    assert follower.due(at=60.0) == [one.id, two.id]
    for session in (one, two):
        follower.new_lines(session.id, "", at=60.0)
    assert follower.due(at=119.0) == []
    follower.observe(COMPLETED.model_copy(update={"id": one.id}), at=90.0)
    assert follower.due(at=119.0) == [three.id]


def test_a_log_that_cannot_be_read_now_has_its_next_turn_at_a_random_time() -> None:
    """A poll allows a few reads for all tasks: without chance, the same tasks would always come first."""
    follower = LogFollower(60.0, jitter=iter((0.0, 1.0)).__next__)
    start = begin(follower, RUNNING)
    follower.postpone(RUNNING.id, at=start)
    assert follower.wake_at() == start + 30.0
    follower.postpone(RUNNING.id, at=start)
    assert follower.wake_at() == start + 60.0


def test_one_read_shows_the_last_lines_only() -> None:
    follower = LogFollower(60.0)
    lines = follower.new_lines(RUNNING.id, "".join(f"line {number}\n" for number in range(1000)), at=0.0)
    last = [f"line {number}" for number in range(1000 - LINES_PER_READ, 1000)]
    assert lines == ["(Some lines are omitted here.)", *last]
    assert follower.new_lines(RUNNING.id, "line 0\n" * 2000, at=60.0)[0] == (
        "(The beginning of this log was dropped since it was last shown.)"
    )


def test_the_end_of_a_long_result_is_not_shown_as_a_line() -> None:
    follower = LogFollower(60.0)
    log = "hello\n" + "canfar-result " + "x" * 5 * BYTES_PER_READ + "\n"
    assert follower.new_lines(RUNNING.id, log, at=0.0) == ["(Some lines are omitted here.)"]
    assert follower.new_lines(RUNNING.id, f"{log}bye\n", at=60.0) == ["bye"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])), max_size=20), st.data())
def test_however_a_log_grows_each_line_is_shown_once(lines: list[str], data: st.DataObject) -> None:
    log = "".join(f"{line}\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=5)))
    following = LogFollower(60.0)
    shown = [line for cut in [*cuts, len(log)] for line in following.new_lines("k3v9x2qa", log[:cut], at=0.0)]
    assert shown == clean_lines(log)


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
    for number, piece in enumerate(pieces, 1):
        follower.observe(RUNNING, at=60.0 * number)
        log += piece
        if follower.due(at=60.0 * number):
            shown += follower.new_lines(RUNNING.id, log, at=60.0 * number, prefix="stars: ")
    notes = [line for line in shown if line.startswith("stars: (")]
    assert sum("any further" in note for note in notes) <= 1
    assert sum(len(line.encode()) + 1 for line in shown if line not in notes) <= max_log_bytes


def test_a_log_is_followed_no_further_than_allowed() -> None:
    follower, shown = LogFollower(60.0, 1000), []
    for minute in range(1, 21):
        follower.observe(RUNNING, at=60.0 * minute)
        if follower.due(at=60.0 * minute):
            log = "".join(f"{number:099}\n" for number in range(4 * minute))
            shown += follower.new_lines(RUNNING.id, log, at=60.0 * minute)
    assert shown == [
        *(f"{number:099}" for number in range(8)),
        "(Some lines are omitted here.)",
        *(f"{number:099}" for number in range(10, 12)),
        (
            "(This log is not followed any further: max_log_bytes is 1,000. Its end is shown when the "
            "session has ended.)"
        ),
    ]
    assert follower.wake_at() is None


def test_without_a_limit_a_log_is_followed_for_ever() -> None:
    follower = LogFollower(60.0, None)
    start = begin(follower, RUNNING)
    for minute in range(100):
        at = start + 60.0 * minute
        follower.observe(RUNNING, at=at)
        assert follower.due(at=at) == [RUNNING.id]
        follower.new_lines(RUNNING.id, "x" * 99 * minute + "\n" * 200 * minute, at=at)


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
