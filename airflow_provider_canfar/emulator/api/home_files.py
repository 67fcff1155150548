"""The files that the emulator's page lists: those of the account's home."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILES = 1000
"""More are counted, but not listed."""


def home_files(home: Path) -> dict[str, Any]:
    """Return the files and folders below a folder by their paths, without following links."""
    paths = sorted(_below(home))
    listed = [entry for path in paths[:MAX_FILES] if (entry := _entry(path, home))]
    return {"folder": str(home), "files": listed, "count": len(paths)}


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield folder / parent / name


def _entry(path: Path, home: Path) -> dict[str, Any] | None:
    try:
        status = path.lstat()
    except OSError:  # It has vanished meanwhile.
        return None
    name = os.fsencode(path.relative_to(home)).decode(errors="replace")
    is_folder = stat.S_ISDIR(status.st_mode)
    return {
        "name": f"{name}/" if is_folder else name,
        "size": None if is_folder else status.st_size,
        "modified": status.st_mtime,
    }
