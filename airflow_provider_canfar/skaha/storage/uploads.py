"""What is known about a file after an upload, and what to do next. Pure.

A PUT truncates its target in place (PutAction opens it with TRUNCATE_EXISTING), and on any later failure the
server truncates it again (cleanupOnFailure): a digest that does not match, a lost connection, a full quota.
So every failure may leave an empty file. Nor can a file be written elsewhere and moved: a move onto an
existing file is refused. But a PUT of the same bytes may be repeated, and the server then tells the length
and the digest of what it has.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, Self

from airflow_provider_canfar.skaha.errors import NotFound, RequestError, Unreachable
from airflow_provider_canfar.skaha.http.retrying import is_retryable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: Bytes that are read or sent at once.
CHUNK = 1024 * 1024

#: The status for bytes that do not match their digest.
CHECKSUM_MISMATCH = 412

# Refused before the target is opened. A 403 comes afterwards (PutAction creates the file, then checks).
_UNTOUCHED = frozenset({400, 401, 404, 405})

#: Last-Modified and Date have whole seconds, each cut off.
_RESOLUTION = 2.0


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an upload, by their length and digest.

    :param md5: in hexadecimal.
    """

    size: int
    md5: str

    @classmethod
    def read(cls, source: IO[bytes]) -> Self:
        """Read a file from its beginning to its end."""
        digest, size = hashlib.md5(usedforsecurity=False), 0
        source.seek(0)
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
        return cls(size, digest.hexdigest())

    @property
    def digest(self) -> str:
        """The header that makes the server check the bytes. Any other algorithm is a 412 (PutAction)."""
        return f"md5={base64.b64encode(bytes.fromhex(self.md5)).decode()}"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What the server tells of a file.

    :param size: in bytes; None if it does not say.
    :param md5: in hexadecimal, of the last upload: a session that rewrites the file leaves it as it was.
    :param modified: when its content last changed, in whole seconds.
    :param age: seconds since then, by the server's own clock.
    """

    size: int | None = None
    md5: str | None = None
    modified: datetime | None = None
    age: float | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """Read the headers of a response; their names are in lower case."""
        modified, now = _date(headers.get("last-modified")), _date(headers.get("date"))
        length = headers.get("content-length", "")
        return cls(
            size=int(length) if length.isascii() and length.isdigit() else None,
            md5=_md5(headers.get("digest", "")),
            modified=modified,
            age=(now - modified).total_seconds() if now and modified else None,
        )


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def _md5(header: str) -> str | None:
    """Read a digest: of the forms that the server has, one is in hexadecimal (PutAction)."""
    value = header.strip().partition("md5=")[2].partition(",")[0]
    if re.fullmatch(r"[0-9a-f]{32}", value):
        return value
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        return None
    return digest.hex() if len(digest) == 16 else None


def has_content(found: StoredFile, content: Content) -> bool:
    """Whether a file that was just uploaded has arrived whole; a digest may be absent."""
    return found.size == content.size and found.md5 in {None, content.md5}


def was_written(found: StoredFile, content: Content, seconds: float) -> bool:
    """Whether an upload whose response was lost has arrived whole.

    Length and digest alone do not prove that: the same bytes may have been uploaded before, and a session
    may have changed the file since, of which the digest tells nothing. So the file must also have changed
    since the upload began; where the server's whole seconds leave a doubt, it is uploaded again.

    :param seconds: since the first upload of these bytes began.
    """
    is_recent = found.age is not None and found.age + _RESOLUTION <= seconds
    return found.size == content.size and found.md5 == content.md5 and is_recent


def may_repeat(error: BaseException) -> bool:
    """Whether another upload of the same bytes may succeed: also after the bytes were changed on the way."""
    return is_retryable(error) or (isinstance(error, RequestError) and error.status == CHECKSUM_MISMATCH)


def may_have_touched(error: RequestError) -> bool:
    """Whether a failed upload may have emptied its target."""
    if isinstance(error, NotFound):
        return False
    if isinstance(error, Unreachable):
        return error.maybe_applied
    return error.status not in _UNTOUCHED


def quota_message(allocation: str, used: int | None, quota: int | None) -> str:
    """Say how full an allocation is; in the field, a full one often just drops the connection.

    >>> quota_message("/home/jdoe", 199_000_000_000, 200_000_000_000)
    'The quota of /home/jdoe is 200 GB, of which 1 GB are free.'
    """
    if quota is None:
        return f"The server does not say how full {allocation} is."
    free = "an unknown amount is" if used is None else f"{max(0, quota - used) / 1e9:.3g} GB are"
    return f"The quota of {allocation} is {quota / 1e9:.3g} GB, of which {free} free."
