"""What the wait of an interactive task is woken for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_canfar.skaha.errors import Rejected, Unreachable
from airflow_provider_canfar.skaha.models import Session
from airflow_provider_canfar.skaha.polling.snapshot import Snapshot
from airflow_provider_canfar.task_sessions.interactive_wait import (
    InteractiveTaskWait,
    InteractiveWaitSpec,
    active_interactive_sessions,
    is_quota,
)
from airflow_provider_canfar.task_sessions.wait_spec import WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC).timestamp()
NAME = "inspect-k3v5x2qamd-0-1-1"
PAGE = "https://ws-uv.canfar.net/session/notebook/k3v9x2qa/"


class FakeReader:
    """Takes note of renewals."""

    def __init__(self) -> None:
        self.renewed: list[str] = []

    async def renew(self, session_id: str) -> dict[str, bool]:
        self.renewed.append(session_id)
        return {session_id: True}


def session(status: str = "Running", **fields: Any) -> Session:
    """Make a session as the platform reports it."""
    standard = {"id": "k3v9x2qa", "name": NAME, "type": "notebook", "status": status, "connectURL": PAGE}
    return Session.model_validate(standard | fields)


def task_wait(*, probe: Callable[[str], Awaitable[bool]] | None = None, **spec: Any) -> InteractiveTaskWait:
    """Begin a wait for one session, or for a place for it."""
    sessions = {} if "fewer_than" in spec else {"k3v9x2qa": NAME}
    waiting = InteractiveWaitSpec("k3v5x2qamd", sessions, **spec)
    return InteractiveTaskWait(waiting) if probe is None else InteractiveTaskWait(waiting, probe)


def reason(watched: InteractiveTaskWait, *sessions: Session, at: float = NOW) -> WakeReason | None:
    """Show a list, and return why the worker is woken."""
    snapshot = Snapshot(at, sessions)
    watched.observe(snapshot)
    wake = watched.wake(at)
    return None if wake is None else wake.reason


def test_a_session_that_runs_can_be_opened() -> None:
    watched = task_wait()
    assert reason(watched, session("Pending")) is None
    assert reason(watched, session("Running")) is WakeReason.OPEN


async def test_its_url_may_have_to_answer_first() -> None:
    async def answers(url: str) -> bool:
        return url == PAGE

    watched = task_wait(url_must_answer=True, probe=answers)
    assert reason(watched, session("Pending")) is None
    assert watched.urls_to_probe() == {}
    assert reason(watched, session("Running")) is None
    assert watched.urls_to_probe() == {"k3v9x2qa": PAGE}
    await watched.process(Snapshot(NOW, (session("Running"),)), cast("SessionReader", None))
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


async def test_no_answer_is_no_free_place() -> None:
    watched = task_wait(fewer_than=1, retry_at=NOW + 300)
    await watched.process(Snapshot(NOW, fault=Unreachable("no route")), cast("SessionReader", None))
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
        return watched.ids_to_renew(at)

    assert renewals("2026-03-03T23:59:59Z") == []
    assert renewals("2026-03-04T00:00:01Z") == ["k3v9x2qa"]


async def test_a_renewal_without_effect_is_not_repeated_with_each_list() -> None:
    watched = task_wait(keep_until=NOW + 86_400)
    short = session(startTime="2026-03-01T00:00:00Z", expiryTime="2026-03-04T12:30:00Z")
    reason(watched, short)
    assert watched.ids_to_renew(NOW) == ["k3v9x2qa"]
    reader = FakeReader()
    await watched.process(Snapshot(NOW, (short,)), cast("SessionReader", reader))
    assert reader.renewed == ["k3v9x2qa"]
    assert watched.ids_to_renew(NOW + 3599) == []
    assert watched.ids_to_renew(NOW + 3600) == ["k3v9x2qa"]


def test_what_is_not_kept_or_does_not_run_is_not_renewed() -> None:
    times = {"startTime": "2026-03-01T00:00:00Z", "expiryTime": "2026-03-04T12:30:00Z"}
    for watched, one in [
        (task_wait(), session(**times)),
        (task_wait(keep_until=NOW + 60), session("Pending", **times)),
        (task_wait(keep_until=NOW + 60), session()),
    ]:
        reason(watched, one)
        assert watched.ids_to_renew(NOW) == []


def test_the_server_s_own_sentence_tells_a_full_platform_from_another_refusal() -> None:
    full = "User jdoe has reached the maximum of 3 active sessions."
    assert is_quota(Rejected(full, status=400, server_message=full))
    assert not is_quota(
        Rejected("Invalid value for 'cores': 99", server_message="Invalid value for 'cores': 99")
    )
