"""The nodes of the service: the files, folders and links in the folder that sessions share."""

from __future__ import annotations

import os
import stat
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.http_errors import bad_request, internal_error
from airflow_provider_canfar.emulator.storage.node_faults import node_fault
from airflow_provider_canfar.emulator.storage.node_uri import BASE, Names, is_legal, node_path, node_uri
from airflow_provider_canfar.emulator.storage.properties import IS_PUBLIC, PropertyStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VISIT_LIMIT = 20  # PathResolver.visitLimit
ALLOCATION_PARENTS: tuple[Names, ...] = ((), ("home",), ("projects",))
NEW_FILE_MODE = 0o660  # without an execute bit, as the service's
NEW_FOLDER_MODE = 0o770


@dataclass(frozen=True)
class Node:
    """A file, folder or link.

    :param names: its path in the service.
    :param path: where it is on this machine.
    :param status: its status, not that of a link's target.
    """

    names: Names
    path: Path
    status: os.stat_result

    @property
    def is_container(self) -> bool:
        """Whether it is a folder, *ContainerNode*."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_data(self) -> bool:
        """Whether it is a file, *DataNode*."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link, *LinkNode*."""
        return stat.S_ISLNK(self.status.st_mode)

    @property
    def is_allocation(self) -> bool:
        """Whether it is a folder with a quota (*FileSystemNodePersistence.isAllocation*)."""
        return (
            self.is_container
            and self.names not in ALLOCATION_PARENTS
            and self.names[:-1] in ALLOCATION_PARENTS
        )

    @property
    def is_allocation_parent(self) -> bool:
        """Whether it is a folder that only administrators write to."""
        return self.names in ALLOCATION_PARENTS


class NodeTree:
    """Finds, creates and deletes nodes, and knows who may.

    :param root: the folder that stands for ``/arc``.
    :param user: who owns ``/home/<user>`` and may use each project.
    """

    def __init__(self, root: Path, user: str) -> None:
        self.root = root
        self.properties = PropertyStore()
        self._user = user

    def resolve(self, names: Names, caller: str | None, *, follow: bool) -> Node | None:
        """Return a node, or None when it does not exist (*PathResolver.resolveNode*).

        Links to folders on the way are followed.

        :param caller: the user, or None without a credential.
        :param follow: whether a link at the end of the path is followed, too.
        :raises HttpError: 403 for a folder on the way that the caller may not read; 400 for a link out of the
            service.
        """
        node, pending, visits = self._root(), deque(names), 0
        while pending:
            child = self.child(node, pending.popleft()) if node.is_container else None
            if child is None:
                return None
            if pending and not self.may_read(child, caller):
                raise node_fault("PermissionDenied", node_uri(child.names))
            if child.is_link and (pending or follow):
                visits += 1
                if visits > VISIT_LIMIT:
                    raise node_fault("UnreadableLinkTarget", "Exceeded link limit.")
                target = link_names(child)
                if target is None:
                    raise node_fault("InvalidArgument", f"cannot navigate external link {link_uri(child)}")
                pending.extendleft(reversed(target))
                node = self._root()
            else:
                node = child
        return node

    def child(self, parent: Node, name: str) -> Node | None:
        """Return a node in a folder, or None when it does not exist; a link is not followed."""
        path = parent.path / name
        try:
            status = path.lstat()
        except OSError:  # Also for a name that is too long, of which Java's Files.exists says the same.
            return None
        if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            found = node_path((*parent.names, name))
            raise internal_error(
                f"java.lang.IllegalStateException: found unexpected file system object: {found}"
            )
        return Node((*parent.names, name), path, status)

    def children(self, parent: Node) -> Iterator[Node]:
        """Generate the nodes in a folder.

        :raises HttpError: 500 when one has vanished meanwhile: the server uses it without checking
            (*FileSystemNodePersistence.iterator*).
        """
        for path in sorted(parent.path.iterdir()):
            child = self.child(parent, path.name)
            if child is None:
                raise internal_error("java.lang.NullPointerException")
            yield child

    def may_read(self, node: Node, caller: str | None) -> bool:
        """Return whether a caller may read a node (*VOSpaceAuthorizer.hasSingleNodeReadPermission*)."""
        if node.is_allocation_parent or self._owns(node, caller):
            return True
        return self.properties.read(node.path).get(IS_PUBLIC) == "true"

    def may_write(self, node: Node, caller: str | None) -> bool:
        """Return whether a caller may write a node, or create others in it."""
        return not node.is_allocation_parent and self._owns(node, caller)

    def allocation_of(self, node: Node) -> Node | None:
        """Return the folder whose quota a node counts towards."""
        folder = self._root()
        for name in node.names[:-1]:
            child = self.child(folder, name)
            if child is None or child.is_allocation:
                return child
            folder = child
        return None

    def create_file(self, parent: Node, name: str) -> Node:
        """Create an empty file, and return it."""
        return self._created(parent, name, lambda path: path.touch(NEW_FILE_MODE, exist_ok=False))

    def create_folder(self, parent: Node, name: str) -> Node:
        """Create a folder, and return it."""
        return self._created(parent, name, lambda path: path.mkdir(NEW_FOLDER_MODE))

    def delete(self, node: Node) -> None:
        """Delete a file, a link or an empty folder.

        :raises OSError: when that fails.
        """
        self.properties.forget(node.path)
        if node.is_container:
            node.path.rmdir()
        else:
            node.path.unlink()

    def move(self, node: Node, folder: Node, name: str) -> None:
        """Rename a node; the caller has checked that the new name is free.

        :raises OSError: when that fails.
        """
        node.path.rename(folder.path / name)

    def bytes_used(self, folder: Node) -> int:
        """Return the size of all files in a folder and below it, as CephFS counts them."""
        return sum(_sizes(folder.path))

    def _created(self, parent: Node, name: str, create: Callable[[Path], None]) -> Node:
        uri = node_uri((*parent.names, name))
        try:
            create(parent.path / name)
        except OSError as error:
            path = uri.removeprefix(BASE)
            raise internal_error(
                f"java.lang.RuntimeException: failed to create/update node at {path}"
            ) from error
        node = self.child(parent, name)
        if node is None:
            raise internal_error("java.lang.NullPointerException")
        return node

    def _root(self) -> Node:
        return Node((), self.root, self.root.lstat())

    def _owns(self, node: Node, caller: str | None) -> bool:
        """Return whether a node belongs to a caller, as everything in an allocation does to its owner.

        The folders of other users in ``/home`` are theirs; those in ``/projects`` are all the user's.
        """
        return caller == self._user and (node.names[:1] != ("home",) or node.names[1:2] == (self._user,))


def link_names(link: Node) -> Names | None:
    """Return the names of what a link leads to, or None when that is out of the service's reach.

    So is whatever an absolute link leads to: the service knows it as a ``file:`` URI unless sessions and the
    service mount the storage at one path (*NodeUtil.pathToNode*, *PathResolver.validateTargetURI*).
    """
    names = [*link.names[:-1]]
    for part in link.path.readlink().parts:
        if part == "/" or (part == ".." and not names):
            return None
        if part == "..":
            names.pop()
        else:
            names.append(part)
    return tuple(names)


def link_uri(link: Node) -> str:
    """Return the URI of what a link leads to.

    :raises HttpError: 400 for a target that java.net.URI refuses; one such link spoils a whole list.
    """
    target = os.fsencode(link.path.readlink()).decode(errors="replace")
    if not is_legal(target):
        raise bad_request(f"Illegal character in the target of {node_path(link.names)}")
    names = link_names(link)
    return f"file://{target}" if names is None else f"{BASE}{node_path(names)}"


def _sizes(folder: Path) -> Iterator[int]:
    pending = [folder]
    while pending:
        try:
            entries = [*os.scandir(pending.pop())]
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue
