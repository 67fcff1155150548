"""The quota of allocations, the folders directly in ``/home`` and ``/projects``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.storage.uploads import Room

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_canfar.emulator.config import EmulatorConfig
    from airflow_provider_canfar.emulator.storage.node_tree import Node, NodeTree


class Quota:
    """Limits the bytes in each allocation.

    On the platform the file system counts what sessions write as well, and stops them too; here the limit
    holds for uploads only.

    :param tree: has the files.
    :param config: returns the current limit.
    """

    def __init__(self, tree: NodeTree, config: Callable[[], EmulatorConfig]) -> None:
        self._tree = tree
        self._config = config

    @property
    def limit(self) -> int:
        """How many bytes an allocation may hold."""
        return int(self._config().storage_quota)

    def room(self, node: Node) -> Room:
        """Return what is left for a file.

        Counts the files of its allocation.
        """
        is_silent = self._config().quota_response == "disconnect"
        allocation = self._tree.allocation_of(node)
        left = None if allocation is None else max(0, self.limit - self._tree.bytes_used(allocation))
        return Room(left, is_silent=is_silent)
