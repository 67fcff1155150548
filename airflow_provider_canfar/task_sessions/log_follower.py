"""Following the logs of sessions that still run, for those who ask. Pure.

The platform gives a whole log each time, and a kubelet that rotates it gives only the newest file. So what
was shown is remembered by its length and its end, and a log in which that end is no longer where it was is
told to have been cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session

#: Each log is a slow request of its own. Of many sessions, so many are followed per look, in turn.
FOLLOWED_PER_LOOK = 10

#: How a line begins that brings a function's result (decorators/runner.py): it is nothing for people.
RESULT = "canfar-result "

#: How many characters before the end of what was shown must still be there.
REMEMBERED = 200


class LogFollower:
    """What has been shown of each log.

    :param interval: seconds between two looks at one log; None to follow none.
    """

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._due_at: dict[str, float] = {}
        self._shown: dict[str, tuple[int, str]] = {}

    def observe(self, session: Session, at: float) -> None:
        """Take in how a session stands: a log is followed while its session runs."""
        if self._interval is not None and session.status.value == "Running":
            self._due_at.setdefault(session.id, at)
        else:
            self._due_at.pop(session.id, None)

    def due(self, at: float) -> list[str]:
        """Return the ids whose logs shall be looked at now."""
        return [session_id for session_id, when in self._due_at.items() if at >= when][:FOLLOWED_PER_LOOK]

    def wake_at(self) -> float | None:
        """Say when the next log shall be looked at, in seconds since the epoch; None when none shall."""
        return min(self._due_at.values(), default=None)

    def new_lines(self, session_id: str, log: str, at: float) -> list[str]:
        r"""Take in a log, and return its new lines; the last one once it is complete.

        >>> following = LogFollower(60)
        >>> following.new_lines("k3v9x2qa", "one\ntw", 0)
        ['one']
        >>> following.new_lines("k3v9x2qa", "one\ntwo\n", 60)
        ['two']
        """
        # Put last in the dict: each log gets its turn.
        self._due_at.pop(session_id, None)
        self._due_at[session_id] = at + (self._interval or 0.0)
        complete = log[: log.rfind("\n") + 1]
        length, end = self._shown.get(session_id, (0, ""))
        self._shown[session_id] = (len(complete), complete[-REMEMBERED:])
        if complete[:length].endswith(end):
            return _for_people(complete[length:])
        return ["(This log was cut at its beginning since it was last shown.)", *_for_people(complete)]


def _for_people(log: str) -> list[str]:
    return [line for line in log.splitlines() if not line.startswith(RESULT)]
