"""Receives the bytes of a file, and leaves an empty one when that fails (*PutAction*)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.http_errors import HttpError, bad_request, internal_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from typing import BinaryIO

DIGEST_BYTES = {"md5": 16, "sha-1": 20, "sha-256": 32, "sha-384": 48, "sha-512": 64}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Interrupted(Exception):
    """A fault or a full quota closes the connection without a response."""


@contextlib.contextmanager
def truncated(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing, after emptying it; a failure leaves it empty (*cleanupOnFailure*).

    Its bytes are replaced in place: a reader sees an empty or half file meanwhile.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "wb", buffering=0) as file:
        try:
            yield file
        except BaseException:  # A cancelled request, too (PutAction.cleanupOnFailure).
            file.truncate(0)
            raise


async def receive(body: AsyncIterator[bytes], file: BinaryIO, *, cut_after: int | None, room: Room) -> bytes:
    """Write a body to a file piece by piece, and return its MD5 digest.

    :param cut_after: how many bytes a fault lets pass.
    :param room: how much the quota leaves.
    :raises Interrupted: for the fault, or a full quota that does not say so.
    :raises HttpError: 413 for a full quota.
    """
    digest = hashlib.md5(usedforsecurity=False)
    received = 0
    if cut_after == 0:
        raise Interrupted
    async for piece in body:
        received += len(piece)
        if cut_after is not None and received >= cut_after:
            raise Interrupted
        room.take(len(piece))
        file.write(piece)
        digest.update(piece)
    if cut_after is not None:
        raise Interrupted
    return digest.digest()


class Room:
    """The bytes that a quota leaves.

    :param left: how many there are; None without a quota.
    :param is_silent: whether a full quota closes the connection instead of responding.
    """

    def __init__(self, left: int | None, *, is_silent: bool) -> None:
        self._limit = left
        self._left = left
        self._is_silent = is_silent

    @property
    def is_full(self) -> bool:
        """Whether nothing is left."""
        return self._left == 0

    def take(self, size: int) -> None:
        """Use some of it.

        :raises Interrupted: when it is full, and does not say so.
        :raises HttpError: 413 when it is full.
        """
        if self._left is None or self._limit is None:
            return
        self._left -= size
        if self._left < 0 and self._is_silent:
            raise Interrupted
        if self._left < 0:
            raise HttpError(413, f"limit: {self._limit}")


def check_digest(header: str | None, digest: bytes, *, mismatch: bool) -> None:
    """Compare what was received with the header ``Digest`` (*DigestUtil.getURI*).

    The server computes MD5 only, so any other algorithm is a mismatch.

    :param mismatch: a fault that changes the bytes.
    :raises HttpError: 412 when they differ, 400 for a header that cannot be read.
    """
    if not header:
        return
    algorithm, separator, encoded = (part.strip() for part in header.partition("="))
    if not (algorithm and separator and encoded):
        raise bad_request(f"Expected digest format <algorithm>=<checksum value> found {header}")
    if algorithm.lower() not in DIGEST_BYTES:
        raise bad_request(f"Unsupported algorithm {algorithm}")
    try:
        expected = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise bad_request("Illegal base64 character") from None
    if len(expected) != DIGEST_BYTES[algorithm.lower()]:
        raise bad_request(f"Invalid {algorithm} checksum, found {expected.hex()}")
    if mismatch:
        digest = hashlib.md5(digest, usedforsecurity=False).digest()
    wanted, actual = f"{algorithm.lower()}:{expected.hex()}", f"md5:{digest.hex()}"
    if wanted != actual:
        raise HttpError(412, f"checksum mismatch: {wanted} != {actual}")


def check_content_type(content_type: str) -> None:
    """Check that the server does not read the body as a form.

    It takes such a body for parameters (*SyncInput.init*), finds none left to store, and fails.

    :raises HttpError: 500 for a form.
    """
    if content_type.lower().startswith(FORMS):
        raise internal_error("java.lang.NullPointerException")
