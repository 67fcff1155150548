"""What an ended session left behind, and how its log is read, shown and quoted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import PartialFailure, RequestError
from airflow_provider_canfar.skaha.http.body import MAX_LOG
from airflow_provider_canfar.skaha.statuses import GONE
from airflow_provider_canfar.task_sessions import failure_report, log_report
from airflow_provider_canfar.task_sessions.usage_report import FLEXIBLE, Resources, beside_asked

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.skaha.errors import SessionError
    from airflow_provider_canfar.skaha.models import Event
    from airflow_provider_canfar.skaha.polling.usage import Usage
    from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that has ended, and its log.

    :param log: standard output and error, as far as the platform still had them.
    :param fault: why the platform did not return the log.
    """

    outcome: Outcome
    log: str
    fault: RequestError | None = None


class LogReader:
    """Reads the log of an ended session before it is shown and its outcome recorded.

    This one takes every log as it is; a subclass may find a result in it.
    """

    #: The least bytes of the end of each log that it reads; enough for the lines that an error quotes.
    min_bytes = 64 * 1024

    def read(self, ended: EndedSession) -> EndedSession:
        """Return what to show and record.

        :raises RequestError: to have the log read again later; the outcome stays unrecorded.
        """
        return ended

    def is_complete(self, ended: EndedSession) -> bool:
        """Whether the log holds everything it should, or is to be read again."""
        return True


class OutcomeRecorder:
    """Shows the log of each ended session, and remembers the last lines of those that failed.

    :param reader: reads each log first.
    :param emit: writes one line to the task's log.
    :param max_log_bytes: how much of the end of each log to show; None: all of it.
    :param asked: what each session asks for.
    """

    def __init__(
        self,
        reader: LogReader,
        emit: Callable[[str], None],
        max_log_bytes: int | None,
        asked: Resources = FLEXIBLE,
    ) -> None:
        self.reader = reader
        #: Session id -> what it has used, as the last wait has seen it.
        self.usage: Mapping[str, Usage] = {}
        self._asked = asked
        #: Session id -> the last lines of its log, of those that failed.
        self.tails: dict[str, str] = {}
        #: Session id -> its events, of those that did not start.
        self.events: dict[str, Sequence[Event]] = {}
        self._emit = emit
        self._max_log_bytes = max_log_bytes
        shown = MAX_LOG if max_log_bytes is None else 2 * max_log_bytes
        #: How many bytes of the end of each log to read: what is shown is without colours and the like.
        self.read_bytes = max(reader.min_bytes, min(shown, MAX_LOG))

    def record(self, ended: EndedSession) -> Outcome:
        """Show the log, and return the outcome to record.

        :raises RequestError: to have the log read again later; the outcome stays unrecorded.
        """
        read = self.reader.read(ended)
        for line in log_report.log_lines(read.outcome, read.log, read.fault, self._max_log_bytes):
            self._emit(line)
        # Of a session that is gone, there is no log: an empty one would say that it wrote nothing.
        if not read.outcome.succeeded and read.fault is None and read.outcome.status != GONE:
            self.tails[read.outcome.session_id] = log_report.tail(read.log)
        usage = self.usage.get(read.outcome.session_id)
        if usage is None:
            return read.outcome
        return replace(read.outcome, usage=beside_asked(usage, self._asked))

    def failure(self, batch: Batch, max_failed: int, *, resumes: bool) -> SessionError:
        """Say which replicas failed, with what has been read of each.

        :param max_failed: how many may.
        :param resumes: whether clearing the task keeps what has succeeded.
        """
        return failure_report.failure(batch, self.tails, max_failed, self.events, resumes=resumes)

    async def read_events(self, client: SkahaClient, outcome: Outcome) -> None:
        """Read the events of a session that did not start, before it is destroyed; the error has them."""
        if len(self.events) < failure_report.DESCRIBED:
            # Without them the error still has the reason.
            with suppress(RequestError):
                self.events |= await client.events(outcome.session_id)

    async def read_last_lines(self, client: SkahaClient, sessions: Iterable[AssignedSession]) -> None:
        """Read the ends of the logs of some sessions that have not ended; the error quotes them."""
        ids = [one.session_id for one in islice(sessions, failure_report.DESCRIBED)]
        try:
            logs = await client.logs(ids, max_bytes=self.reader.min_bytes)
        except PartialFailure as failure:
            logs = failure.results
        self.tails |= {session_id: log_report.tail(log) for session_id, log in logs.items()}

    async def read_missing_tails(self, client: SkahaClient, failed: Iterable[Outcome]) -> None:
        """Read again the ends of logs that an earlier phase has shown, as far as the error quotes them."""
        described = [one for one in list(failed)[: failure_report.DESCRIBED] if one.reason is None]
        missing = {one.session_id: one for one in described if one.session_id not in self.tails}
        if not missing:
            return
        try:
            logs = await client.logs(missing, max_bytes=self.reader.min_bytes)
        except PartialFailure as failure:
            logs = failure.results
        except RequestError:
            # Their logs are above already; without them the error says less, and still names the sessions.
            return
        for session_id, log in logs.items():
            # The platform answers an empty log where it has forgotten the session.
            if log:
                read = self.reader.read(EndedSession(missing[session_id], log))
                self.tails[session_id] = log_report.tail(read.log)
