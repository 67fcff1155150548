"""What goes wrong between a request and its response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_canfar.emulator.faults.fault import Fault, check_choice, check_type

OUTAGES = ("busy", "close", "hang", "refuse")
"""The modes of an outage: 503 from the proxy, closed connections, no response, nothing listening."""

RETRY_AFTER_FORMS = ("seconds", "date")
"""The two forms that HTTP has for ``Retry-After``."""


@dataclass(kw_only=True)
class RetryLater(Fault):
    """A response that may say when to come again.

    :param retry_after: seconds until then; with None, there is no ``Retry-After``.
    :param retry_after_form: ``seconds``, or ``date`` for a date in HTTP's format. A date has whole seconds,
        and is never earlier than asked for.
    """

    retry_after: float | None = 1.0
    retry_after_form: str = "seconds"

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_choice("retry_after_form", self.retry_after_form, RETRY_AFTER_FORMS)
        check_type("retry_after", self.retry_after, (int, float, type(None)), "a number of seconds or None")


@dataclass(kw_only=True)
class Latency(Fault):
    """Delays the response.

    :param seconds: for how long.
    """

    seconds: float = 0.0


@dataclass(kw_only=True)
class Outage(RetryLater):
    """Takes the whole platform down.

    :param mode: what that looks like. ``busy``: 503 from the proxy; ``close``: closed connections; ``hang``:
        no response; ``refuse``: nothing listens.
    :param seconds: how long an outage of mode ``refuse`` lasts.
    """

    mode: str = "busy"
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        if self.mode not in OUTAGES:
            raise ValueError(f"Unknown outage mode {self.mode!r}; expected one of {', '.join(OUTAGES)}")
        if self.mode == "refuse" and not self.seconds > 0:
            raise ValueError(
                "An outage of mode 'refuse' needs seconds: no request can end it while nothing listens"
            )


@dataclass(kw_only=True)
class DropBefore(Fault):
    """Closes the connection before the request is handled."""


@dataclass(kw_only=True)
class Busy(RetryLater):
    """503, as for a TransientException of the server (*RestAction.run*)."""


@dataclass(kw_only=True)
class TooManyRequests(RetryLater):
    """429 with an HTML page, as from the proxy in front; the server itself has no such limit."""


@dataclass(kw_only=True)
class Html(Fault):
    """502 with an HTML page, as from a proxy in front."""


@dataclass(kw_only=True)
class NotDeployed(Fault):
    """404 with Tomcat's own page, as for every path of the platform while Tomcat runs without the service."""


@dataclass(kw_only=True)
class ExpiredToken(Fault):
    """401, as if the token had expired; a login still works."""


@dataclass(kw_only=True)
class Forbidden(Fault):
    """403 for the platform's calls; a login still works.

    :param message: why, for example ``No POSIX Principal`` (*SkahaAction*), ``permission denied -- reason:
        invalid proxy certficate`` (*RestAction.run*, which spells it so), or ``Not authorized to create a
        headless session`` (*PostAction* before version 1.3).
    """

    message: str = "Not authorized to use the skaha system"


@dataclass(kw_only=True)
class ServerError(Fault):
    """500, and the request is not handled."""


@dataclass(kw_only=True)
class Response(Fault):
    """Responds with something else, for example with statistics in the format of an older server.

    :param status: the HTTP status.
    :param body: a text, or a value that is sent as JSON.
    :param content_type: by default ``text/plain`` for a text and ``application/json`` for a value.
    """

    status: int = 200
    body: Any = ""
    content_type: str | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("status", self.status, int, "an HTTP status")


@dataclass(kw_only=True)
class Repeat(Fault):
    """Refuses a request with a message that repeats its credentials and its form, the shortest value first.

    Each message is in the next of seven encodings (:data:`~.encodings.ENCODINGS`).

    :param status: the HTTP status.
    """

    status: int = 400

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("status", self.status, int, "an HTTP status")


@dataclass(kw_only=True)
class NotCreated(Fault):
    """A create gets 500 'jobs.batch not found', and no session is created."""


@dataclass(kw_only=True)
class CreatedUnseen(Fault):
    """A create gets 500 'jobs.batch not found', although a session is created."""


@dataclass(kw_only=True)
class DropAfter(Fault):
    """Handles the request, and closes the connection before the response."""


@dataclass(kw_only=True)
class Truncated(Fault):
    """Sends the first half of the response."""
