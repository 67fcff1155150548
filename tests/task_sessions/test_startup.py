"""Sessions that do not start."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_canfar.skaha.models import Event, Session
from airflow_provider_canfar.task_sessions.start_problem import ProblemKind
from airflow_provider_canfar.task_sessions.startup import (
    EVENTS_PER_LIST,
    EVENTS_PER_LIST_AFTER_FAILURE,
    LONGEST_EVENTS_PAUSE,
    READ_EVENTS_EVERY,
    StartupMonitor,
    pending_reason,
)

IMAGE = "images.canfar.net/skaha/astroml:24.07"
PULLING = Event(type="Normal", reason="Pulling", message=f'Pulling image "{IMAGE}"')
PULL_FAILED = Event(type="Warning", reason="Failed", message=f'Failed to pull image "{IMAGE}": not found')
UNAVAILABLE = Event(
    type="Warning", reason="Failed", message=f'Failed to pull image "{IMAGE}": 503 Service Unavailable'
)
TOO_MANY = Event(
    type="Warning", reason="Failed", message=f'Failed to pull image "{IMAGE}": 429 Too Many Requests'
)
NO_SECRET = Event(type="Warning", reason="Failed", message='Error: secret "registry-auth-jdoe" not found')
BACK_OFF = Event(type="Normal", reason="BackOff", message=f'Back-off pulling image "{IMAGE}"')
NO_ROOM = Event(type="Warning", reason="FailedScheduling", message="0/42 nodes: 42 Insufficient cpu.")

PENDING = Session.model_validate({"id": "k3v9x2qa", "name": "stars", "status": "Pending"})
RUNNING = Session.model_validate({"id": "k3v9x2qa", "name": "stars", "status": "Running"})

#: Until when a registry's bad moment is waited out that begins at 0.
BOUND = ProblemKind.TRANSIENT.value


def test_a_queue_is_told_in_the_platform_s_words() -> None:
    assert pending_reason([NO_ROOM]) == "FailedScheduling: 0/42 nodes: 42 Insufficient cpu."
    assert pending_reason([PULLING]) is None


def test_events_are_asked_for_after_a_while_and_in_turn() -> None:
    starting = StartupMonitor({})
    several = [PENDING.model_copy(update={"id": f"session{i}"}) for i in range(5)]
    for session in several:
        starting.observe(session, at=0.0)
    assert starting.due(at=READ_EVENTS_EVERY - 1) == []
    asked: list[str] = []
    for _ in range(5):
        due = starting.due(at=READ_EVENTS_EVERY)
        assert len(due) <= EVENTS_PER_LIST
        for session_id in due:
            starting.record_events(session_id, [NO_ROOM], at=READ_EVENTS_EVERY)
        asked += due
    assert sorted(asked) == [session.id for session in several]


def test_a_reason_is_told_once_until_it_changes() -> None:
    starting = StartupMonitor({})
    starting.observe(PENDING, at=0.0)
    assert starting.record_events(PENDING.id, [NO_ROOM], at=30.0) == (
        "stars k3v9x2qa is waiting: FailedScheduling: 0/42 nodes: 42 Insufficient cpu."
    )
    assert starting.record_events(PENDING.id, [NO_ROOM], at=60.0) is None


def at(seconds: float, event: Event) -> Event:
    time = datetime.fromtimestamp(seconds, UTC)
    return event.model_copy(update={"first_time": time, "last_time": time})


def test_what_does_not_pass_is_known_as_soon_as_the_events_say_so() -> None:
    starting = StartupMonitor({})
    starting.observe(PENDING, at=0.0)
    assert starting.record_events(PENDING.id, [PULL_FAILED, BACK_OFF], at=30.0) is None
    failure = starting.failed[PENDING.id]
    assert failure.reason.startswith(f"{PULL_FAILED.message}. Check the spelling of the image")
    assert not failure.retryable
    assert starting.due(at=1000.0) == []


def test_a_registry_s_bad_moment_is_waited_out_with_one_line_for_each_reason() -> None:
    starting = StartupMonitor({})
    starting.observe(PENDING, at=0.0)
    events = [at(0, UNAVAILABLE), at(10, BACK_OFF)]
    assert starting.record_events(PENDING.id, events, at=30.0) == (
        f"stars k3v9x2qa does not start yet: {UNAVAILABLE.message}. "
        "Waiting for it until 1970-01-01 00:30 UTC."
    )
    assert starting.record_events(PENDING.id, events, at=90.0) is None
    line = starting.record_events(PENDING.id, [*events, at(100, TOO_MANY)], at=120.0)
    assert line is not None
    assert "429" in line
    assert not starting.failed
    assert starting.observe(RUNNING, at=150.0) == "stars k3v9x2qa has started after all."
    assert starting.observe(RUNNING, at=165.0) is None


@pytest.mark.parametrize(
    ("event", "bound", "words"),
    [
        (UNAVAILABLE, BOUND, "for 30 minutes: "),
        (NO_SECRET, ProblemKind.CONFIGURATION.value, "for 5 minutes: "),
    ],
)
def test_a_problem_that_lasts_too_long_is_a_failure_that_a_retry_may_help(
    event: Event, bound: float, words: str
) -> None:
    starting = StartupMonitor({})
    starting.observe(PENDING, at=0.0)
    now, reads = 0.0, 0
    while not starting.failed:
        assert now <= bound, "its events are read when its time is over"
        now = max(now, starting.wake_at() or 0.0)
        for session_id in starting.due(now):
            starting.record_events(session_id, [at(0, event)], at=now)
            reads += 1
    assert now == bound
    assert 3 <= reads <= 12
    assert starting.failed[PENDING.id].retryable
    assert starting.failed[PENDING.id].reason.startswith(f"{words}{event.message}. ")


def test_the_bound_holds_though_each_wait_begins_without_memory() -> None:
    """After a deferral or a restart of the triggerer, the times in the events say since when."""
    for began in (0.0, BOUND / 2, BOUND - 60):
        starting = StartupMonitor({}, since=began)
        starting.observe(PENDING, at=began)
        starting.record_events(PENDING.id, [at(0, UNAVAILABLE)], at=began + 30)
        assert not starting.failed
    last = StartupMonitor({}, since=BOUND - 10)
    last.observe(PENDING, at=BOUND - 10)
    last.record_events(PENDING.id, [at(0, UNAVAILABLE)], at=BOUND + 20)
    assert PENDING.id in last.failed


def test_without_times_the_bound_counts_since_the_platform_has_admitted_the_session() -> None:
    admitted = PENDING.model_copy(update={"start_time": datetime.fromtimestamp(100, UTC)})
    for now, has_failed in ((BOUND + 99, False), (BOUND + 100, True)):
        starting = StartupMonitor({})
        starting.observe(admitted, at=now - 30)
        starting.record_events(PENDING.id, [UNAVAILABLE], at=now)
        assert bool(starting.failed) is has_failed


def test_a_clock_that_is_ahead_gives_no_more_time() -> None:
    starting = StartupMonitor({})
    starting.observe(PENDING, at=0.0)
    starting.record_events(PENDING.id, [at(1e6, UNAVAILABLE)], at=30.0)
    assert (starting.wake_at() or 0.0) <= 30.0 + LONGEST_EVENTS_PAUSE
    assert not starting.failed


def test_events_that_are_missing_for_a_while_end_nothing() -> None:
    starting = StartupMonitor({})
    starting.observe(PENDING, at=0.0)
    assert starting.record_events(PENDING.id, [at(0, UNAVAILABLE)], at=30.0)
    assert starting.record_events(PENDING.id, [], at=60.0) is None
    assert starting.record_events(PENDING.id, [at(0, UNAVAILABLE)], at=90.0) is None
    starting.record_events(PENDING.id, [], at=BOUND + 1)
    assert not starting.failed


def test_one_that_starts_before_the_worker_is_woken_has_not_failed() -> None:
    starting = StartupMonitor({})
    starting.observe(PENDING, at=0.0)
    starting.record_events(PENDING.id, [at(0, UNAVAILABLE)], at=BOUND)
    assert starting.failed
    starting.observe(RUNNING, at=BOUND + 10)
    assert not starting.failed


def test_when_one_has_failed_the_events_of_the_others_are_read_at_once_and_more_of_them() -> None:
    starting = StartupMonitor({})
    several = [PENDING.model_copy(update={"id": f"session{i}"}) for i in range(20)]
    for session in several:
        starting.observe(session, at=0.0)
    for session in several[1:]:
        starting.record_events(session.id, [NO_ROOM], at=30.0)
    starting.record_events("session0", [PULL_FAILED], at=31.0)
    assert len(starting.due(at=31.0)) == EVENTS_PER_LIST_AFTER_FAILURE


def test_queueing_is_bounded_only_where_the_author_says_so() -> None:
    patient, bounded = StartupMonitor({}), StartupMonitor({PENDING.id: 100.0})
    for starting in (patient, bounded):
        starting.observe(PENDING, at=99.0)
        assert not starting.failed
        starting.record_events(PENDING.id, [NO_ROOM], at=99.0)
        starting.observe(PENDING, at=100.0)
    assert not patient.failed
    failure = bounded.failed[PENDING.id]
    assert (
        "longer than startup_timeout allows; FailedScheduling: 0/42 nodes: 42 Insufficient cpu."
        in failure.reason
    )
    assert failure.retryable


def test_a_bound_that_passed_while_nobody_looked_is_put_off() -> None:
    """The triggerer was away from 90 to 150, and the session may have run meanwhile and been preempted."""
    starting = StartupMonitor({PENDING.id: 100.0}, since=40.0)
    starting.observe(PENDING, at=150.0)
    assert not starting.failed
    starting.observe(PENDING, at=209.0)
    assert not starting.failed
    starting.observe(PENDING, at=210.0)
    assert PENDING.id in starting.failed


def test_a_bound_that_had_passed_when_the_wait_began_has_passed() -> None:
    """The worker has just seen it Pending, and had never seen it run."""
    starting = StartupMonitor({PENDING.id: 100.0}, since=120.0)
    starting.observe(PENDING, at=121.0)
    assert PENDING.id in starting.failed


def test_what_has_started_is_told_of_those_that_must_in_time() -> None:
    starting = StartupMonitor({PENDING.id: 100.0})
    starting.observe(PENDING, at=0.0)
    assert not starting.started
    starting.observe(RUNNING, at=50.0)
    starting.observe(RUNNING.model_copy(update={"id": "another"}), at=50.0)
    assert starting.started == (PENDING.id,)


def test_a_preempted_session_has_started_once_and_may_queue_again() -> None:
    starting = StartupMonitor({PENDING.id: 100.0})
    starting.observe(RUNNING, at=50.0)
    starting.observe(PENDING, at=200.0)
    assert not starting.failed
    assert starting.due(at=1000.0) == []
