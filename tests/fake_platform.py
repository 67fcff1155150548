"""The platform in memory: its sessions, what it says of them, and every way in which it answers badly.

It has the verbs of the client that an attempt and a wait use. Nothing in it takes real time: seconds pass
when somebody sleeps on its clock, and sessions change when a test says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar, cast

from airflow_provider_canfar.skaha.errors import (
    NotFound,
    PartialFailure,
    Rejected,
    RequestError,
    ServerError,
    ServiceBusy,
    Unreachable,
)
from airflow_provider_canfar.skaha.http.response import ApiResponse
from airflow_provider_canfar.skaha.models import Event, Session
from tests.fake_metrics import SentMetrics

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.skaha.polling.session_reader import SessionReader

T = TypeVar("T")

#: Seconds after its end at which the platform forgets a session (ttlSecondsAfterFinished).
RETENTION = 3600.0

#: The server's words for an end, as its code and those before it have them: not as ours reads them.
SUCCESSES = frozenset({"Completed", "Succeeded"})
FAILURES = frozenset({"Failed", "Error", "Failed (BackoffLimitExceeded)"})

#: What the server says when kubectl has failed (PostAction).
NO_JOB = 'jobs.batch "skaha-headless-jdoe-k3v9x2qa" not found'


class Create(Enum):
    """How a create is answered."""

    GOOD = auto()
    LOST_BEFORE = auto()  # No answer, and no session.
    LOST_AFTER = auto()  # No answer, and a session.
    LATE = auto()  # No answer, and a session some time later.
    NO_JOB = auto()  # 500 "jobs.batch not found", and no session.
    NO_JOB_AND_YET = auto()  # 500 "jobs.batch not found", and a session.
    BUSY = auto()  # 503, and no session.
    TOO_MANY = auto()  # 429, and no session.
    NEVER_SENT = auto()  # Connection refused.
    REFUSED = auto()  # 400.


class Died(BaseException):
    """The process that spoke to the platform has been killed; no code of its own sees this."""


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        self.began = self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        assert self.now < self.began + 30 * 86_400, "nobody waits for a month"
        await asyncio.sleep(0)


@dataclass
class Row:
    """A session as the platform knows it.

    :param listed_from: when lists begin to show it.
    :param usage: what lists show of its use of cores and RAM while it runs.
    """

    session_id: str
    name: str
    replica: int
    created: float
    listed_from: float
    word: str = "Pending"
    started: float | None = None
    ended: float | None = None
    destroyed: bool = False
    log: str = ""
    events: list[Event] = field(default_factory=list)
    usage: dict[str, str] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        return not self.destroyed and self.word not in SUCCESSES | FAILURES

    @property
    def has_succeeded(self) -> bool:
        return self.word in SUCCESSES

    def start(self, at: float) -> None:
        self.word, self.started = "Running", at

    def preempt(self) -> None:
        self.word, self.started = "Pending", None

    def end(self, word: str, at: float) -> None:
        self.word, self.ended = word, at

    def vanish(self) -> None:
        self.destroyed = True

    def document(self) -> dict[str, str | None]:
        """Return it as the server describes it."""
        started = None if self.started is None else datetime.fromtimestamp(self.started, UTC).isoformat()
        return {
            "id": self.session_id,
            "name": self.name,
            "type": "headless",
            "status": self.word,
            "startTime": started,
            **(self.usage if self.word == "Running" else {}),
        }

    def reported(self) -> Session:
        return Session.model_validate(self.document())


class FakePlatform:
    """The platform in memory.

    :param clock: its time.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.metrics = SentMetrics()
        #: Every session that was ever made, in the order of their creates.
        self.record: list[Row] = []
        #: Creates that are not made yet: when they will be, and what.
        self.late: list[Row] = []
        #: How the next creates are answered; when there are no more, they are good.
        self.creates: list[Create] = []
        #: By verb, what the next calls raise; None for a good answer.
        self.faults: dict[str, list[RequestError | None]] = {}
        #: How many more requests the process that speaks to it lives to see.
        self.requests_to_live: int | None = None
        #: Ids that a destroy does not reach.
        self.undying: set[str] = set()
        #: Seconds for which lists omit a new session.
        self.unlisted_for = 0.0
        #: Seconds until a LATE create is made.
        self.late_by = 90.0
        self.calls: list[tuple[str, str]] = []
        self._plans: list[tuple[float, Callable[[], object]]] = []
        self.on_create: Callable[[str], None] = lambda name: None
        self.on_destroy: Callable[[Row], None] = lambda row: None

    @property
    def client(self) -> SkahaClient:
        """Itself, for those who ask for the client."""
        return cast("SkahaClient", self)

    @property
    def reads(self) -> SessionReader:
        """Itself, for those who ask about single sessions."""
        return cast("SessionReader", self)

    # What tests look at and do.

    def live(self) -> list[Row]:
        self._pass_time()
        return [row for row in self.record if row.is_live]

    def listed(self) -> list[Row]:
        self._pass_time()
        return [row for row in self.record if self._is_known(row) and row.listed_from <= self.clock.now]

    def row(self, session_id: str) -> Row:
        return next(row for row in self.record if row.session_id == session_id)

    def called(self, verb: str) -> list[str]:
        return [argument for name, argument in self.calls if name == verb]

    def add(self, name: str, word: str = "Running", *, replica: int = 1, log: str = "") -> Row:
        """Put a session there that nobody of ours has created."""
        row = self._new(name, replica)
        row.listed_from = self.clock.now
        row.log = log
        if word != "Pending":
            row.start(self.clock.now)
        row.word = word
        row.ended = self.clock.now if word in SUCCESSES | FAILURES else None
        self.record.append(row)
        return row

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something when so many seconds have passed."""
        self._plans.append((self.clock.now + seconds, act))

    # The client's verbs.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def fetch(self, kind: str | None = None) -> list[Session]:
        assert kind in (None, "headless")
        return await self._answer("fetch", kind or "", lambda: [row.reported() for row in self.listed()])

    async def poll(self, read: Callable[[ApiResponse], T], status: str | None = None) -> T:
        def listed() -> T:
            rows = [row.document() for row in self.listed() if status in (None, row.word)]
            body = json.dumps(rows).encode()
            return read(ApiResponse("GET", "session", "https://skaha.test/skaha/v1", 200, {}, body))

        return await self._answer("fetch", status or "", listed)

    async def create_replica(self, spec: SessionSpec, replica: int, *, name: str | None = None) -> str:
        assert name is not None
        how = self.creates.pop(0) if self.creates else Create.GOOD
        return await self._answer("create", name, lambda: self._create(name, replica, how))

    async def destroy(self, ids: str | Iterable[str]) -> dict[str, bool]:
        return await self._each("destroy", ids, self._destroy)

    async def logs(self, ids: str | Iterable[str], *, max_bytes: int = 64 * 1024 * 1024) -> dict[str, str]:
        return await self._each(
            "logs", ids, lambda one: self.row(one).log[-max_bytes:] if self.knows(one) else ""
        )

    async def info(self, ids: str | Iterable[str]) -> dict[str, Session]:
        return await self._each("info", ids, self._info)

    async def events(self, ids: str | Iterable[str]) -> dict[str, list[Event]]:
        return await self._each("events", ids, lambda one: self.row(one).events)

    # How it works.

    def _new(self, name: str, replica: int) -> Row:
        number = len(self.record) + len(self.late)
        now = self.clock.now
        return Row(f"s{number:07d}", name, replica, created=now, listed_from=now + self.unlisted_for)

    def _create(self, name: str, replica: int, how: Create) -> str:
        if how in _REFUSALS:
            raise _REFUSALS[how](how)
        if how is not Create.LOST_BEFORE:
            self.on_create(name)
            row = self._new(name, replica)
            if how is Create.LATE:
                row.created += self.late_by
                row.listed_from += self.late_by
                self.late.append(row)
            else:
                self.record.append(row)
        if how is Create.GOOD:
            return row.session_id
        if how is Create.NO_JOB_AND_YET:
            raise _no_job(how)
        raise _lost(how)

    def _destroy(self, session_id: str) -> bool:
        if session_id in self.undying:
            return False
        if self.knows(session_id):
            self.on_destroy(self.row(session_id))
            self.row(session_id).destroyed = True
        return True

    def _info(self, session_id: str) -> Session:
        if not self.knows(session_id):
            raise NotFound(f"session {session_id} not found", status=404)
        return self.row(session_id).reported()

    def _pass_time(self) -> None:
        """Do what is due by now."""
        for plan in [one for one in self._plans if one[0] <= self.clock.now]:
            self._plans.remove(plan)
            plan[1]()
        for row in [one for one in self.late if one.created <= self.clock.now]:
            self.late.remove(row)
            self.record.append(row)

    def _is_known(self, row: Row) -> bool:
        is_forgotten = row.ended is not None and self.clock.now >= row.ended + RETENTION
        return not row.destroyed and not is_forgotten

    def knows(self, session_id: str) -> bool:
        self._pass_time()
        return any(row.session_id == session_id and self._is_known(row) for row in self.record)

    async def _each(self, verb: str, ids: str | Iterable[str], call: Callable[[str], T]) -> dict[str, T]:
        """Respond for one id or many as the client does: the error of a single one, or a PartialFailure."""
        wanted = [ids] if isinstance(ids, str) else list(ids)
        results: dict[str, T] = {}
        errors: dict[str, Exception] = {}
        for one in wanted:
            try:
                results[one] = await self._answer(verb, one, partial(call, one))
            except RequestError as error:
                errors[one] = error
        if errors and len(wanted) == 1:
            raise errors[wanted[0]]
        if errors:
            raise PartialFailure(results=results, errors=errors)
        return results

    async def _answer(self, verb: str, argument: str, act: Callable[[], T]) -> T:
        """ApiResponse one request; the process may be killed just before it, or just after."""
        await asyncio.sleep(0)
        if self.requests_to_live is not None and self.requests_to_live <= 0:
            raise Died
        self.calls.append((verb, argument))
        faults = self.faults.get(verb, [])
        fault = faults.pop(0) if faults else None
        if fault is not None:
            raise fault
        try:
            return act()
        finally:
            if self.requests_to_live is not None:
                self.requests_to_live -= 1
                if self.requests_to_live == 0:
                    raise Died
            await asyncio.sleep(0)


def _lost(how: Create) -> RequestError:
    return Unreachable(f"{how.name}: no answer", maybe_applied=True)


def _no_job(how: Create) -> RequestError:
    return ServerError(f"{how.name}: {NO_JOB}", status=500, server_message=NO_JOB, maybe_applied=True)


_REFUSALS: dict[Create, Callable[[Create], RequestError]] = {
    Create.NO_JOB: _no_job,
    Create.BUSY: lambda how: ServiceBusy(how.name, status=503, retry_after=120.0, maybe_applied=True),
    Create.TOO_MANY: lambda how: ServiceBusy(how.name, status=429),
    Create.NEVER_SENT: lambda how: Unreachable(f"{how.name}: connection refused"),
    Create.REFUSED: lambda how: Rejected("Invalid value for 'cores': 99", status=400),
}
