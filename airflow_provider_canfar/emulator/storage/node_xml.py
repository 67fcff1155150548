"""Node documents (*NodeWriter*, *NodeReader*)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.storage.node_faults import node_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_canfar.emulator.storage.node_tree import Node

VOS = "http://www.ivoa.net/xml/VOSpace/v2.0"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TYPES = ("ContainerNode", "DataNode", "LinkNode")
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
READ_ONLY = ["creator", "length", "date", "MD5", "quota", "readable", "writable"]

ET.register_namespace("vos", VOS)
ET.register_namespace("xsi", XSI)


@dataclass
class NodeDocument:
    """A node as a request describes it.

    :param uri: its URI.
    :param type: one of :data:`TYPES`.
    :param properties: new values by URI; None deletes a property.
    """

    uri: str
    type: str
    properties: dict[str, str | None] = field(default_factory=dict)


def node_element(node: Node, uri: str, properties: Mapping[str, str] | None) -> ET.Element:
    """Return the element of a node, without the nodes in it.

    :param properties: values by URI; with None, the element has no properties.
    """
    kind = node_type(node)
    element = ET.Element(f"{{{VOS}}}node", {"uri": uri, f"{{{XSI}}}type": f"vos:{kind}"})
    if properties is not None:
        if kind == "DataNode":
            element.set("busy", "false")
        parent = ET.SubElement(element, f"{{{VOS}}}properties")
        for key, value in sorted(properties.items()):
            child = ET.SubElement(parent, f"{{{VOS}}}property", {"uri": key})
            child.text = value
            if key.rpartition("#")[2] in READ_ONLY:
                child.set("readOnly", "true")
    names = {"ContainerNode": ("nodes",), "DataNode": ("accepts", "provides"), "LinkNode": ("target",)}[kind]
    for name in names:
        ET.SubElement(element, f"{{{VOS}}}{name}")
    return element


def node_type(node: Node) -> str:
    """Return the type of a node, one of :data:`TYPES`."""
    return "ContainerNode" if node.is_container else "LinkNode" if node.is_link else "DataNode"


def document(element: ET.Element) -> str:
    """Return the document of an element."""
    ET.indent(element)
    return f"{HEAD}{ET.tostring(element, encoding='unicode')}\n"


def read_node(body: bytes) -> NodeDocument:
    """Return the node that a document describes.

    :raises HttpError: 400 for a document that is not one of a node: among other things, a folder needs an
        element for the nodes in it, even if there are none.
    """
    root = parse(body)
    if root.tag != f"{{{VOS}}}node":
        raise _invalid(f"XML failed schema validation: unexpected element {root.tag}")
    uri, kind = root.get("uri"), root.get(f"{{{XSI}}}type", "").rpartition(":")[2]
    if not uri:
        raise _invalid("uri attribute not found in root element")
    if kind not in TYPES:
        raise node_fault("TypeNotSupported", f"unsupported node type: {kind}")
    if kind == "ContainerNode" and root.find(f"{{{VOS}}}nodes") is None:
        raise _invalid(f"nodes element not found in ContainerNode: {uri}")
    found = NodeDocument(uri, kind)
    for each in root.iterfind(f"{{{VOS}}}properties/{{{VOS}}}property"):
        key = each.get("uri")
        if not key:
            raise _invalid("uri attribute not found in property element")
        found.properties[key] = None if each.get(f"{{{XSI}}}nil") == "true" else each.text or ""
    return found


def parse(body: bytes) -> ET.Element:
    """Return the root of a document.

    :raises HttpError: 400 when it cannot be read, or has a document type.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise _invalid("Error reading XML: DOCTYPE is disallowed")
    try:
        return ET.fromstring(body)  # noqa: S314 - small, and without entities
    except ET.ParseError as error:
        raise _invalid(f"XML failed schema validation: {error}") from error


def _invalid(sentence: str) -> Exception:
    return node_fault("InvalidArgument", f"invalid input: {sentence}")
