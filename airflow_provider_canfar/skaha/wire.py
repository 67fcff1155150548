"""Requests out of specs, models out of answers. No I/O."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from airflow_provider_canfar.skaha import validation as rules
from airflow_provider_canfar.skaha.command.encoding import encode
from airflow_provider_canfar.skaha.errors import ServerError, SpecError
from airflow_provider_canfar.skaha.http.response import unreadable, without_secrets
from airflow_provider_canfar.skaha.models import (
    Event,
    Image,
    Kind,
    ResourceOptions,
    Session,
    SessionSpec,
    Stats,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from urllib.parse import SplitResult

    from airflow_provider_canfar.skaha.http.response import ApiResponse

#: Without this type the server reads no parameter of a POST; without the charset, it reads them as ISO-8859-1
#: (SyncInput, and Tomcat's default).
FORM_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"

T = TypeVar("T")


def service_url(url: str, what: str = "platform's URL") -> str:
    """Return a service's URL, without a slash at its end, if a credential may be sent there.

    :param what: what it is, for the message.
    :raises SpecError: for what is no URL, and for plain http to any host but this one.
    """
    if "@" in url:
        # It is not shown: what is before the "@" is most likely a secret, and may hold what ends a host.
        raise SpecError(
            f"The {what} is refused: it must hold no user and no password. Give the credential by itself."
        )
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _can_be_asked(url.strip(), parts):
        raise SpecError(
            f"The {what} {without_secrets(url)!r} is refused: it must be a whole address. "
            "Write it like 'https://ws-uv.canfar.net/skaha/v1'."
        )
    if parts.query or parts.fragment:
        raise SpecError(
            f"The {what} {without_secrets(url)!r} is refused: it must hold no query and no "
            "fragment. Leave them out."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SpecError(
            f"The {what} {url!r} is refused: plain http would show the credential to everybody on the way, "
            "and is taken for this machine only (127.0.0.1, localhost). Write it with https."
        )
    return url.strip().rstrip("/")


def _can_be_asked(url: str, parts: SplitResult) -> bool:
    """Whether it has no space, and a host and a port that can be; urlsplit looks at neither."""
    try:
        httpx.URL(url)
        return parts.port != 0 and re.search(r"\s", url) is None
    except (ValueError, httpx.InvalidURL):
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its very name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def create_form(spec: SessionSpec, replica: int, name: str | None = None) -> list[tuple[str, str]]:
    """Return the parameters that create one replica.

    The kind is always sent, as ``type``: what is left out is a matter of the server's version.

    :param name: the session's whole name, where it is not the spec's own with the replica's suffix.
    :raises SpecError: for a command or an environment that nothing can carry.
    """
    name = rules.host_name(rules.session_name(name or spec.replica_name(replica)))
    form = [("name", name), ("image", spec.image), ("type", spec.kind.value)]
    for resource in ("cores", "ram", "gpus"):
        value = getattr(spec, resource)
        if value is not None:
            form.append((resource, f"{value:g}"))
    if spec.kind != Kind.HEADLESS:
        return form
    parameters = encode(
        command=spec.command,
        cmd=spec.cmd,
        args=spec.args,
        env=spec.env,
        command_encoding=spec.command_encoding,
    )
    if parameters.cmd is not None:
        form.append(("cmd", parameters.cmd))
    if parameters.args is not None:
        form.append(("args", parameters.args))
    env = (*parameters.env, ("REPLICA_ID", str(replica)), ("REPLICA_COUNT", str(spec.replicas)))
    return [*form, *(("env", f"{variable}={value}") for variable, value in env)]


def form_body(form: Iterable[tuple[str, str]]) -> bytes:
    """Encode parameters as :data:`FORM_TYPE` says, in ASCII."""
    return urlencode(list(form)).encode("ascii")


def sessions(answer: ApiResponse) -> list[Session]:
    """Read a list of sessions."""
    return _read(_SESSIONS, answer)


def session(answer: ApiResponse) -> Session:
    """Read one session."""
    return _read(_SESSION, answer)


def context(answer: ApiResponse) -> ResourceOptions:
    """Read what the platform offers."""
    return _read(_CONTEXT, answer)


def stats(answer: ApiResponse) -> Stats:
    """Read how busy the platform is."""
    return _read(_STATS, answer)


def images(answer: ApiResponse) -> list[Image]:
    """Read the images that the platform knows."""
    return _read(_IMAGES, answer)


def repositories(answer: ApiResponse) -> list[str]:
    """Read the hosts whose images the platform trusts."""
    return _read(_WORDS, answer)


def created_id(answer: ApiResponse) -> str:
    """Read the id of a session that was created: one word on a line of its own, in plain text.

    The line's end is looked for: an answer that was cut would be an id as well, of no session.
    """
    try:
        if answer.text.endswith("\n"):
            return rules.session_id(answer.text.strip())
    except SpecError:
        pass
    raise unreadable(answer)


def text(answer: ApiResponse) -> str:
    """Read plain text: a log, events, or the nothing that a DELETE answers with."""
    return answer.text


def user(answer: ApiResponse) -> str:
    """Read as whom the platform has answered."""
    if name := answer.headers.get("x-vo-authenticated"):
        return name
    raise ServerError(
        f"{answer.base} answered, but did not say as whom. Is it a Science Platform?",
        method=answer.method,
        path=answer.path,
        status=answer.status,
    )


def events(printed: str) -> list[Event]:
    """Read the events that kubectl prints: a header, and columns that are padded with spaces.

    Only the message has spaces (or even line ends) in it, and what follows it is either a time or ``<none>``,
    so that a row is read by its shape: it holds where a column is wider than the header says.
    """
    header, _, rows = printed.partition("\n")
    if header.split() != ["TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME"]:
        return []
    return [Event.model_validate(row.groupdict()) for row in _EVENT.finditer(rows)]


_AT = r"(?:<none>|\d{4}-\d\d-\d\dT\S+)"
_EVENT = re.compile(
    rf"^(?P<type>\S+) +(?P<reason>\S+) +(?P<message>.*?) +(?P<first_time>{_AT}) +(?P<last_time>{_AT}) *$",
    re.MULTILINE | re.DOTALL,
)

_SESSIONS = TypeAdapter(list[Session])
_SESSION = TypeAdapter(Session)
_CONTEXT = TypeAdapter(ResourceOptions)
_STATS = TypeAdapter(Stats)
_IMAGES = TypeAdapter(list[Image])
_WORDS = TypeAdapter(list[str])


def _read(adapter: TypeAdapter[T], answer: ApiResponse) -> T:
    try:
        return adapter.validate_json(answer.body)
    except ValidationError:
        raise unreadable(answer) from None
