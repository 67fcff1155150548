"""Lines of a task's log that carry their own severity; a plain string is information."""

from __future__ import annotations


class WarningLine(str):
    """What is in the way, and may pass: an outage, a delete that was not confirmed."""

    __slots__ = ()


class ErrorLine(str):
    """Why something has failed, such as one replica of many."""

    __slots__ = ()
