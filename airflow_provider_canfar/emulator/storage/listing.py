"""The document of a node, with its properties and the nodes in it (*GetNodeAction*)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.http_errors import HttpError, internal_error
from airflow_provider_canfar.emulator.storage.node_tree import link_uri
from airflow_provider_canfar.emulator.storage.node_uri import child_uri, node_uri
from airflow_provider_canfar.emulator.storage.node_xml import VOS, document, node_element
from airflow_provider_canfar.emulator.storage.properties import (
    CREATOR,
    DATE,
    IS_PUBLIC,
    LENGTH,
    QUOTA,
    READABLE,
    WRITABLE,
)

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET

    from airflow_provider_canfar.emulator.storage.node_tree import Node, NodeTree
    from airflow_provider_canfar.emulator.storage.quota import Quota

BUFFER = 8 * 1024
"""How much of a list the server writes before its first bytes leave, with status 200."""


@dataclass(frozen=True)
class Listing:
    """Describes nodes for a caller.

    :param tree: has them.
    :param quota: limits their size.
    :param caller: the user, or None without a credential.
    :param detail: ``min`` for no properties, ``max`` for what the caller may do as well.
    """

    tree: NodeTree
    quota: Quota
    caller: str | None
    detail: str | None

    def document(self, node: Node, *, with_children: bool, vanishes_after: int | None = None) -> str:
        """Return the document of a node.

        A failure in the middle of a long list leaves the first part of the document: its status was sent
        before (*SyncOutput*, *IterableContent*).

        :param with_children: whether it contains the nodes in a folder.
        :param vanishes_after: how many of those are listed before a fault makes the next one vanish.
        :raises HttpError: 500 for a failure in a short list.
        """
        root = self._element(node, node_uri(node.names))
        if not (with_children and node.is_container and self.tree.may_read(node, self.caller)):
            return document(root)
        nodes = root.find(f"{{{VOS}}}nodes")
        assert nodes is not None  # noqa: S101 - for mypy: each folder's element has one
        try:
            for index, child in enumerate(self.tree.children(node)):
                if index == vanishes_after:
                    raise internal_error("java.lang.NullPointerException")
                nodes.append(self._element(child, child_uri(child.names)))
            if vanishes_after is not None and len(nodes) <= vanishes_after:
                raise internal_error("java.lang.NullPointerException")
        except HttpError:
            sent = document(root).encode()
            if len(sent) < BUFFER:
                raise
            return sent[: len(sent) // BUFFER * BUFFER].decode(errors="ignore")
        return document(root)

    def _element(self, node: Node, uri: str) -> ET.Element:
        element = node_element(node, uri, None if self.detail == "min" else self._properties(node))
        target = element.find(f"{{{VOS}}}target")
        if target is not None:
            target.text = link_uri(node)
        return element

    def _properties(self, node: Node) -> dict[str, str]:
        modified = datetime.fromtimestamp(node.status.st_mtime, UTC)
        properties = {
            DATE: modified.strftime("%Y-%m-%dT%H:%M:%S.") + f"{modified.microsecond // 1000:03d}",
            IS_PUBLIC: "true" if node.is_allocation_parent else "false",
            **self.tree.properties.read(node.path),
        }
        if self.caller is not None:
            properties[CREATOR] = self.caller
        if node.is_container:
            properties[LENGTH] = str(self.tree.bytes_used(node))
        elif node.is_data:
            properties[LENGTH] = str(node.status.st_size)
        if node.is_allocation:
            properties[QUOTA] = str(self.quota.limit)
        if self.detail == "max" and self.tree.may_read(node, self.caller):
            properties[READABLE] = "true"
        if self.detail == "max" and self.tree.may_write(node, self.caller):
            properties[WRITABLE] = "true"
        return properties
