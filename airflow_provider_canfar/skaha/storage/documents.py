"""The XML documents of VOSpace: parsed and built. Pure.

What a document declares (a DOCTYPE, and so entities) is refused before it is parsed: none of VOSpace's has
one, and entities can grow without bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

#: The largest document that is read, in bytes. A folder's entry takes some 1.5 kB.
MAX_DOCUMENT = 64 * 1024 * 1024

_VOS = "http://www.ivoa.net/xml/VOSpace/v2.0"
_UWS = "http://www.ivoa.net/xml/UWS/v1.0"
_XLINK = "http://www.w3.org/1999/xlink"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CORE = "ivo://ivoa.net/vospace/core#"
_CADC = "ivo://cadc.nrc.ca/vospace/core#"

#: What a storage service says that it is, in its capabilities.
NODES_STANDARD = "ivo://ivoa.net/std/VOSpace/v2.0#nodes"


class Type(Enum):
    """What a node is."""

    FILE = "DataNode"
    FOLDER = "ContainerNode"
    LINK = "LinkNode"


@dataclass(frozen=True, slots=True)
class Node:
    """A file, a folder or a link in the storage.

    :param uri: as the server writes it, ``vos://cadc.nrc.ca~arc/home/jdoe``.
    :param path: ``/home/jdoe``.
    :param size: of a file, or of all files in a folder, which lags behind; in bytes.
    :param modified: when its content last changed.
    :param target: of a link, as its node's path; None if it is outside of the storage.
    :param quota: of an allocation, in bytes.
    :param is_writable: False if the server says that the account may not write to it.
    """

    uri: str
    path: str
    type: Type
    size: int | None = None
    modified: datetime | None = None
    target: str | None = None
    quota: int | None = None
    is_writable: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the server (UWS).

    :param message: why it failed.
    :param destination: of a move that has ended: the path at which the node is.
    """

    phase: str
    message: str = ""
    destination: str | None = None


def parse(body: bytes) -> Element:
    """Parse a document.

    :raises ValueError: if it is not well-formed UTF-8, or declares anything.
    """
    # UTF-8 is what the server writes, and what makes the search for a declaration complete.
    text = body.decode("utf-8-sig")
    if "<!DOCTYPE" in text:
        raise ValueError("it has a DOCTYPE")
    from xml.etree import ElementTree as ET

    try:
        return ET.fromstring(text)  # noqa: S314 (without a DOCTYPE there are no entities)
    except ET.ParseError as error:
        raise ValueError(str(error)) from None


def node(body: bytes) -> tuple[Node, list[Node]]:
    """Parse a node and its children.

    :raises ValueError: if it is no node.
    """
    root = parse(body)
    if root.tag != f"{{{_VOS}}}node":
        raise ValueError(f"it is a {root.tag}")
    children = root.findall(f"{{{_VOS}}}nodes/{{{_VOS}}}node")
    return _node(root), [_node(child) for child in children]


def _node(element: Element) -> Node:
    uri = element.get("uri", "")
    found = dict(_properties(element))
    return Node(
        uri=uri,
        path=_path_of(uri),
        type=Type(element.get(f"{{{_XSI}}}type", "").rpartition(":")[2]),
        size=_number(found.get(f"{_CORE}length")),
        modified=_time(found.get(f"{_CORE}date")),
        target=_target_of(element.findtext(f"{{{_VOS}}}target")),
        quota=_number(found.get(f"{_CORE}quota")),
        is_writable=found.get(f"{_CADC}writable", "") != "false",
    )


def _properties(element: Element) -> Iterator[tuple[str, str]]:
    for one in element.iterfind(f"{{{_VOS}}}properties/{{{_VOS}}}property"):
        yield one.get("uri", ""), (one.text or "").strip()


def _path_of(uri: str) -> str:
    # Not urlsplit, which would cut a name that a session gave at "#" or "?".
    match = re.fullmatch(r"vos://[^/]+(/.*)?", uri, re.DOTALL)
    if match is None:
        raise ValueError(f"it has a node without an address: {uri!r}")
    return "/" + unquote(match[1] or "").strip("/")


def _target_of(uri: str | None) -> str | None:
    # A link to an absolute path is "file://...", which leads nowhere (NodeUtil.getLinkTarget).
    return _path_of(uri.strip()) if uri and uri.strip().startswith("vos://") else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None


def _time(text: str | None) -> datetime | None:
    """Parse a time, which is in UTC and does not say so."""
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or UTC) if time else None


def container(uri: str) -> bytes:
    """Build the document that creates a folder.

    The schema wants ``nodes`` in it, even if there are none (VOSpace-2.1.xsd).
    """
    return (
        f'<vos:node xmlns:vos="{_VOS}" xmlns:xsi="{_XSI}" xsi:type="vos:ContainerNode" uri={quoteattr(uri)}>'
        "<vos:properties/><vos:nodes/></vos:node>"
    ).encode()


def move(source: str, target: str) -> bytes:
    """Build the document that moves a node: a transfer whose direction is another node.

    :param source: the node's URI.
    :param target: its URI afterwards.
    """
    return (
        f'<vos:transfer xmlns:vos="{_VOS}" version="2.1"><vos:target>{escape(source)}</vos:target>'
        f"<vos:direction>{escape(target)}</vos:direction><vos:keepBytes>false</vos:keepBytes></vos:transfer>"
    ).encode()


def job(body: bytes) -> Job:
    """Parse the state of a job.

    :raises ValueError: if it is no job.
    """
    root = parse(body)
    phase = root.findtext(f"{{{_UWS}}}phase")
    if not phase:
        raise ValueError(f"it is a {root.tag}")
    message = root.findtext(f"{{{_UWS}}}errorSummary/{{{_UWS}}}message")
    results = {one.get("id"): one.get(f"{{{_XLINK}}}href") for one in root.iter(f"{{{_UWS}}}result")}
    destination = results.get("destination")
    return Job(
        phase.strip(), " ".join((message or "").split()), _path_of(destination) if destination else None
    )


def is_storage(body: bytes) -> bool:
    """Whether a service's capabilities have VOSpace's nodes.

    :raises ValueError: if they are not capabilities.
    """
    return any(one.get("standardID") == NODES_STANDARD for one in parse(body).iter("capability"))
