"""A response of the platform, and which error an unsuccessful one means. No I/O.

Here HTTP's status codes and the server's sentences become the classes of :mod:`~.errors`.
"""

from __future__ import annotations

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
from airflow_provider_canfar.skaha.http.html_text import text_of
from airflow_provider_canfar.skaha.http.redaction import Redactor
from airflow_provider_canfar.skaha.http.urls import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

#: How many bytes of an unsuccessful response are looked at.
MAX_ERROR = 64 * 1024

#: The longest part of a server's message that ours quotes, in characters.
MAX_QUOTE = 500

#: Of a longer line, only so many characters are searched for secrets, and at most MAX_QUOTE quoted.
_MAX_SEARCHED = 4 * MAX_QUOTE

#: Headers of a request whose last word is a secret.
_SECRET_HEADERS = ("authorization", "x-skaha-registry-auth")


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response to a request.

    :param path: of the request, relative to the platform's base URL.
    :param base: the platform's base URL.
    :param headers: looked up by their names in lower case.
    :param request_headers: the headers of the request, some of which contain secrets.
    :param secrets: other secrets in the request, which no message may repeat.
    :param public: what the request shows openly, such as the session's name.
    """

    method: str
    path: str
    base: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    request_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    public: tuple[str, ...] = field(default=(), repr=False)

    @property
    def text(self) -> str:
        """The body as text. A log is whatever a program wrote, so invalid UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def excerpt(self, text: str, *, is_cut: bool = False) -> str:
        """Return the beginning of a text of the server's, without what is secret in the request.

        :param is_cut: whether the text went on where it ends.
        """
        from_headers = (
            word for name in _SECRET_HEADERS for word in self.request_headers.get(name, "").split()[-1:]
        )
        return excerpt(text, Redactor((*from_headers, *self.secrets), self.public), is_cut=is_cut)

    @property
    def is_success(self) -> bool:
        """Whether the platform did what was requested. An HTML page means that something else responded."""
        return 200 <= self.status < 300 and not self.is_html

    @property
    def is_html(self) -> bool:
        """Whether it is a page for a browser, which the platform's API never sends.

        A file of the storage may be one, and comes with its name (cavern's GetAction, HeadAction).
        """
        is_page = "html" in self.headers.get("content-type", "").lower()
        return is_page and "content-disposition" not in self.headers


def error_from(response: ApiResponse) -> RequestError:
    """Return the error that an unsuccessful response means.

    The status says whether the server may have acted: a 4xx refuses beforehand, a 5xx may come afterwards (a
    create that responds 500 has often created a session).
    """
    if 200 <= response.status < 300:
        return unreadable(response)
    quote = first_line(response)
    facts: dict[str, Any] = {
        "method": response.method,
        "path": response.path,
        "status": response.status,
        "server_message": quote,
        "maybe_applied": response.status >= 500,
    }
    message = summary(response.method, response.path, response.status, quote)
    if response.status < 400:
        target = response.excerpt(without_secrets(response.headers.get("location", "")))
        return Rejected(
            f"{message} Redirects are not followed; this one is to {target!r}. Is {response.base} right?",
            **facts,
        )
    if response.status == 401 or any(words in quote for words in _UNAUTHENTICATED):
        return AuthenticationError(message, **facts)
    if response.status == 404:
        return _not_found(response, message, facts)
    if response.status in {408, 429, 503}:
        return ServiceBusy(message, retry_after=retry_after(response), **facts)
    if response.status < 500:
        return Rejected(message, **facts)
    if "jobs.batch" in quote:
        message += (
            " (The platform could not start it: it is too busy, a quota is exceeded, or Kubernetes rejected "
            "something in the request.)"
        )
    return ServerError(message, **facts)


def summary(method: str, path: str, status: int | None, quote: str) -> str:
    """Return the sentence with which the message of an unsuccessful response begins.

    >>> summary("GET", "image", 400, "no such kind"), summary("GET", "image", 500, "")
    ('GET image failed with status 400: no such kind.', 'GET image failed with status 500 and no message.')

    :param quote: the server's own words.
    """
    failed = f"{method} {path} failed with status {status}"
    return f"{failed}: {quote.rstrip('.')}." if quote else f"{failed} and no message."


# A request without any credential gets 400 (the group client's own words); a proxy certificate that the
# server does not accept gets 403, with this very spelling (RestAction).
_UNAUTHENTICATED = ("group memberships for anonymous", "invalid proxy certficate")


def _not_found(response: ApiResponse, message: str, facts: dict[str, Any]) -> RequestError:
    """Believe a 404 only if the server names the session: a proxy without its service says 404 as well."""
    resource, _, session_id = response.path.partition("/")
    is_named = session_id and re.search(rf"\b{re.escape(session_id)}\b", response.text)
    if resource == "session" and is_named and not response.is_html:
        return NotFound(message, **facts)
    return ServerError(
        f"{message} (This did not come from the platform: {response.base} is wrong, or the service is down.)",
        **facts,
    )


def unreadable(response: ApiResponse) -> ServerError:
    """Return the error for a response of an unexpected form, with its first line."""
    quote = first_line(response)
    return ServerError(
        f"Could not read the response to {response.method} {response.path} (status {response.status}): "
        f"{quote or 'empty'!r}. Something on the way may have responded in the platform's place.",
        method=response.method,
        path=response.path,
        status=response.status,
        server_message=quote,
        maybe_applied=True,
    )


def first_line(response: ApiResponse) -> str:
    """Return the first line of the server's message, without HTML tags and without secrets.

    A server may well repeat what it refuses: "Invalid refresh token: ..." contains the whole token (MITREid,
    which SKA IAM is made of), and pages about a header that is too long show the header.
    """
    text = response.body[:MAX_ERROR].decode("utf-8", "replace")
    if response.is_html or text.lstrip()[:1] == "<":
        text = text_of(text)
    # The first line of JSON may be just a bracket: its lines are quoted as one.
    lines = [text] if text.lstrip()[:1] in ("{", "[") else text.splitlines()
    filled = filter(None, (" ".join(line.split()) for line in lines))
    line, is_last = next(filled, ""), next(filled, None) is None
    return response.excerpt(line, is_cut=is_last and len(response.body) >= MAX_ERROR)


def excerpt(text: str, redactor: Redactor, *, is_cut: bool = False) -> str:
    """Return the beginning of a server's text, on one line and without secrets.

    :param is_cut: whether the text went on where it ends.
    """
    is_cut = is_cut or len(text) > _MAX_SEARCHED
    text = redactor.redact(text[:_MAX_SEARCHED], is_cut=is_cut)
    text = "".join(character for character in text if character.isprintable())
    if not text or (len(text) <= MAX_QUOTE and not is_cut):
        return text
    return f"{text[:MAX_QUOTE]}..."


def retry_after(response: ApiResponse) -> float | None:
    """Return the seconds after which the server wants the next request; it gives seconds or a date."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())
