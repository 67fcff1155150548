"""Following the logs of running sessions, where ``logging_interval`` asks for it. Pure.

The platform returns the whole log each time, and a kubelet that rotates logs returns only the newest file. So
what was shown is remembered by its length and its last characters; a log without those characters at that
place has been cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.task_sessions.log_text import clean_lines, last_lines, shorten_line, size

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session

#: Each log is a slow request of its own: this many are read per list, in turn.
LOGS_PER_LIST = 10

#: How a line of a function's result begins (decorators/_function_runner.py); people do not need to see it.
RESULT = "canfar-result "

#: How many characters before the end of what was shown must still be there.
REMEMBERED = 200


#: The shortest piece of a line that is shown.
SHORTEST_PIECE = 60


class LogFollower:
    """What has been shown of each log.

    :param interval: seconds between two reads of one log; None to follow none.
    :param max_log_bytes: how much of each log is shown; None: all of it.
    """

    def __init__(self, interval: float | None, max_log_bytes: int | None = None) -> None:
        self._interval = interval
        self._max_log_bytes = max_log_bytes
        self._due_at: dict[str, float] = {}
        self._shown: dict[str, tuple[int, str]] = {}
        #: Session id -> how many more bytes of its log are shown; without those of which none has been shown.
        self._room: dict[str, int] = {}

    def observe(self, session: Session, at: float) -> None:
        """Take in a session: its log is followed while it runs."""
        has_room = self._room.get(session.id, 1) > 0
        if self._interval is not None and session.status.value == "Running" and has_room:
            self._due_at.setdefault(session.id, at)
        else:
            self._due_at.pop(session.id, None)

    def due(self, at: float) -> list[str]:
        """Return the ids of the sessions whose logs to read now."""
        return [session_id for session_id, when in self._due_at.items() if at >= when][:LOGS_PER_LIST]

    def wake_at(self) -> float | None:
        """Return when to read the next log, in seconds since the epoch; None when there is none to read."""
        return min(self._due_at.values(), default=None)

    def new_lines(self, session_id: str, log: str, at: float, prefix: str = "") -> list[str]:
        r"""Take in a log, and return its new lines; the last one once it is complete.

        >>> follower = LogFollower(60)
        >>> follower.new_lines("k3v9x2qa", "one\ntw", 0)
        ['one']
        >>> follower.new_lines("k3v9x2qa", "one\ntwo\n", 60)
        ['two']

        :param prefix: what each line begins with, to name its session.
        """
        # Last in the dict, so that each log gets its turn.
        self._due_at.pop(session_id, None)
        self._due_at[session_id] = at + (self._interval or 0.0)
        complete = log[: log.rfind("\n") + 1]
        length, end = self._shown.get(session_id, (0, ""))
        self._shown[session_id] = (len(complete), complete[-REMEMBERED:])
        if complete[:length].endswith(end):
            return self._bounded(session_id, complete[length:], prefix)
        return [
            f"{prefix}(The beginning of this log was dropped since it was last shown.)",
            *self._bounded(session_id, complete, prefix),
        ]

    def _bounded(self, session_id: str, new: str, prefix: str) -> list[str]:
        """Return the new lines as far as there is room for them, and what was omitted."""
        if self._max_log_bytes is None:
            return [f"{prefix}{line}" for line in _readable_lines(new)]
        room = self._room.get(session_id, self._max_log_bytes)
        # A trigger shares its event loop with thousands of others: it does not clean megabytes to show a few.
        lines = [f"{prefix}{line}" for line in _readable_lines(new[-2 * room :] if room > 0 else "")]
        if len(new) <= 2 * room and sum(map(size, lines)) <= room:
            self._room[session_id] = room - sum(map(size, lines))
            return lines
        self._room[session_id] = 0
        self._due_at.pop(session_id, None)
        shown = last_lines(lines, room)
        if not shown and lines and room > SHORTEST_PIECE:
            shown = [shorten_line(lines[-1], room - 1)]
        return [
            f"{prefix}(Some lines are omitted here.)",
            *shown,
            f"{prefix}{self._last_note()}",
        ]

    def _last_note(self) -> str:
        return (
            f"(This log is not followed any further: max_log_bytes is {self._max_log_bytes:,}. Its end is "
            "shown when the session has ended.)"
        )


def _readable_lines(log: str) -> list[str]:
    return [line for line in clean_lines(log) if not line.startswith(RESULT)]
