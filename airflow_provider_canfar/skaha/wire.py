"""Specs to requests, responses to models. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from airflow_provider_canfar.skaha import validation
from airflow_provider_canfar.skaha.command.bootstrap import SHELL
from airflow_provider_canfar.skaha.errors import ServerError, SpecError
from airflow_provider_canfar.skaha.fields import text as cell_text
from airflow_provider_canfar.skaha.http.client import Request
from airflow_provider_canfar.skaha.http.response import unreadable
from airflow_provider_canfar.skaha.json_rows import read_json, read_rows, read_sessions
from airflow_provider_canfar.skaha.models import (
    Image,
    Kind,
    ResourceOptions,
    Session,
    SessionSpec,
    Stats,
)
from airflow_provider_canfar.skaha.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_canfar.skaha.credentials import RegistryCredential
    from airflow_provider_canfar.skaha.http.response import ApiResponse

M = TypeVar("M", bound=BaseModel)


def create_form(spec: SessionSpec, replica: int, name: str | None = None) -> list[tuple[str, str]]:
    """Return the parameters that create one replica.

    The kind is always sent, as ``type``: its default depends on the server's version.

    :param name: the session's whole name, if not the spec's own with the replica's suffix.
    :raises SpecError: if the name is invalid.
    """
    return [*_session(spec, replica, name), *spec.parameters.pairs, *_replica_variables(spec, replica)]


def create_body(spec: SessionSpec, replica: int, name: str | None = None) -> str:
    """Return the same as a form's body, which adds only the replica's own part to what is encoded already."""
    own = urlencode([*_session(spec, replica, name), *_replica_variables(spec, replica)])
    return f"{own}&{spec.parameters.form}" if spec.parameters.form else own


def create_request(
    spec: SessionSpec, replica: int, name: str | None = None, registry: RegistryCredential | None = None
) -> Request:
    """Return the request that creates one replica, with what no message may repeat of it.

    :param name: as for :func:`create_form`.
    :param registry: credentials for a private image.
    """
    return Request(
        "POST",
        "session",
        form=create_body(spec, replica, name),
        headers=registry.headers() if registry else None,
        secrets=(*_secrets(spec), *((registry.secret, registry.username) if registry else ())),
        public=(name or spec.name, spec.image),
    )


def _secrets(spec: SessionSpec) -> tuple[str, ...]:
    """Return the values of the environment, and the words that the bootstrap carries, also as it has them."""
    parameters = spec.parameters
    values = [*spec.env.values(), *(value for _, value in parameters.env)]
    if parameters.cmd == SHELL and parameters.args:
        words: str | Sequence[str] = spec.command if spec.command is not None else spec.args or []
        arguments = words.split() if isinstance(words, str) else list(words)
        # Neither the program, nor the bootstrap itself: "-c", its line of shell and "sh".
        values += [*arguments[spec.command is not None :], *parameters.args.split(" ")[3:]]
    return tuple(map(Secret, values))


def _session(spec: SessionSpec, replica: int, name: str | None) -> list[tuple[str, str]]:
    name = validation.host_name(validation.session_name(name or spec.replica_name(replica)))
    resources = [(field, getattr(spec, field)) for field in ("cores", "ram", "gpus")]
    return [
        ("name", name),
        ("image", spec.image),
        ("type", spec.kind.value),
        *((field, f"{value:g}") for field, value in resources if value is not None),
    ]


def _replica_variables(spec: SessionSpec, replica: int) -> list[tuple[str, str]]:
    if spec.kind != Kind.HEADLESS:
        return []
    return [("env", f"REPLICA_ID={replica}"), ("env", f"REPLICA_COUNT={spec.replicas}")]


def sessions(response: ApiResponse) -> list[Session]:
    """Parse a list of the account's sessions; rows that cannot be read are skipped."""
    return read_sessions(response, Session.model_validate, Session)


def anonymous_sessions(response: ApiResponse) -> list[Session]:
    """Parse a list of all users' sessions, which have no ids."""
    return read_rows(response, Session.model_validate, Session)


def session(response: ApiResponse) -> Session:
    """Parse one session; where the response has no id, it has that in the request."""
    session = _parse(Session, response)
    return session if session.id else session.model_copy(update={"id": response.path.rpartition("/")[2]})


def context(response: ApiResponse) -> ResourceOptions:
    """Parse the resources that the platform offers."""
    return _parse(ResourceOptions, response)


def stats(response: ApiResponse) -> Stats:
    """Parse how busy the platform is."""
    return _parse(Stats, response)


def images(response: ApiResponse) -> list[Image]:
    """Parse the images that the platform knows."""
    return [image for image in read_rows(response, _image, Image) if image.id]


def repositories(response: ApiResponse) -> list[str]:
    """Parse the registries that the platform trusts."""
    listed = read_json(response)
    if not isinstance(listed, list):
        raise unreadable(response)
    return [name for name in map(cell_text, listed) if name]


def created_id(response: ApiResponse) -> str:
    """Parse the id of a created session: one word on a line of its own, in plain text.

    The line break is required: a truncated response would be an id as well, of no session.
    """
    try:
        if response.text.endswith("\n"):
            return validation.session_id(response.text.strip())
    except SpecError:
        pass
    raise unreadable(response)


def text(response: ApiResponse) -> str:
    """Return plain text: a log, events, or the empty body of a DELETE."""
    return response.text


def user(response: ApiResponse) -> str:
    """Return the user that the platform has authenticated."""
    if name := response.headers.get("x-vo-authenticated"):
        return name
    raise ServerError(
        f"{response.base} did not say which user it authenticated. Is it a Science Platform?",
        method=response.method,
        path=response.path,
        status=response.status,
    )


def _image(data: Mapping[str, Any]) -> Image:
    return Image.model_validate({"id": None, **data})


def _parse(model: type[M], response: ApiResponse) -> M:
    try:
        return model.model_validate(read_json(response))
    except ValidationError:
        raise unreadable(response) from None
