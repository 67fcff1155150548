"""What can go wrong, as one tree.

::

    CanfarError
    ├─ SpecError               refused before any request
    ├─ RequestError            method, path, status, the server's words
    │  ├─ AuthenticationError  says which credential, and how to renew it
    │  ├─ Unreachable          no answer: refused, reset, timed out, no such host
    │  │  └─ TLSVerificationError         the server's own TLS certificate is not to be trusted
    │  ├─ ServiceBusy          429 and 503: come back later
    │  ├─ ServerError          500 and its like, and answers that nobody can read
    │  ├─ NotFound             the server itself says that it knows no such session
    │  └─ Rejected             400, 403 and their like: the server's own sentence
    ├─ SessionError            session id, name, replica, last status, last log lines, events
    │  ├─ SessionFailed
    │  ├─ SessionNeverStarted
    │  ├─ SessionTimeout
    │  └─ SessionGone
    └─ PartialFailure          of many: what worked, and why the rest did not

Each says by ``retryable`` whether the same thing, tried again later, may work. All of them survive pickling
and copying: the message is their one positional argument, and the facts are attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AuthenticationError",
    "CanfarError",
    "NotFound",
    "PartialFailure",
    "Rejected",
    "RequestError",
    "ServerError",
    "ServiceBusy",
    "SessionError",
    "SessionFailed",
    "SessionGone",
    "SessionNeverStarted",
    "SessionTimeout",
    "SpecError",
    "TLSVerificationError",
    "Unreachable",
]


class CanfarError(Exception):
    """Whatever this provider raises by itself."""

    retryable: bool = False


class SpecError(CanfarError, ValueError):
    """Refused before any request: the message names the value, the rule and a way out."""


class RequestError(CanfarError):
    """A request that was not answered as hoped. It says nothing about the state of any session.

    :param method: the HTTP method, such as ``GET``.
    :param path: what was asked for, relative to the platform's base URL, such as ``session/k3v9x2qa``.
    :param status: the HTTP status, or None where no answer came.
    :param server_message: the server's own words, on one line.
    :param maybe_applied: whether the server may have acted on it. False is certain: the request never arrived
        or was refused. True is a doubt: after a read time-out or a 500, a session may well have been created.
    """

    def __init__(
        self,
        message: str = "",
        *,
        method: str = "",
        path: str = "",
        status: int | None = None,
        server_message: str = "",
        maybe_applied: bool = False,
    ) -> None:
        super().__init__(message)
        self.method = method
        self.path = path
        self.status = status
        self.server_message = server_message
        self.maybe_applied = maybe_applied


class AuthenticationError(RequestError):
    """The credential is missing, wrong or expired. The message says which one, and how to renew it."""


class Unreachable(RequestError):
    """No answer came: refused, reset, timed out, or no such host."""

    retryable = True


class TLSVerificationError(Unreachable):
    """The server's own TLS certificate is not to be trusted. Asking again does not change it."""

    retryable = False


class ServiceBusy(RequestError):
    """429 or 503: the platform asks to come back later.

    :param retry_after: in how many seconds, where it says so.
    """

    retryable = True

    def __init__(self, message: str = "", *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class ServerError(RequestError):
    """500 and its like, or an answer that cannot be read: a proxy's page, half a JSON."""

    retryable = True


class NotFound(RequestError):
    """The server itself says that it knows no such session: it never was, is destroyed, or is forgotten."""


class Rejected(RequestError):
    """The server refuses: 400, 403 and their like, in its own sentence."""


class SessionError(CanfarError):
    """A session did not do what was wanted of it.

    :param session_id: its id on the platform.
    :param name: its name.
    :param replica: which replica it is, from 1, or None where there is but one.
    :param status: the platform's own last word on it.
    :param log_tail: the last lines of its log.
    :param events: its telling events.
    """

    retryable = True

    def __init__(
        self,
        message: str = "",
        *,
        session_id: str = "",
        name: str = "",
        replica: int | None = None,
        status: str = "",
        log_tail: str = "",
        events: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(message)
        self.session_id = session_id
        self.name = name
        self.replica = replica
        self.status = status
        self.log_tail = log_tail
        self.events = tuple(events)


class SessionFailed(SessionError):
    """It ended, and not in success."""


class SessionNeverStarted(SessionError):
    """It stayed Pending for too long, or its events say that it cannot start."""


class SessionTimeout(SessionError):
    """It ran for longer than it may."""


class SessionGone(SessionError):
    """The platform no longer knows it, and nobody saw how it ended."""


class PartialFailure(CanfarError):
    """Of many, some failed.

    A retry can help when it can help each of those that failed.

    :param results: what worked, by session id or replica.
    :param errors: why the rest did not, by session id or replica.
    """

    def __init__(
        self,
        message: str = "",
        *,
        results: Mapping[Any, Any] | None = None,
        errors: Mapping[Any, Exception] | None = None,
    ) -> None:
        self.results = dict(results or {})
        self.errors = dict(errors or {})
        self.retryable = all(getattr(error, "retryable", False) for error in self.errors.values())
        super().__init__(message or self._in_words())

    def _in_words(self) -> str:
        """Name each that failed, but the same reason only once: a thousand may fail for one."""
        reasons: dict[str, list[str]] = {}
        for key, error in self.errors.items():
            reasons.setdefault(str(error), []).append(str(key))
        told = "; ".join(f"{_enumerated(keys)}: {reason.rstrip('.')}" for reason, keys in reasons.items())
        return f"{len(self.errors)} of {len(self.errors) + len(self.results)} failed. {told}."


def _enumerated(keys: list[str], most: int = 5) -> str:
    """Name at most a handful.

    >>> _enumerated(["1", "2", "3", "4", "5", "6", "7"])
    '1, 2, 3, 4, 5 and 2 more'
    """
    told = ", ".join(keys[:most])
    return f"{told} and {len(keys) - most} more" if len(keys) > most else told
