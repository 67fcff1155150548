"""A file without a name, for libraries that read from a path only.

OpenSSL loads a private key from a path. A temporary file with a name would survive a SIGKILL.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def memory_file(text: str) -> Iterator[str]:
    """Yield a path, valid in this process only, at which a text can be read once.

    On Linux the file is in memory. Elsewhere it is in the folder for temporary files, but has no name there
    by the time that it has content: the system deletes it with the process.
    """
    with _open_file() as file:
        file.write(text.encode())
        file.flush()
        file.seek(0)
        yield f"/dev/fd/{file.fileno()}"


def _open_file() -> IO[bytes]:
    try:
        return os.fdopen(os.memfd_create("canfar"), "w+b")
    except (AttributeError, OSError):  # Not Linux; or a sandbox without it.
        return tempfile.TemporaryFile()
