"""What the wait of an interactive task is woken for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow_provider_canfar.task_sessions.spec import WakeReason

from airflow_provider_canfar.skaha.errors import Rejected, Unreachable
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
from airflow_provider_canfar.task_sessions.interactive_wait import (
    InteractiveTaskWait,
    InteractiveWaitSpec,
    active_interactive_sessions,
    is_quota,
)

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC).timestamp()
NAME = "inspect-k3v5x2qamd-0-1-1"
PAGE = "https://ws-uv.canfar.net/session/notebook/k3v9x2qa/"


def session(status: str = "Running", **fields: Any) -> Session:
    """Make a session as the platform reports it."""
    standard = {"id": "k3v9x2qa", "name": NAME, "type": "notebook", "status": status, "connectURL": PAGE}
    return Session.model_validate(standard | fields)


def task_wait(**spec: Any) -> InteractiveTaskWait:
    """Begin a wait for one session, or for a place for it."""
    sessions = {} if "fewer_than" in spec else {"k3v9x2qa": NAME}
    return InteractiveTaskWait(InteractiveWaitSpec("k3v5x2qamd", sessions, **spec))


def reason(watched: InteractiveTaskWait, *sessions: Session, at: float = NOW) -> WakeReason | None:
    """Show a list, and return why the worker is woken."""
    snapshot = Snapshot(at, sessions)
    watched.attend(snapshot)
    watched.observe(snapshot)
    wake = watched.wake(at)
    return None if wake is None else wake.reason


def test_a_session_that_runs_can_be_opened() -> None:
    watched = task_wait()
    assert reason(watched, session("Pending")) is None
    assert reason(watched, session("Running")) is WakeReason.OPEN


def test_its_page_may_have_to_answer_first() -> None:
    watched = task_wait(url_must_answer=True)
    assert reason(watched, session("Pending")) is None
    assert watched.pages() == {}
    assert reason(watched, session("Running")) is None
    assert watched.pages() == {"k3v9x2qa": PAGE}
    watched.answered("k3v9x2qa")
    assert reason(watched, session("Running")) is WakeReason.OPEN


def test_an_end_comes_before_anything_else() -> None:
    assert reason(task_wait(), session("Failed")) is WakeReason.ENDED
    assert reason(task_wait(keep_until=NOW + 60), session("Completed")) is WakeReason.ENDED


def test_a_place_is_free_when_fewer_are_alive() -> None:
    other = {"id": "m0d4tt7z", "name": "other"}
    watched = task_wait(fewer_than=1, retry_at=NOW + 300)
    assert reason(watched, session("Running", **other)) is None
    assert reason(watched, session("Pending", **other)) is None
    assert reason(watched, session("Completed", **other)) is WakeReason.RETRY


def test_a_place_is_asked_for_again_after_a_while_whatever_was_seen() -> None:
    watched = task_wait(fewer_than=1, retry_at=NOW + 300)
    other = session(id="m0d4tt7z", name="other")
    assert reason(watched, other, at=NOW + 299) is None
    assert reason(watched, other, at=NOW + 300) is WakeReason.RETRY


def test_no_answer_is_no_free_place() -> None:
    watched = task_wait(fewer_than=1, retry_at=NOW + 300)
    watched.attend(Snapshot(NOW, fault=Unreachable("no route")))
    assert watched.wake(NOW) is None


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"status": "Running"}, 1),
        ({"status": "Pending"}, 1),
        ({"status": "Failed"}, 0),
        ({"type": "headless"}, 0),
        ({"type": "desktop-app"}, 0),
        ({"type": "desktop"}, 1),
    ],
)
def test_places_are_counted_as_the_server_does(fields: dict[str, str], taken: int) -> None:
    assert active_interactive_sessions([session(**fields)]) == taken


def test_a_kept_session_is_kept_until_its_time() -> None:
    watched = task_wait(keep_until=NOW + 60)
    assert reason(watched, session(), at=NOW) is None
    assert reason(watched, session("Pending"), at=NOW + 59) is None
    assert reason(watched, session(), at=NOW + 60) is WakeReason.KEPT


def test_a_kept_session_is_renewed_on_its_last_day() -> None:
    def renewals(now: str) -> list[str]:
        watched = task_wait(keep_until=NOW + 30 * 86_400)
        at = datetime.fromisoformat(now).timestamp()
        four_days = session(startTime="2026-03-01T00:00:00Z", expiryTime="2026-03-05T00:00:00Z")
        reason(watched, four_days, at=at)
        return watched.to_renew(at)

    assert renewals("2026-03-03T23:59:59Z") == []
    assert renewals("2026-03-04T00:00:01Z") == ["k3v9x2qa"]


def test_a_renewal_that_changes_nothing_is_not_repeated_at_each_look() -> None:
    watched = task_wait(keep_until=NOW + 86_400)
    short = session(startTime="2026-03-01T00:00:00Z", expiryTime="2026-03-04T12:30:00Z")
    reason(watched, short)
    assert watched.to_renew(NOW) == ["k3v9x2qa"]
    watched.renewed(NOW)
    assert watched.to_renew(NOW + 3599) == []
    assert watched.to_renew(NOW + 3600) == ["k3v9x2qa"]


def test_what_is_not_kept_or_does_not_run_is_not_renewed() -> None:
    times = {"startTime": "2026-03-01T00:00:00Z", "expiryTime": "2026-03-04T12:30:00Z"}
    for watched, one in [
        (task_wait(), session(**times)),
        (task_wait(keep_until=NOW + 60), session("Pending", **times)),
        (task_wait(keep_until=NOW + 60), session()),
    ]:
        reason(watched, one)
        assert watched.to_renew(NOW) == []


def test_the_server_s_own_sentence_tells_a_full_platform_from_another_refusal() -> None:
    full = "User jdoe has reached the maximum of 3 active sessions."
    assert is_quota(Rejected(full, status=400, server_message=full))
    assert not is_quota(
        Rejected("Invalid value for 'cores': 99", server_message="Invalid value for 'cores': 99")
    )
