"""Sessions that do not start."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.skaha.models import Event, Session
from airflow_provider_canfar.task_sessions.startup import (
    EVENTS_PER_LIST,
    READ_EVENTS_EVERY,
    StartupMonitor,
    fatal_start_reason,
    pending_reason,
)

IMAGE = "images.canfar.net/skaha/astroml:24.07"
PULLING = Event(type="Normal", reason="Pulling", message=f'Pulling image "{IMAGE}"')
PULL_FAILED = Event(type="Warning", reason="Failed", message=f'Failed to pull image "{IMAGE}": not found')
ERR_IMAGE_PULL = Event(type="Warning", reason="Failed", message="Error: ErrImagePull")
BACK_OFF = Event(type="Normal", reason="BackOff", message=f'Back-off pulling image "{IMAGE}"')
STARTED = Event(type="Normal", reason="Started", message="Started container skaha-headless-jdoe-k3v9x2qa")
NO_ROOM = Event(type="Warning", reason="FailedScheduling", message="0/42 nodes: 42 Insufficient cpu.")

PENDING = Session.model_validate({"id": "k3v9x2qa", "name": "stars", "status": "Pending"})
RUNNING = Session.model_validate({"id": "k3v9x2qa", "name": "stars", "status": "Running"})


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], None),
        ([NO_ROOM], None),
        ([PULLING, PULL_FAILED, ERR_IMAGE_PULL], None),
        ([PULLING, PULL_FAILED, ERR_IMAGE_PULL, BACK_OFF], PULL_FAILED.message),
        ([BACK_OFF], BACK_OFF.message),
        ([PULLING, PULL_FAILED, BACK_OFF, STARTED], None),
        ([Event(reason="InspectFailed", message="Error: InvalidImageName")], "Error: InvalidImageName"),
    ],
)
def test_an_image_that_twice_could_not_be_pulled_is_a_dead_end(
    events: list[Event], words: str | None
) -> None:
    assert fatal_start_reason(events) == words


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


def test_a_dead_end_is_known_as_soon_as_the_events_tell() -> None:
    starting = StartupMonitor({})
    starting.observe(PENDING, at=0.0)
    starting.record_events(PENDING.id, [PULL_FAILED, BACK_OFF], at=30.0)
    assert starting.failed == {PENDING.id: PULL_FAILED.message}


def test_queueing_is_bounded_only_where_the_author_says_so() -> None:
    patient, bounded = StartupMonitor({}), StartupMonitor({PENDING.id: 100.0})
    for starting in (patient, bounded):
        starting.observe(PENDING, at=99.0)
        assert not starting.failed
        starting.record_events(PENDING.id, [NO_ROOM], at=99.0)
        starting.observe(PENDING, at=100.0)
    assert not patient.failed
    assert "Insufficient cpu" in bounded.failed[PENDING.id]


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
