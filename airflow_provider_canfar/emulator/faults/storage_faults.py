"""What goes wrong in the file service under ``/arc``.

The faults of requests work there too: ``drop_before`` and ``drop_after`` with ``{"method": "PUT", "path":
"^/arc/files"}`` lose an upload before or after it is done, and ``latency`` makes lists slow.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_canfar.emulator.faults.fault import Fault, check_type
from airflow_provider_canfar.emulator.faults.request_faults import RetryLater


@dataclass(kw_only=True)
class ReadOnly(RetryLater):
    """503 for whatever would change a file, as during maintenance (*RestAction.checkWritable*)."""

    retry_after: float | None = 180.0

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request would change a file."""
        return path.startswith("/arc/") and method not in ("GET", "HEAD") and super().matches(method, path)


@dataclass(kw_only=True)
class CutUpload(Fault):
    """Closes the connection in the middle of an upload; the file is left empty.

    :param after: how many bytes the server has read by then.
    """

    after: int = 0

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("after", self.after, int, "a number of bytes")


@dataclass(kw_only=True)
class CutDownload(CutUpload):
    """Closes the connection in the middle of a download.

    :param after: how many bytes the client has got by then.
    """


@dataclass(kw_only=True)
class ChecksumMismatch(Fault):
    """412 for an upload with a digest, as if its bytes had been changed on the way; leaves the file empty."""


@dataclass(kw_only=True)
class StaleDigest(Fault):
    """A download, or its headers, with the digest of other bytes, as after a session has changed the file."""


@dataclass(kw_only=True)
class MkdirRace(Fault):
    """Another client creates the folder just before; the request gets 500, and the folder is there."""


@dataclass(kw_only=True)
class ListRace(Fault):
    """A file vanishes while its folder is listed.

    The list then ends there: with 500, or, when its beginning has been sent already, as half a document with
    status 200.

    :param after: how many files are listed before it; the server sends the list in pieces of 8 KiB.
    """

    after: int = 0

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("after", self.after, int, "a number of files")
