"""What came back for a request, and what it means where it is not what was asked for. No I/O.

Here HTTP's numbers and the server's sentences become the classes of :mod:`~.errors`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    Rejected,
    RequestError,
    ServerError,
    ServiceBusy,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The longest part of a server's words that a message quotes.
QUOTED = 500

#: Headers of a request that show who asks, the secret in their last word.
_SECRET_HEADERS = ("authorization", "x-skaha-registry-auth")

#: What is shorter is a word like any other, and no secret: the emulator's token is "token".
SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What came back for a request.

    :param path: what was asked for, relative to the platform's base URL.
    :param base: the platform's base URL.
    :param headers: asked for by their names in lower case.
    :param sent: the request's headers, of which some hold secrets.
    :param secrets: what else of the request no message may repeat.
    """

    method: str
    path: str
    base: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    sent: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def text(self) -> str:
        """The body as text. Logs are whatever a program wrote, so what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def is_good(self) -> bool:
        """Whether the platform did what was asked. A page says that something else has answered."""
        return 200 <= self.status < 300 and not self.is_html

    @property
    def is_html(self) -> bool:
        """Whether it is a page for a browser, which the platform's API never sends."""
        return "html" in self.headers.get("content-type", "").lower()


def error_from(answer: ApiResponse) -> RequestError:
    """Tell an answer that is no good one as an error.

    The number says whether the server may have acted: a 4xx refuses beforehand, a 5xx may come after the deed
    (a create that answers 500 has often been seen to make a session).
    """
    if 200 <= answer.status < 300:
        return unreadable(answer)
    said = first_line(answer)
    facts: dict[str, Any] = {
        "method": answer.method,
        "path": answer.path,
        "status": answer.status,
        "server_message": said,
        "maybe_applied": answer.status >= 500,
    }
    translate_errors = f"{answer.method} {answer.path} was answered with {answer.status}"
    translate_errors = (
        f"{translate_errors}: {said.rstrip('.')}." if said else f"{translate_errors} and no word."
    )
    if answer.status < 400:
        target = without_secrets(answer.headers.get("location", ""))
        return Rejected(
            f"{translate_errors} A redirect to {target!r} is not followed. Is {answer.base} right?", **facts
        )
    if answer.status == 401 or any(words in said for words in _UNAUTHENTICATED):
        return AuthenticationError(translate_errors, **facts)
    if answer.status == 404:
        return _not_found(answer, translate_errors, facts)
    if answer.status in {408, 429, 503}:
        return ServiceBusy(translate_errors, retry_after=retry_after(answer), **facts)
    if answer.status < 500:
        return Rejected(translate_errors, **facts)
    if "jobs.batch" in said:
        translate_errors += (
            " (The platform could not start it: too busy, over a quota, or something in the request that "
            "Kubernetes refuses.)"
        )
    return ServerError(translate_errors, **facts)


# A request without any credential gets 400 (the group client's own words); a proxy certificate that the
# server does not take gets 403, with this very spelling (RestAction).
_UNAUTHENTICATED = ("group memberships for anonymous", "invalid proxy certficate")


def _not_found(answer: ApiResponse, translate_errors: str, facts: dict[str, Any]) -> RequestError:
    """Believe a 404 only where the server names the session: a proxy without its service says 404 as well."""
    resource, _, session_id = answer.path.partition("/")
    is_named = session_id and re.search(rf"\b{re.escape(session_id)}\b", answer.text)
    if resource == "session" and is_named and not answer.is_html:
        return NotFound(translate_errors, **facts)
    return ServerError(
        f"{translate_errors} (It is not the platform that says so: {answer.base} is wrong, or the service is away.)",
        **facts,
    )


def unreadable(answer: ApiResponse) -> ServerError:
    """Tell that an answer is not what was asked for, with the first line of what came."""
    said = first_line(answer)
    return ServerError(
        f"{answer.method} {answer.path} was answered with {answer.status}, but what came cannot be read: "
        f"{said or 'nothing at all'!r}. Something on the way may have answered in the platform's place.",
        method=answer.method,
        path=answer.path,
        status=answer.status,
        server_message=said,
        maybe_applied=True,
    )


def first_line(answer: ApiResponse) -> str:
    """Return the first line of what the server said, without a page's tags and without a secret.

    Whoever refuses something may well repeat it: "Invalid refresh token: ..." has the token whole (MITREid,
    of which SKA IAM is made), and pages about a header that is too long show the header.
    """
    text = answer.text
    shown = (word for name in _SECRET_HEADERS for word in answer.sent.get(name, "").split()[-1:])
    for secret in (*shown, *answer.secrets):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    if answer.is_html or text.lstrip()[:1] == "<":
        text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->", "\n", text)
        text = html.unescape(re.sub(r"(?s)<[^>]*>?", "\n", text))
    # A JSON's first line may be but a bracket: its lines are told as one.
    lines = [text] if text.lstrip()[:1] in ("{", "[") else text.splitlines()
    line = next(filter(None, (" ".join(line.split()) for line in lines)), "")
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= QUOTED else f"{line[:QUOTED]}..."


def retry_after(answer: ApiResponse) -> float | None:
    """Return in how many seconds the server wants to be asked again, be it said in seconds or as a date."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        wait = parsedate_to_datetime(said) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())


def without_secrets(url: str) -> str:
    """Return a URL as it may be told: without a password, and without its query and its fragment."""
    return re.sub(r"[?#].*", "", re.sub(r"//[^/@]*@", "//***@", url), flags=re.DOTALL)
