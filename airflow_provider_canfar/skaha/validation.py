"""What the platform accepts, and what it would reject, drop or mangle: pure functions that check beforehand.

Each returns the value as it will be sent, or raises :class:`~.errors.SpecError` with the value, the rule and
a way out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The registry of an image that names none, as in the platform's own client.
DEFAULT_REGISTRY = "images.canfar.net"

#: A session's name becomes its pod's host name, which Kubernetes limits and, unlike the session's label, the
#: server does not truncate (SessionJobBuilder): Kubernetes then rejects the job, and the create responds 500.
NAME_LENGTH = 63

#: Every create adds these to a replica, after the user's own variables (the platform's client does so too).
REPLICA_VARIABLES = frozenset({"REPLICA_ID", "REPLICA_COUNT"})

# PostAction.validateName accepts [A-Za-z0-9-]+. Kubernetes later rejects a dash at either end, which the
# server reports as 500 "jobs.batch ... not found".
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")

# snakeyaml writes these bare, and kubectl's YAML reads them as booleans, as octal numbers of 64 bits and as
# negative binary ones: Kubernetes rejects the job. What else looks like a number, such as 2026 or 1e3,
# snakeyaml writes in quotes.
_RETYPED_NAME = re.compile(r"y|n|0o0*1?[0-7]{1,21}|0b-[01]+")

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
_WORD = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[a-z0-9]+:[0-9a-f]{32,}"
_IMAGE = re.compile(
    rf"(?:(?P<registry>{_HOST})/)?(?P<path>{_WORD}/{_WORD})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)

#: An id names a session in a path, so it is one plain word. An empty one would request something else: the
#: server responds to ``GET session/`` with an arbitrary session (GetAction).
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def session_name(value: str) -> str:
    """Return the name as the server keeps it: in lower case."""
    if not _NAME.fullmatch(value):
        raise SpecError(
            f"Invalid name {value!r}: must have only letters, digits and '-', and neither start nor end with "
            f"'-'. Try {slug(value)!r}."
        )
    return value.lower()


def host_name(name: str) -> str:
    """Return the whole name of one session, its replica's suffix included, if it can be a host name."""
    if len(name) > NAME_LENGTH:
        raise SpecError(
            f"Invalid name {name!r}: must have at most {NAME_LENGTH} characters, the replica's suffix "
            f"included; it has {len(name)}. Shorten it by {len(name) - NAME_LENGTH}."
        )
    if _RETYPED_NAME.fullmatch(name):
        raise SpecError(
            f"Invalid name {name!r}: the platform's YAML reads it as a boolean or a number, and the session "
            f"would not start. Try {'session-' + name!r}."
        )
    return name


def slug(text: str, otherwise: str = "session") -> str:
    """Turn any text into a valid name.

    :param otherwise: the name for a text that has no letter and no digit.

    >>> slug("my_name."), slug("3C_273"), slug("group.find_stars"), slug("___")
    ('my-name', '3c-273', 'group-find-stars', 'session')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or otherwise


def image_reference(value: str) -> str:
    """Complete an image as the platform's client does: its registry, and ``:latest`` without a tag.

    The platform often rejects ``:latest`` with 400 "unknown or private image" because the server knows only
    the *first* tag of each image that is labelled as a session's in a public project (image-cache): it knows
    an image that has both ``:24.07`` and ``:latest`` by one of them. Use the tag that ``images`` lists, or
    give registry credentials, with which the server accepts any image of a trusted registry.

    >>> image_reference("skaha/astroml:24.07")
    'images.canfar.net/skaha/astroml:24.07'
    """
    match = _IMAGE.fullmatch(value)
    if match is None or (match["registry"] is None and "." in value.partition("/")[0]):
        raise SpecError(
            f"Invalid image {value!r}: must be [registry/]project/name[:tag], with project and name in lower "
            "case, and with its registry if the project's name has a '.'. "
            f"Try '{DEFAULT_REGISTRY}/skaha/astroml:24.07', or one that CanfarHook().images() lists."
        )
    registry = match["registry"] or DEFAULT_REGISTRY
    digest = f"@{match['digest']}" if match["digest"] else ""
    tag = f":{match['tag']}" if match["tag"] else "" if digest else ":latest"
    return f"{registry}/{match['path']}{tag}{digest}"


def environment(value: Mapping[object, object]) -> dict[str, str]:
    """Return the environment as strings. No message contains any value of it.

    Numbers are written as Python does. Whether anything can carry it is decided where it is encoded.
    """
    env: dict[str, str] = {}
    for name, content in value.items():
        if not isinstance(name, str):
            raise SpecError(f"Invalid env variable {name!r}: its name must be a string.")
        if name in REPLICA_VARIABLES:
            raise SpecError(
                f"Invalid env variable {name}: each replica gets its own when it is launched. "
                "Choose another name."
            )
        if isinstance(content, bool) or not isinstance(content, str | int | float):
            raise SpecError(
                f"Invalid env variable {name}: its value must be a string or a number, not "
                f"{type(content).__name__}, which has no single spelling. "
                "Write it as the string that your program reads."
            )
        env[name] = Secret(content)
    return env


def is_session_id(value: str) -> bool:
    """Whether it can be the id of a session."""
    return _ID.fullmatch(value) is not None


def session_id(value: str) -> str:
    """Return the id if it can be one."""
    if not is_session_id(value):
        raise SpecError(
            f"Invalid session id {value!r}: must be one word, such as 'k3v9x2qa'. "
            "create() returns ids, and fetch() lists them."
        )
    return value
