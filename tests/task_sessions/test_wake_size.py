"""How much one wake writes into Airflow's database, of a task with ten thousand replicas."""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.journal import ENTRY, Journal
from airflow_provider_canfar.task_sessions.limits import MOST_ALIVE, Limits
from airflow_provider_canfar.task_sessions.next_wait import wait_spec_for
from airflow_provider_canfar.task_sessions.plan import Plan
from airflow_provider_canfar.task_sessions.run_options import RunOptions
from airflow_provider_canfar.task_sessions.session_xcoms import SessionXComs
from airflow_provider_canfar.task_sessions.wait_spec import WakeEvent, WakeReason
from tests.fake_task import FakeStore

REPLICAS = 10_000


class CountingStore(FakeStore):
    """Counts what is written to it."""

    written = 0

    def set(self, key: str, value: Any) -> None:
        super().set(key, value)
        self.written += len(self.rows[key])


class Task:
    """A task of which some replicas are done and some have sessions, from one wake to the next."""

    def __init__(self, done: int, alive: int) -> None:
        self.dice = random.Random(done + alive)  # noqa: S311 - no secret's randomness
        self.store = CountingStore()
        self.batch = Batch(Identity("find-stars", "k3v5x2qamd", 0, "0123456789abcdef" * 2), 1, REPLICAS)
        self.journal = Journal(self.store, ENTRY, lambda line: None)
        self.journal.begin(self.batch)
        for first in range(1, done + 1, 500):
            self.launch(range(first, min(first + 500, done + 1)))
            self.end(range(first, min(first + 500, done + 1)))
            self.journal.record(self.batch)
        self.launch(range(done + 1, done + alive + 1))
        self.journal.record(self.batch)

    def launch(self, replicas: range) -> None:
        self.batch = self.batch.assign(
            {
                one: AssignedSession(self.new_id(), self.batch.name(one), 1.8e9 + one / 8, has_started=True)
                for one in replicas
            }
        )

    def new_id(self) -> str:
        return "".join(self.dice.choices(string.ascii_lowercase + string.digits, k=8))

    def end(self, replicas: range) -> None:
        self.batch = self.batch.record(
            Outcome(
                replica=one,
                session_id=self.batch.launched[one].session_id,
                name=self.batch.launched[one].name,
                status="Completed",
                succeeded=True,
                try_number=1,
                started=f"2026-11-26T{one % 24:02d}:{self.dice.randrange(60):02d}:{one % 59:02d}+00:00",
            )
            for one in replicas
        )

    def wake(self, ended: range, launched: range) -> int:
        """Go through one wake, and return how many bytes it writes."""
        batch, xcoms = self.batch, SessionXComs(self.batch)
        event = WakeEvent(
            WakeReason.SLOTS,
            {batch.launched[one].session_id: "Completed" for one in ended},
        )
        carried = {"batch": batch.to_json(), "deadline": None}
        size = len(json.dumps(carried | {"event": event.to_json()}))
        self.store.written = 0
        self.launch(launched)
        self.end(ended)
        self.journal.record(self.batch)
        size += self.store.written
        size += len(json.dumps(xcoms.to_push(self.batch, self.journal.complete, whole=False)))
        trigger = json.dumps({"wait_spec": self.wait_spec(), "canfar_conn_id": "canfar_default"})
        assert len(trigger) < 64_000
        return size + len(json.dumps(carried)) + len(trigger)

    def wait_spec(self) -> dict[str, Any]:
        queued = Plan((), (1,), {}, {}, (), (), None)
        options = RunOptions(startup_timeout=3600.0)
        return wait_spec_for(
            self.batch, queued, Limits(50), options, retry_at=None, deadline=None, now=1.8e9
        ).to_json()


@pytest.mark.parametrize("done", [0, 5_000, 9_900])
def test_a_wake_of_fifty_live_sessions_writes_some_kilobytes_whatever_is_done(done: int) -> None:
    task = Task(done, 50)
    sizes = [
        task.wake(range(done + first, done + first + 5), range(done + 50 + first, done + 55 + first))
        for first in range(1, 46, 5)
    ]
    assert sum(sizes) / len(sizes) < 30_000
    assert max(sizes) < 60_000


@pytest.mark.parametrize("done", [0, 5_000])
def test_with_as_many_live_sessions_as_there_may_be_it_writes_less_than_150_kilobytes(done: int) -> None:
    task = Task(done, MOST_ALIVE)
    assert task.wake(range(done + 1, done + 501), range(0)) < 150_000


def test_so_does_a_wake_that_finds_all_of_them_ended() -> None:
    assert (
        Task(0, MOST_ALIVE).wake(range(1, MOST_ALIVE + 1), range(MOST_ALIVE + 1, MOST_ALIVE + 501)) < 150_000
    )
