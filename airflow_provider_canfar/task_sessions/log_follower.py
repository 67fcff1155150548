"""Following the logs of running sessions: the last lines of a few, every ``logging_interval``. Pure.

The platform returns the whole log each time, and a kubelet that rotates logs returns only the newest file. So
what was shown is remembered by its length and its last characters; a log without those characters at that
place has been cut.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING
from zlib import crc32

from airflow_provider_canfar.task_sessions.log_text import clean_lines, last_lines, shorten_line, size
from airflow_provider_canfar.task_sessions.wait_spec import MAX_LOGGED_REPLICAS

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session

#: The most lines that one read of a log shows; all of it follows when its session has ended.
LINES_PER_READ = 20

#: The most bytes of them. A trigger shares its event loop with thousands of others: it does not clean
#: megabytes to show a few lines.
BYTES_PER_READ = 10_000

#: How a line of a function's result begins (decorators/_function_runner.py); people do not need to see it.
RESULT = "canfar-result "

#: How many characters before the end of what was shown must still be there.
REMEMBERED = 200

#: The shortest piece of a line that is shown.
SHORTEST_PIECE = 60


class LogFollower:
    """What has been shown of each log.

    :param interval: seconds between two reads of one log; None to follow none.
    :param max_log_bytes: how much of each log is shown; None for no limit over all reads.
    :param max_logged: how many logs are followed at once. When one has ended, another takes its place.
    :param jitter: a random number from 0 to 1.
    """

    def __init__(
        self,
        interval: float | None,
        max_log_bytes: int | None = None,
        max_logged: int = MAX_LOGGED_REPLICAS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._interval = interval
        self._max_log_bytes = max_log_bytes
        self._max_logged = max_logged
        self._jitter = jitter
        #: Session id -> when to read its log next; of all that run, in the order in which they began.
        self._due_at: dict[str, float] = {}
        self._shown: dict[str, tuple[int, str]] = {}
        #: Session id -> how many more bytes of its log are shown; without those of which none has been shown.
        self._room: dict[str, int] = {}

    def observe(self, session: Session, at: float) -> None:
        """Take in a session: its log is followed while it runs.

        It has one turn per interval of the clock, and not one at the beginning of each wait: waking the
        worker often must not show the same lines as often.
        """
        has_room = self._room.get(session.id, 1) > 0
        if self._interval is not None and session.status.value == "Running" and has_room:
            self._due_at.setdefault(
                session.id, at + (_phase(session.id) * self._interval - at) % self._interval
            )
        else:
            self._due_at.pop(session.id, None)

    def due(self, at: float) -> list[str]:
        """Return the ids of the sessions whose logs to read now."""
        return [session_id for session_id in self._followed() if at >= self._due_at[session_id]]

    def wake_at(self) -> float | None:
        """Return when to read the next log, in seconds since the epoch; None when there is none to read."""
        return min((self._due_at[session_id] for session_id in self._followed()), default=None)

    def _followed(self) -> list[str]:
        return list(islice(self._due_at, self._max_logged))

    def postpone(self, session_id: str, at: float) -> None:
        """Take in that a log could not be read: the platform is busy, or other tasks were first.

        The next turn comes at random, so that the same tasks are not always first.
        """
        if session_id in self._due_at:
            self._due_at[session_id] = at + (self._interval or 0.0) * (1 + self._jitter()) / 2

    def new_lines(self, session_id: str, log: str, at: float, prefix: str = "") -> list[str]:
        r"""Take in a log, and return the last of its new lines; an incomplete one once it is complete.

        >>> follower = LogFollower(60)
        >>> follower.new_lines("k3v9x2qa", "one\ntw", 0)
        ['one']
        >>> follower.new_lines("k3v9x2qa", "one\ntwo\n", 60)
        ['two']

        :param prefix: what each line begins with, to name its session.
        """
        if session_id in self._due_at:
            self._due_at[session_id] = at + (self._interval or 0.0)
        end_of_log = log.rfind("\n") + 1
        shown, last = self._shown.get(session_id, (0, ""))
        self._shown[session_id] = (end_of_log, log[max(0, end_of_log - REMEMBERED) : end_of_log])
        was_cut = end_of_log < shown or not log.startswith(last, shown - len(last))
        lines = self._bounded(session_id, log[0 if was_cut else shown : end_of_log], prefix)
        note = f"{prefix}(The beginning of this log was dropped since it was last shown.)"
        return [note, *lines] if was_cut else lines

    def _bounded(self, session_id: str, new: str, prefix: str) -> list[str]:
        """Return the last of the new lines as far as there is room for them, and what was omitted."""
        left = self._room.get(session_id, self._max_log_bytes)
        room = BYTES_PER_READ if left is None else min(left, BYTES_PER_READ)
        read = [f"{prefix}{line}" for line in _last_readable_lines(new, 2 * room)]
        last = read[-LINES_PER_READ:]
        shown = last_lines(last, room)
        if not shown and last and room > SHORTEST_PIECE:
            shown = [shorten_line(last[-1], room - 1)]
        has_all = shown == read and len(new) <= 2 * room
        lines = shown if has_all else [f"{prefix}(Some lines are omitted here.)", *shown]
        if left is None:
            return lines
        is_full = room == left and shown != last
        self._room[session_id] = 0 if is_full else left - sum(map(size, shown))
        if is_full:
            self._due_at.pop(session_id, None)
            lines.append(
                f"{prefix}(This log is not followed any further: max_log_bytes is {self._max_log_bytes:,}. "
                "Its end is shown when the session has ended.)"
            )
        return lines


def _phase(session_id: str) -> float:
    """Return a number from 0 to 1 that differs between sessions: not all logs are read at once."""
    return crc32(session_id.encode()) / 2**32


def _last_readable_lines(log: str, most: int) -> list[str]:
    """Clean the last lines of a log, in about so many characters; results of functions are left out."""
    start = max(0, len(log) - most)
    line_start = log.rfind("\n", 0, start) + 1
    if log.startswith(RESULT, line_start):
        start = log.find("\n", start) + 1 or len(log)
    return [line for line in clean_lines(log[start:]) if not line.startswith(RESULT)]
