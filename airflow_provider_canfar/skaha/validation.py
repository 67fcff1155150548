"""What the platform takes, and what it would refuse, drop or mangle: pure functions that say so beforehand.

Each returns the value as it will be sent, or raises :class:`~.errors.SpecError` with the value, the rule and
a way out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where an image without a registry is taken from, as the platform's own client has it.
DEFAULT_REGISTRY = "images.canfar.net"

#: A session's name becomes its pod's host name, which Kubernetes bounds and, unlike the session's label, the
#: server does not truncate (SessionJobBuilder): the job is then refused, and the create answers 500.
NAME_LENGTH = 63

#: The server adds these to every replica, after what the user gives (the platform's client does so too).
REPLICA_VARIABLES = frozenset({"REPLICA_ID", "REPLICA_COUNT"})

# PostAction.validateName takes [A-Za-z0-9-]+. A dash at either end is refused later by Kubernetes, which
# the server reports as 500 "jobs.batch ... not found"; a leading digit may be read as a number on the way.
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?")

# snakeyaml writes these bare, and kubectl's YAML 1.1 reads them as booleans: the job is refused.
_RETYPED_NAMES = frozenset({"y", "n"})

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
_WORD = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[a-z0-9]+:[0-9a-f]{32,}"
_IMAGE = re.compile(
    rf"(?:(?P<registry>{_HOST})/)?(?P<path>{_WORD}/{_WORD})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)

#: An id names a session in a path, so it is one plain word. An empty one would ask for something else: the
#: server answers ``GET session/`` with an arbitrary session (GetAction).
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def session_name(value: str) -> str:
    """Return the name as the server keeps it: in lower case."""
    if not _NAME.fullmatch(value):
        raise SpecError(
            f"The name {value!r} is refused: the platform takes letters, digits and '-' only, with a letter "
            f"first and no '-' at the end. Try {_slug(value)!r}."
        )
    return value.lower()


def host_name(name: str) -> str:
    """Return the whole name of one session, its replica's suffix included, if it can name a host."""
    if len(name) > NAME_LENGTH:
        raise SpecError(
            f"The name {name!r} is refused: it has {len(name)} characters, and the platform takes "
            f"{NAME_LENGTH}, the replica's suffix included. Shorten it by {len(name) - NAME_LENGTH}."
        )
    if name in _RETYPED_NAMES:
        raise SpecError(
            f"The name {name!r} is refused: the platform's YAML reads it as true or false, and the session "
            f"would not start. Try {'session-' + name!r}."
        )
    return name


def _slug(value: str) -> str:
    """Turn a refused name into one that is taken.

    >>> _slug("my_name."), _slug("7th")
    ('my-name', 's-7th')
    """
    slug = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") or "session"
    return slug if slug[0].isalpha() else f"s-{slug}"


def image_reference(value: str) -> str:
    """Complete an image as the platform's client does: its registry, and ``:latest`` without a tag.

    ``:latest`` so often answers 400 "unknown or private image" because the server knows only the *first* tag
    of each image that is labelled as a session's in a public project (image-cache): an image that has both
    ``:24.07`` and ``:latest`` is known by one of them. Name the tag that ``images`` lists, or give registry
    credentials, with which any image of a trusted registry is taken.

    >>> image_reference("skaha/astroml:24.07")
    'images.canfar.net/skaha/astroml:24.07'
    """
    match = _IMAGE.fullmatch(value)
    if match is None or (match["registry"] is None and "." in value.partition("/")[0]):
        raise SpecError(
            f"The image {value!r} is refused: it must read [registry/]project/name[:tag], with project and "
            "name in lower case, and with its registry where the project's name has a '.'. "
            f"Try '{DEFAULT_REGISTRY}/skaha/astroml:24.07', or look at what images() lists."
        )
    registry = match["registry"] or DEFAULT_REGISTRY
    digest = f"@{match['digest']}" if match["digest"] else ""
    tag = f":{match['tag']}" if match["tag"] else "" if digest else ":latest"
    return f"{registry}/{match['path']}{tag}{digest}"


def environment(value: Mapping[object, object]) -> dict[str, str]:
    """Return the environment in strings. No value of it is ever part of a message.

    Numbers are written as Python does. What can be carried at all is decided where it is encoded.
    """
    env: dict[str, str] = {}
    for name, content in value.items():
        if not isinstance(name, str):
            raise SpecError(f"The variable {name!r} of env is refused: its name must be a string.")
        if name in REPLICA_VARIABLES:
            raise SpecError(
                f"The variable {name} of env is refused: each replica is given its own by the launch. "
                "Choose another name."
            )
        if isinstance(content, bool) or not isinstance(content, str | int | float):
            raise SpecError(
                f"The variable {name} of env is refused: its value is a {type(content).__name__}, and only "
                "strings and numbers have one spelling. Write it as the string that your program reads."
            )
        env[name] = str(content)
    return env


def session_id(value: str) -> str:
    """Return the id if it can be one."""
    if not _ID.fullmatch(value):
        raise SpecError(
            f"The session id {value!r} is refused: an id is one word, such as 'k3v9x2qa'. "
            "Ids are what create() returns and fetch() lists."
        )
    return value
