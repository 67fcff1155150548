"""Moves a node within the service (*InternalTransferAction*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.http_errors import bad_request
from airflow_provider_canfar.emulator.storage.node_faults import node_fault
from airflow_provider_canfar.emulator.storage.node_uri import child_uri, document_names, node_path

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.storage.node_tree import Node, NodeTree
    from airflow_provider_canfar.emulator.storage.node_uri import Names
    from airflow_provider_canfar.emulator.storage.transfers import Transfer


def move_node(tree: NodeTree, transfer: Transfer, caller: str | None) -> dict[str, str]:
    """Move a node, and return its new place as the job's result (*InternalTransferAction*).

    A destination that is a folder gets the node inside; any other that exists is refused.

    :raises HttpError: when the server refuses it.
    """
    if transfer.keep_bytes:
        raise bad_request("copyNode is not implemented")
    source_names, names = document_names(transfer.target), document_names(transfer.direction)
    source = tree.resolve(source_names, caller, follow=False)
    if source is None:
        raise node_fault("NodeNotFound", node_path(source_names))
    folder, name = _destination(tree, source, names, caller)
    inside, outside = node_path(folder.names), node_path(source.names)
    if source.is_container and outside in inside:  # The server compares text, so /a is "in" /ab, too.
        paths = f"source path {outside} in resolved path {inside}"
        raise node_fault("InvalidArgument", f"Cannot move container node into its descendants: {paths}")
    parent = tree.resolve(source.names[:-1], caller, follow=False) if source.names else None
    for each, place in ((parent, source.names), (folder, folder.names)):
        if each is None or not tree.may_write(each, caller):
            raise node_fault("PermissionDenied", node_path(place))
    if tree.child(folder, name):
        taken = node_path((*folder.names, name))
        raise node_fault("DuplicateNode", f"destination is an existing DataNode: {taken}")
    tree.move(source, folder, name)
    return {"destination": child_uri((*folder.names, name))}


def _destination(tree: NodeTree, source: Node, names: Names, caller: str | None) -> tuple[Node, str]:
    """Return the folder that a node is moved to, and its name there."""
    found = tree.resolve(names, caller, follow=True)
    if found is not None and found.is_container:
        return found, source.names[-1] if source.names else ""
    if found is not None:
        raise node_fault("DuplicateNode", f"destination is an existing DataNode: {node_path(names)}")
    parent = tree.resolve(names[:-1], caller, follow=True)
    if parent is None or not parent.is_container:
        raise node_fault("NodeNotFound", f"Parent directory for destination {node_path(names)}")
    return parent, names[-1]
