"""A request's parameters, as Tomcat and the server's *SyncInput* read them."""

from __future__ import annotations

import codecs
import contextlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from airflow_provider_canfar.emulator.api import tomcat
from airflow_provider_canfar.emulator.api.bodies import MAX_BODY, read_body

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.datastructures import FormData
    from starlette.types import Message

MAX_PARAMETERS = 10_000
MAX_HEAD = 8 * 1024


@dataclass(frozen=True)
class Parameters:
    """A request's parameters, in their order.

    :param pairs: decoded names and values.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    def first(self, name: str) -> str | None:
        """Return the first value of a parameter, or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter.

        Names are case-insensitive, but only one spelling counts: *SyncInput* looks for the first name that
        matches, and returns the values of that spelling only.
        """
        spelling = next((key for key, _ in self.pairs if key.lower() == name.lower()), None)
        return [value for key, value in self.pairs if key == spelling]


def check_head(request: Request) -> None:
    """Reject a request that Tomcat's connector rejects before it reaches the server.

    :raises HttpError: when the request line and the headers together exceed 8 KiB, or the query contains a
        character such as a brace that is not percent-encoded.
    """
    scope = request.scope
    query: bytes = scope["query_string"]
    target = len(scope["raw_path"]) + (len(query) + 1 if query else 0)
    line = len(scope["method"]) + target + len("  HTTP/1.1\r\n")
    if line + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) + 2 > MAX_HEAD:
        raise tomcat.rejected("Request header is too large")
    if set(query) & set(b'{}<>|\\^`"'):
        raise tomcat.rejected(
            "Invalid character found in the request target. The valid characters are defined in "
            "RFC 7230 and RFC 3986"
        )


async def read_parameters(request: Request) -> Parameters:
    """Return the parameters of a request.

    GET and DELETE have them in the query. *SyncInput.init* reads those of a POST only if its content type is
    that of a form; Tomcat then puts the query's before the body's. A body of more than 2 MiB (*maxPostSize*)
    or of another type leaves none, without any error.
    """
    query = _form(request.scope["query_string"], "utf-8")
    if request.method != "POST":
        return _limited(query)
    content_type = request.headers.get("content-type", "").lower()
    if not content_type.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return Parameters()
    body = await read_body(request)
    if body is None:
        return Parameters()
    if content_type.startswith("application/x-www-form-urlencoded"):
        return _limited([*query, *_form(body, _charset(content_type))])
    form = await _multipart(request, body)
    return _limited((name, value) for name, value in form.multi_items() if isinstance(value, str))


def _limited(pairs: Iterable[tuple[str, str]]) -> Parameters:
    """Drop the parameters after Tomcat's limit (*maxParameterCount*)."""
    return Parameters(tuple(islice(pairs, MAX_PARAMETERS)))


def _charset(content_type: str) -> str:
    """Return a body's character set; by default ISO-8859-1, as the servlet specification says."""
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name == "charset":
            with contextlib.suppress(LookupError):
                return codecs.lookup(value.strip("\"' ")).name
    return "iso-8859-1"


async def _multipart(request: Request, body: bytes) -> FormData:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    complete = Request(request.scope, receive)
    return await complete.form(max_fields=MAX_PARAMETERS, max_part_size=MAX_BODY)


def _form(encoded: bytes, charset: str) -> Iterator[tuple[str, str]]:
    """Decode ``a=1&b=2``; a name without a value gets an empty string."""
    for part in encoded.split(b"&"):
        if part:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            yield (
                unquote_to_bytes(name).decode(charset, "replace"),
                unquote_to_bytes(value).decode(charset, "replace"),
            )
