"""Deletes nodes: one at a time, or a folder with all that is in it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request, internal_error
from airflow_provider_canfar.emulator.storage.jobs import PartlyDone
from airflow_provider_canfar.emulator.storage.node_faults import node_fault
from airflow_provider_canfar.emulator.storage.node_uri import node_path

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.storage.node_tree import Node, NodeTree
    from airflow_provider_canfar.emulator.storage.node_uri import Names


def delete_node(tree: NodeTree, node: Node, caller: str | None) -> None:
    """Delete a file, a link or an empty folder (*DeleteNodeAction.delete*).

    :raises HttpError: 403 without permission for its folder, 400 for a folder that is not empty.
    """
    if not node.names:
        raise internal_error("java.lang.NullPointerException")
    parent = tree.resolve(node.names[:-1], caller, follow=False)
    if parent is None or not tree.may_write(parent, caller):
        raise node_fault("PermissionDenied", node_path(node.names))
    try:
        tree.delete(node)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise bad_request(f"container node '{node.names[-1]}' is not empty") from error
        raise


def delete_all(tree: NodeTree, names: Names, caller: str | None) -> dict[str, str]:
    """Delete a node with all that is in it, and return the job's results (*RecursiveDeleteNodeRunner*).

    A link is deleted, not what it leads to.

    :raises HttpError: 404 when it does not exist.
    :raises PartlyDone: when something could not be deleted.
    """
    node = tree.resolve(names, caller, follow=False)
    if node is None:
        raise node_fault("NodeNotFound", node_path(names))
    outcomes = _delete_below(tree, node, caller)
    counts = {"successcount": str(outcomes.count(True)), "errorcount": str(outcomes.count(False))}
    results = {name: f"final:{count}" for name, count in counts.items()}
    if False in outcomes:
        raise PartlyDone(results)
    return results


def _delete_below(tree: NodeTree, node: Node, caller: str | None) -> list[bool]:
    """Delete a node after all that is in it, and return for each whether that worked.

    A folder stays if something in it does.
    """
    outcomes: list[bool] = []
    if node.is_container:
        for child in tree.children(node):
            outcomes += _delete_below(tree, child, caller)
    if False not in outcomes:
        try:
            delete_node(tree, node, caller)
            outcomes.append(True)
        except (HttpError, OSError):
            outcomes.append(False)
    return outcomes
