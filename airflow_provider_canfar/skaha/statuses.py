"""The kinds and the statuses that a session can have."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """The kind of a session. All but headless ones are interactive: they open in a browser."""

    HEADLESS = "headless"
    NOTEBOOK = "notebook"
    DESKTOP = "desktop"
    CARTA = "carta"
    CONTRIBUTED = "contributed"
    FIREFLY = "firefly"
    DESKTOP_APP = "desktop-app"

    @classmethod
    def parse(cls, word: object) -> Kind:
        """Parse a kind that a user wrote.

        :raises SpecError: for any other word.

        >>> Kind.parse("notebook")
        <Kind.NOTEBOOK: 'notebook'>
        """
        try:
            return cls(str(word))
        except ValueError:
            raise SpecError(f"Invalid kind {word!r}: must be one of {', '.join(cls)}.") from None


class Status(StrEnum):
    """The status of a session: one member for each meaning, whichever word a server uses for it.

    Pending may come back after Running (the platform has preempted the session and starts it from scratch),
    and shows for a moment at the end of a session; Terminating is not an end yet (SessionBuilder.withStatus).
    An unknown word is UNKNOWN: neither an end nor a success.
    """

    PENDING = "Pending"
    RUNNING = "Running"
    TERMINATING = "Terminating"
    COMPLETED = "Completed"
    FAILED = "Failed"
    UNKNOWN = "Unknown"

    @classmethod
    def of(cls, word: str | None) -> Status:
        """Interpret a server's word. Servers said ``Succeeded`` and ``Error`` until September 2025.

        >>> Status.of("Succeeded"), Status.of("Failed (BackoffLimitExceeded)"), Status.of("Frozen")
        (<Status.COMPLETED: 'Completed'>, <Status.FAILED: 'Failed'>, <Status.UNKNOWN: 'Unknown'>)
        """
        # Servers 1.0.0 to 1.0.3 append the reason in parentheses.
        return _STATUS_WORDS.get((word or "").partition("(")[0].strip().lower(), cls.UNKNOWN)

    @classmethod
    def parse(cls, word: str) -> Status:
        """Parse a status that a user wrote, in any server's spelling.

        :raises SpecError: for a word that no server uses.

        >>> Status.parse("succeeded")
        <Status.COMPLETED: 'Completed'>
        """
        status = cls.of(word)
        if status is cls.UNKNOWN:
            known = ", ".join(one for one in cls if one is not cls.UNKNOWN)
            raise SpecError(f"Invalid status {word!r}: must be one of {known}.")
        return status

    @property
    def is_final(self) -> bool:
        """Whether the session has ended and will not change any more."""
        return self is Status.COMPLETED or self is Status.FAILED

    @property
    def is_success(self) -> bool:
        """Whether the session has ended with exit code 0."""
        return self is Status.COMPLETED


#: Our own word for a session that left the platform's list before its end was observed; no server uses it.
GONE = "Gone"

#: Our own word for a session that was destroyed because it did not start; no server uses it.
NEVER_STARTED = "NeverStarted"

_STATUS_WORDS: Mapping[str, Status] = {
    **{status.lower(): status for status in Status},
    "succeeded": Status.COMPLETED,
    "error": Status.FAILED,
}
