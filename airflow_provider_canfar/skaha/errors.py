"""What can go wrong, as one tree.

::

    CanfarError
    ├─ SpecError               an argument is invalid; nothing was sent
    ├─ RequestError            method, path, status, the server's message
    │  ├─ AuthenticationError  says which credential, and how to renew it
    │  ├─ Unreachable          no response: refused, reset, timed out, no such host
    │  │  └─ TLSVerificationError         the server's own TLS certificate could not be verified
    │  ├─ ServiceBusy          429 and 503: try again later
    │  ├─ ServerError          500 and the like, and unreadable responses
    │  ├─ ResponseTooLarge     more than this client reads; most of it was not
    │  ├─ NotFound             the server itself says that it knows no such session or file
    │  └─ Rejected             400, 403 and the like: the server's own sentence
    ├─ SessionError            session id, name, replica, last status, last log lines, events
    │  ├─ SessionFailed
    │  ├─ SessionNeverStarted
    │  ├─ SessionTimeout
    │  └─ SessionGone
    └─ PartialFailure          some of many failed: their errors, and the results of the others

The attribute ``retryable`` says whether the same call, tried again later, may succeed. All of them survive
pickling and copying: the message is their one positional argument, and the facts are attributes.
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
    "ResponseTooLarge",
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
    """Any error that this provider raises itself."""

    retryable: bool = False


class SpecError(CanfarError, ValueError):
    """An argument is invalid, and nothing was sent. The message has the value, the rule and a way out."""


class RequestError(CanfarError):
    """A request that failed. It says nothing about the state of any session.

    :param method: the HTTP method, such as ``GET``.
    :param path: relative to the platform's base URL, such as ``session/k3v9x2qa``.
    :param status: the HTTP status, or None without a response.
    :param server_message: the server's own words, on one line.
    :param maybe_applied: whether the server may have acted on the request. False is certain: it never arrived
        or was refused. True is not: after a read timeout or a 500, the session may well exist.
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

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes, as arguments for another error about the same request."""
        names = ("method", "path", "status", "server_message", "maybe_applied")
        return {name: getattr(self, name) for name in names}


class AuthenticationError(RequestError):
    """The credential is missing, wrong or expired. The message says which one, and how to renew it."""


class Unreachable(RequestError):
    """No response arrived: the connection was refused, reset or timed out, or there is no such host."""

    retryable = True


class TLSVerificationError(Unreachable):
    """The server's own TLS certificate could not be verified. A retry does not change that."""

    retryable = False


class ServiceBusy(RequestError):
    """429 or 503: the platform asks us to try again later.

    :param retry_after: in how many seconds, if the server says so.
    """

    retryable = True

    def __init__(self, message: str = "", *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes, as arguments for another error about the same request."""
        return super().facts | {"retry_after": self.retry_after}


class ServerError(RequestError):
    """500 and the like, or an unreadable response: a proxy's page, truncated JSON."""

    retryable = True


class ResponseTooLarge(RequestError):
    """A response has more bytes than this client reads. A retry would read as many again."""


class NotFound(RequestError):
    """The server itself says that it knows no such session (or has forgotten it), or no such file."""


class Rejected(RequestError):
    """The server refused the request with 400, 403 or the like; the message has its own sentence."""


class SessionError(CanfarError):
    """A session did not do what it was launched for.

    :param session_id: its id on the platform.
    :param name: its name.
    :param replica: its replica number, from 1, or None where no session is known.
    :param status: the platform's own last word for its status.
    :param log_tail: the last lines of its log.
    :param events: the events that explain it.
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
    """A session ended without success."""


class SessionNeverStarted(SessionError):
    """A session stayed Pending for too long, or its events say that it cannot start."""


class SessionTimeout(SessionError):
    """A session ran longer than allowed."""


class SessionGone(SessionError):
    """The platform no longer knows a session, and its end was not observed."""


class PartialFailure(CanfarError):
    """An operation failed for some of many sessions or replicas.

    A retry can help only if it can help each of those that failed.

    :param results: what succeeded, by session id or replica.
    :param errors: why the others failed, by session id or replica.
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
        super().__init__(message or self._summary())

    def _summary(self) -> str:
        """Name each that failed, but the same reason only once: a thousand may fail for one."""
        keys_by_reason: dict[str, list[str]] = {}
        for key, error in self.errors.items():
            keys_by_reason.setdefault(str(error), []).append(str(key))
        reasons = "; ".join(
            f"{_enumerated(keys)}: {reason.rstrip('.')}" for reason, keys in keys_by_reason.items()
        )
        return f"{len(self.errors)} of {len(self.errors) + len(self.results)} failed. {reasons}."


def _enumerated(keys: list[str], limit: int = 5) -> str:
    """Name at most a handful.

    >>> _enumerated(["1", "2", "3", "4", "5", "6", "7"])
    '1, 2, 3, 4, 5 and 2 more'
    """
    first = ", ".join(keys[:limit])
    return f"{first} and {len(keys) - limit} more" if len(keys) > limit else first
