"""What a session's log says about the function that ran in it: a success without a result is a failure."""

from __future__ import annotations

import hmac
from dataclasses import replace

from airflow_provider_canfar.decorators._result_lines import ParsedLog, parse_log
from airflow_provider_canfar.skaha.errors import NotFound
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.task_sessions.ended_session import EndedSession, LogReader

#: Appended to the status of a session that completed without returning a result.
WITHOUT_RESULT = "without a result"


def try_marker(result_key: str, name: SessionName) -> str:
    """Return the nonce of one try, to which the runner appends the replica and the number of replicas.

    With it, a result counts only for the session that printed it, and only for the same number of replicas:
    with another number the replica would have had a different share of the work. A program that knows its
    session's name does not know the nonce.

    :param result_key: of the task instance, from its :class:`~airflow_provider_canfar.skaha.naming.Identity`.
    :param name: of any session of the try.
    """
    of_try = f"{name.key}-{name.epoch}-{name.try_number}"
    return hmac.new(result_key.encode(), of_try.encode(), "sha256").hexdigest()[:32]


class ResultReader(LogReader):
    """Takes a function's result out of the log of each session.

    :param result_key: of the task instance.
    :param replicas: how many replicas there are.
    """

    #: As much as the platform keeps: a result is somewhere in the log, and its output may follow.
    min_bytes = 16 * 1024 * 1024

    def __init__(self, result_key: str, replicas: int) -> None:
        self._result_key = result_key
        self._replicas = replicas

    def read(self, ended: EndedSession) -> EndedSession:
        """Read the result. A session that succeeded without a result counts as failed.

        :raises RequestError: when the platform did not return the log; the result is read again later.
        """
        outcome, parsed = ended.outcome, self._parse(ended)
        if outcome.succeeded:
            if ended.fault is not None and not isinstance(ended.fault, NotFound):
                raise ended.fault
            outcome = replace(outcome, result=parsed.result)
            if parsed.result is None:
                outcome = replace(outcome, succeeded=False, status=f"{outcome.status} {WITHOUT_RESULT}")
        if outcome.status.endswith(WITHOUT_RESULT):
            return replace(ended, outcome=outcome, log=f"{parsed.log}{parsed.missing_reason}\n")
        return replace(ended, outcome=outcome, log=parsed.log)

    def is_complete(self, ended: EndedSession) -> bool:
        """Whether a successful session's log has its end; True where there is none to expect."""
        if ended.fault is not None or not ended.outcome.succeeded:
            return True
        return self._parse(ended).exit_status is not None

    def _parse(self, ended: EndedSession) -> ParsedLog:
        name = SessionName.parse(ended.outcome.name)
        if name is None:
            raise AssertionError(f"{ended.outcome.name} is not a name that this provider generates")
        # The try that launched the session, which may be earlier than this one if the session was adopted.
        marker = try_marker(self._result_key, name)
        return parse_log(ended.log, f"{marker}-{name.replica}-{self._replicas}")
