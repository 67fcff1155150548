"""Following the logs of running sessions, where ``logging_interval`` asks for it. Pure.

The platform returns the whole log each time, and a kubelet that rotates logs returns only the newest file. So
what was shown is remembered by its length and its last characters; a log without those characters at that
place has been cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session

#: Each log is a slow request of its own: this many are read per list, in turn.
LOGS_PER_LIST = 10

#: How a line of a function's result begins (decorators/_function_runner.py); people do not need to see it.
RESULT = "canfar-result "

#: How many characters before the end of what was shown must still be there.
REMEMBERED = 200


class LogFollower:
    """What has been shown of each log.

    :param interval: seconds between two reads of one log; None to follow none.
    """

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._due_at: dict[str, float] = {}
        self._shown: dict[str, tuple[int, str]] = {}

    def observe(self, session: Session, at: float) -> None:
        """Take in a session: its log is followed while it runs."""
        if self._interval is not None and session.status.value == "Running":
            self._due_at.setdefault(session.id, at)
        else:
            self._due_at.pop(session.id, None)

    def due(self, at: float) -> list[str]:
        """Return the ids of the sessions whose logs to read now."""
        return [session_id for session_id, when in self._due_at.items() if at >= when][:LOGS_PER_LIST]

    def wake_at(self) -> float | None:
        """Return when to read the next log, in seconds since the epoch; None when there is none to read."""
        return min(self._due_at.values(), default=None)

    def new_lines(self, session_id: str, log: str, at: float) -> list[str]:
        r"""Take in a log, and return its new lines; the last one once it is complete.

        >>> follower = LogFollower(60)
        >>> follower.new_lines("k3v9x2qa", "one\ntw", 0)
        ['one']
        >>> follower.new_lines("k3v9x2qa", "one\ntwo\n", 60)
        ['two']
        """
        # Last in the dict, so that each log gets its turn.
        self._due_at.pop(session_id, None)
        self._due_at[session_id] = at + (self._interval or 0.0)
        complete = log[: log.rfind("\n") + 1]
        length, end = self._shown.get(session_id, (0, ""))
        self._shown[session_id] = (len(complete), complete[-REMEMBERED:])
        if complete[:length].endswith(end):
            return _readable_lines(complete[length:])
        return [
            "(The beginning of this log was dropped since it was last shown.)",
            *_readable_lines(complete),
        ]


def _readable_lines(log: str) -> list[str]:
    return [line for line in log.splitlines() if not line.startswith(RESULT)]
