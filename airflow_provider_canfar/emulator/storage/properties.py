"""Properties of files and folders, as extended attributes.

A program that rewrites a file in place changes its bytes and leaves its attributes, here as on the platform:
the digest that an upload has stored is then that of other bytes (*ExtendedFileAttributes*).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CORE = "ivo://ivoa.net/vospace/core#"
MD5, TYPE, ENCODING = f"{CORE}MD5", f"{CORE}type", f"{CORE}encoding"
LENGTH, DATE, CREATOR, QUOTA = f"{CORE}length", f"{CORE}date", f"{CORE}creator", f"{CORE}quota"
IS_PUBLIC = f"{CORE}ispublic"
CADC = "ivo://cadc.nrc.ca/vospace/core#"
READABLE, WRITABLE = f"{CADC}readable", f"{CADC}writable"

#: Only the server sets these (*FileSystemNodePersistence.IMMUTABLE_PROPS*, and what follows from the file).
IMMUTABLE = (MD5, LENGTH, DATE, CREATOR, QUOTA, READABLE, WRITABLE)

ATTRIBUTE = "user.canfar.properties"


class PropertyStore:
    """Reads and writes properties.

    Where the file system has no extended attributes, and on macOS, whose attributes Python does not reach, a
    table in memory takes their place. Its key is the inode, which a rename and a rewrite keep.

    :param attribute: the name of the extended attribute.
    """

    def __init__(self, attribute: str = ATTRIBUTE) -> None:
        self._attribute = attribute
        self._table: dict[tuple[int, int], dict[str, str]] = {}

    def read(self, path: Path) -> dict[str, str]:
        """Return the properties of a file or folder by URI; none for a link."""
        if path.is_symlink():
            return {}
        try:
            stored: dict[str, str] = json.loads(os.getxattr(path, self._attribute, follow_symlinks=False))
        except (AttributeError, OSError, ValueError):
            return {**self._table.get(_key(path), {})}
        return stored

    def write(self, path: Path, properties: dict[str, str]) -> None:
        """Replace the properties of a file or folder."""
        try:
            os.setxattr(path, self._attribute, json.dumps(properties).encode(), follow_symlinks=False)
        except (AttributeError, OSError):
            self._table[_key(path)] = properties

    def forget(self, path: Path) -> None:
        """Drop the properties of what is about to be deleted, whose inode the next file may get."""
        self._table.pop(_key(path), None)


def _key(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def changed_properties(stored: dict[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return properties with some changed; those that the server alone sets stay as they are.

    :param changes: new values by URI; None deletes a property.
    """
    allowed = {key: value for key, value in changes.items() if key not in IMMUTABLE}
    kept = {key: value for key, value in stored.items() if key not in allowed}
    return kept | {key: value for key, value in allowed.items() if value is not None}
