"""The loop of a task, on a platform in memory: kills, time-outs and outages in the middle of a phase."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_canfar.hooks._airflow_compat import AirflowTaskTimeout
from airflow_provider_canfar.operators._phase_errors import Killed
from airflow_provider_canfar.operators._task_runner import TaskRunner
from airflow_provider_canfar.skaha.errors import (
    RequestError,
    ServerError,
    ServiceBusy,
    SessionFailed,
    SessionNeverStarted,
    SessionTimeout,
    Unreachable,
)
from airflow_provider_canfar.skaha.log_line import ErrorLine
from airflow_provider_canfar.skaha.metrics import Metric
from airflow_provider_canfar.skaha.models import Event, SessionSpec
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.polling.usage import Usage
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch
from airflow_provider_canfar.task_sessions.concurrency import LAUNCH_CONCURRENCY
from airflow_provider_canfar.task_sessions.ended_session import LogReader
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.run_options import RunOptions
from airflow_provider_canfar.task_sessions.session_xcoms import sessions_to_json
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent, WakeReason
from tests.fake_hook import Deferred, FakeHook, defer
from tests.fake_platform import RETENTION, FakePlatform, Row

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook

IDENTITY = Identity("stars", "k3v5x2qamd", 0)


class Phase:
    """One phase of a task in a worker."""

    def __init__(
        self,
        platform: FakePlatform,
        batch: Batch,
        limits: Limits | None = None,
        ram: float | None = None,
        **options: Any,
    ) -> None:
        self.told: list[str] = []
        self.published: list[Batch] = []
        self.live_when_published: list[int] = []
        self.platform = platform
        self.runner = TaskRunner(
            hook=cast("CanfarHook", FakeHook(platform)),
            spec=SessionSpec(name="stars", image="skaha/astroml:24.07", replicas=batch.replicas, ram=ram),
            batch=batch,
            limits=limits or Limits(),
            deadline=None,
            options=RunOptions(**options),
            emit=self.told.append,
            reader=LogReader(),
        )

    def run(self, wake: WakeEvent | None = None) -> None:
        self.runner.run(wake, publish=self.publish, defer=defer)

    def publish(self, *, whole: bool) -> None:
        self.published.append(self.runner.batch)
        self.live_when_published.append(len(self.platform.live()))

    def waits_for(self, wake: WakeEvent | None = None) -> WaitSpec:
        with pytest.raises(Deferred) as deferred:
            self.run(wake)
        waiting: WaitSpec = deferred.value.args[0]
        return waiting


@pytest.fixture(name="platform")
def _platform() -> FakePlatform:
    return FakePlatform()


def launched(*rows: Row, try_number: int = 1, **more: Any) -> Batch:
    """Say that these are all of a task's sessions."""
    launches = {row.replica: AssignedSession(row.session_id, row.name, row.created, **more) for row in rows}
    return Batch(IDENTITY, try_number, len(rows), launched=launches)


def sessions(platform: FakePlatform, *words: str) -> list[Row]:
    return [
        platform.add(str(IDENTITY.name(replica, 1)), word, replica=replica, log=f"log of {replica}")
        for replica, word in enumerate(words, start=1)
    ]


# Metrics.


def test_the_time_from_an_end_to_its_record_is_measured(platform: FakePlatform) -> None:
    (row,) = sessions(platform, "Completed")
    wake = WakeEvent(WakeReason.ENDED, {row.session_id: "Completed"}, first_end=time.time() - 60)
    Phase(platform, launched(row)).run(wake)
    (delay,) = platform.metrics.values[Metric.RECORD_DELAY]
    assert 60 <= delay < 120


def test_a_wait_without_an_end_measures_nothing(platform: FakePlatform) -> None:
    (row,) = sessions(platform, "Running")
    Phase(platform, launched(row)).waits_for(WakeEvent(WakeReason.RETRY))
    assert Metric.RECORD_DELAY not in platform.metrics.values


# Kills.


def test_a_kill_while_it_launches_destroys_before_it_asks_airflow_for_anything(
    platform: FakePlatform,
) -> None:
    """Airflow answers no worker between its SIGTERM and its SIGKILL."""
    phase = Phase(platform, Batch(IDENTITY, 1, 50))
    platform.on_create = lambda name: phase.runner.stop()
    with pytest.raises(Killed):
        phase.run()
    assert 0 < len(platform.record) <= LAUNCH_CONCURRENCY
    assert phase.live_when_published == [0]


def test_a_kill_destroys_what_is_there_while_it_waits_for_what_is_under_way(platform: FakePlatform) -> None:
    """Airflow grants five seconds, and a create may take a minute."""
    phase = Phase(platform, Batch(IDENTITY, 1, 2 * LAUNCH_CONCURRENCY))
    create, happened = platform.create_replica, list[str]()
    is_under_way = threading.Event()

    async def slow(spec: SessionSpec, replica: int, **more: Any) -> str:
        if replica > LAUNCH_CONCURRENCY:
            is_under_way.set()
            await asyncio.sleep(1)
        session_id = await create(spec, replica, **more)
        happened.append("created")
        return session_id

    def kill() -> None:
        is_under_way.wait()
        phase.runner.stop()
        phase.runner.destroy_all(timeout=4)

    platform.create_replica = slow  # type: ignore[method-assign]  # The fake is slow here only.
    platform.on_destroy = lambda row: happened.append("destroyed")
    killing = threading.Thread(target=kill)
    killing.start()
    with pytest.raises(Killed):
        phase.run()
    killing.join()
    assert platform.live() == []
    assert happened.index("destroyed") < happened[LAUNCH_CONCURRENCY:].index("created") + LAUNCH_CONCURRENCY


def test_a_kill_is_a_kill_also_where_airflow_does_not_answer_afterwards(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = Phase(platform, Batch(IDENTITY, 1, 1))
    platform.on_create = lambda name: phase.runner.stop()

    def fail() -> None:
        raise RuntimeError("409: the task is not running")

    monkeypatch.setattr(phase, "publish", fail)
    with pytest.raises(Killed):
        phase.run()
    assert platform.live() == []


def test_a_kill_between_the_last_look_and_the_wait_is_no_wait(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = Phase(platform, Batch(IDENTITY, 1, 1))

    @asynccontextmanager
    async def wait_on(*_: Any, **__: Any) -> AsyncIterator[None]:
        await asyncio.sleep(60)
        yield

    monkeypatch.setattr(FakeHook, "watch", wait_on)
    with pytest.raises(Killed):
        phase.runner.run(None, publish=lambda *, whole: phase.runner.stop(), defer=None)
    assert platform.live() == []


@contextmanager
def time_out(seconds: float) -> Iterator[None]:
    """Raise Airflow's time-out in the middle of whatever it is, as Airflow does."""

    def raise_it(number: int, frame: object) -> None:
        raise AirflowTaskTimeout

    before = signal.signal(signal.SIGALRM, raise_it)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("destroy_on_kill", [True, False])
def test_a_time_out_of_airflow_s_own_while_it_launches_leaves_nothing_running(
    platform: FakePlatform, *, destroy_on_kill: bool
) -> None:
    """The platform goes on to make what is under way then."""
    phase = Phase(platform, Batch(IDENTITY, 1, 50), destroy_on_kill=destroy_on_kill)
    create = platform.create_replica

    async def slow(*args: Any, **more: Any) -> str:
        await asyncio.sleep(1)
        return await create(*args, **more)

    platform.create_replica = slow  # type: ignore[method-assign]  # The fake is slow here only.
    with time_out(0.3), pytest.raises(AirflowTaskTimeout):
        phase.run()
    assert len(platform.record) == LAUNCH_CONCURRENCY
    assert len(platform.live()) == (0 if destroy_on_kill else LAUNCH_CONCURRENCY)
    assert len(phase.published[-1].launched) == LAUNCH_CONCURRENCY


# What has ended is recorded, whatever else the task fails for.


def does_not_start(*rows: Row, permanent: bool = False) -> WakeEvent:
    ids = [row.session_id for row in rows]
    return WakeEvent(
        WakeReason.NEVER_STARTED,
        never_started=dict.fromkeys(ids, "no such image"),
        permanent=tuple(ids) if permanent else (),
    )


def test_the_error_of_a_time_out_knows_what_has_ended_and_what_the_others_wrote(
    platform: FakePlatform,
) -> None:
    rows = sessions(platform, "Completed", "Failed", "Running")
    phase = Phase(platform, launched(*rows), execution_timeout=timedelta(hours=2))
    with pytest.raises(SessionTimeout) as over:
        phase.run(WakeEvent(WakeReason.DEADLINE))
    assert str(over.value).splitlines() == [
        "The execution_timeout of 2:00:00 has passed, and 1 of 3 replicas had not ended.",
        "Replica 3: its session is destroyed.",
        f"Replica 3, session {rows[2].session_id} ({rows[2].name}):",
        "Its last lines:",
        "log of 3",
        "Failed before that: 1 of 3.",
        f"Replica 2, session {rows[1].session_id} ({rows[1].name}): Failed.",
        "Its last lines:",
        "log of 2",
        "Raise execution_timeout, or give each replica less to do. A retry runs again what had not ended.",
    ]
    assert platform.live() == []


@pytest.mark.parametrize(
    ("wake", "error", "word"),
    [
        (lambda row: WakeEvent(WakeReason.DEADLINE), SessionTimeout, "destroyed"),
        (does_not_start, SessionNeverStarted, "NeverStarted"),
    ],
)
def test_what_has_ended_by_then_is_recorded_and_told(
    platform: FakePlatform, wake: Callable[[Row], WakeEvent], error: type[Exception], word: str
) -> None:
    rows = sessions(platform, "Completed", "Pending")
    phase = Phase(platform, launched(*rows))
    with pytest.raises(error):
        phase.run(wake(rows[1]))
    assert platform.live() == []
    (published,) = phase.published
    assert published.outcomes[1].succeeded
    assert "log of 1" in phase.told
    (table,) = [told for told in phase.told if told.startswith("How each replica ended:")]
    assert [row.split()[2] for row in table.splitlines()[2:]] == ["Completed", word]


def test_a_session_that_does_not_start_is_told_also_where_its_name_is_not_known(
    platform: FakePlatform,
) -> None:
    """dag.test() forgets what the deferral carried."""
    (row,) = sessions(platform, "Pending")
    row.events = [Event(type="Warning", reason="Failed", message="manifest unknown")]
    phase = Phase(platform, Batch(IDENTITY, 1, 1))
    with pytest.raises(
        SessionNeverStarted, match=rf"session {row.session_id} .* did not start: no such image"
    ) as raised:
        phase.run(does_not_start(row))
    assert not [line for line in phase.told if isinstance(line, ErrorLine)], "the error says it, once"
    assert platform.live() == []
    assert raised.value.events == tuple(row.events), "callbacks get what explains it"


def test_a_session_that_does_not_start_costs_its_siblings_nothing(platform: FakePlatform) -> None:
    rows = sessions(platform, "Running", "Pending", "Completed")
    phase = Phase(platform, launched(*rows), Limits(max_failed=1))
    waits_for = phase.waits_for(does_not_start(rows[1]))
    assert list(waits_for.sessions) == [rows[0].session_id]
    assert platform.live() == [rows[0]]
    assert rows[2].session_id not in platform.called("destroy")
    (failure,) = [line for line in phase.told if isinstance(line, ErrorLine)]
    assert failure == f"Replica 2, session {rows[1].session_id} ({rows[1].name}) did not start: no such image"
    assert rows[1].session_id not in platform.called("logs")
    rows[0].end("Completed", platform.clock.now)
    Phase(platform, phase.runner.batch, Limits(max_failed=1)).run(WakeEvent(WakeReason.ENDED))


def test_one_that_started_while_the_worker_was_on_its_way_runs_on(platform: FakePlatform) -> None:
    rows = sessions(platform, "Running", "Running")
    phase = Phase(platform, launched(*rows))
    assert len(phase.waits_for(does_not_start(rows[1])).sessions) == 2
    assert platform.live() == rows


def test_the_next_replica_takes_the_place_of_one_that_does_not_start(platform: FakePlatform) -> None:
    rows = sessions(platform, "Pending")
    known = Batch(IDENTITY, 1, 2, launched=launched(*rows).launched)
    Phase(platform, known, Limits(max_active=1, max_failed=1)).waits_for(does_not_start(rows[0]))
    assert [row.replica for row in platform.live()] == [2]


@pytest.mark.parametrize("permanent", [True, False])
def test_a_retry_cannot_help_where_no_image_can_be_pulled(platform: FakePlatform, *, permanent: bool) -> None:
    rows = sessions(platform, "Pending", "Pending")
    with pytest.raises(SessionNeverStarted) as failure:
        Phase(platform, launched(*rows)).run(does_not_start(*rows, permanent=permanent))
    assert failure.value.retryable is not permanent


def test_an_event_that_lacks_fields_fails_the_replica_that_it_names(platform: FakePlatform) -> None:
    rows = sessions(platform, "Running", "Pending")
    event = {"reason": WakeReason.NEVER_STARTED.value, "never_started": {rows[1].session_id: "no such image"}}
    phase = Phase(platform, launched(*rows), Limits(max_failed=1))
    phase.waits_for(WakeEvent.from_json(event))
    assert platform.live() == [rows[0]]


def test_a_failure_whose_log_the_platform_has_forgotten_is_not_told_to_have_no_output(
    platform: FakePlatform,
) -> None:
    """The log was shown in an earlier phase, hours ago."""
    rows = sessions(platform, "Failed", "Running")
    first = Phase(platform, launched(*rows))
    first.waits_for()
    assert "log of 1" in first.told
    platform.clock.now += RETENTION
    rows[1].end("Completed", platform.clock.now)
    with pytest.raises(SessionFailed) as failure:
        Phase(platform, first.runner.batch).run(WakeEvent(WakeReason.ENDED))
    assert "The platform no longer has its log; see above for what it showed earlier." in str(failure.value)


def test_a_log_that_has_just_been_shown_is_not_asked_for_again(platform: FakePlatform) -> None:
    phase = Phase(platform, launched(*sessions(platform, "Failed")))
    with pytest.raises(SessionFailed, match="log of 1") as failure:
        phase.run()
    assert failure.value.log_tail == "log of 1"
    assert len(platform.called("logs")) == 1


# Starting in time.


def test_what_has_started_once_need_not_start_in_time_again(platform: FakePlatform) -> None:
    """It has been preempted, and the wait that saw it run is over."""
    rows = sessions(platform, "Running", "Pending", "Pending")
    first = Phase(platform, launched(*rows), startup_timeout=600.0)
    assert first.waits_for().start_by.keys() == {rows[1].session_id, rows[2].session_id}
    rows[0].preempt()
    wake = WakeEvent(WakeReason.DUPLICATE, started=(rows[1].session_id,))
    second = Phase(platform, first.runner.batch, startup_timeout=600.0)
    assert second.waits_for(wake).start_by.keys() == {rows[2].session_id}


# Outages.


@pytest.mark.parametrize(
    ("error", "try_number", "waits"),
    [
        (Unreachable("no such host"), 1, False),
        (ServerError("404: it is not the platform that says so", status=404), 1, False),
        (ServiceBusy("503: in maintenance", status=503), 1, True),
        (ServerError("502: bad gateway", status=502), 1, True),
        (Unreachable("no answer"), 2, True),
    ],
    ids=str,
)
def test_an_outage_at_the_start_is_waited_out_unless_it_may_be_a_mistake(
    platform: FakePlatform, error: RequestError, try_number: int, *, waits: bool
) -> None:
    """A retry may have sessions of the tries before it; and an hour of 503s is not to use up the tries."""
    platform.faults["fetch"] = [error]
    phase = Phase(platform, Batch(IDENTITY, try_number, 1))
    if waits:
        assert phase.waits_for().retry_at is not None
    else:
        with pytest.raises(type(error)):
            phase.run()
    assert platform.record == []
    if waits:
        Phase(platform, phase.runner.batch).waits_for(WakeEvent(WakeReason.RETRY))
        assert len(platform.record) == 1


def test_a_replica_that_probably_had_too_little_ram_says_so(platform: FakePlatform) -> None:
    phase = Phase(platform, Batch(IDENTITY, 1, 1), ram=16)
    waiting = phase.waits_for()
    (session_id,) = waiting.sessions
    platform.row(session_id).end("Failed", platform.clock.now)
    usage = Usage(ram=16.75, last_ram=16.75, cores=0.1, samples=9, age=20)
    wake = WakeEvent(WakeReason.ENDED, {session_id: "Failed"}, usage={session_id: usage})
    with pytest.raises(SessionFailed, match=r"at least 15\.6 of 16 GB used 20 s before the end"):
        phase.run(wake)
    (row,) = sessions_to_json(phase.runner.batch)
    assert (row["usage"]["ram"], row["usage"]["ram_asked"]) == (15.6, 16)
