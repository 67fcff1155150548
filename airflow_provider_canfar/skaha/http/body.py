"""Reading the body of a response: never more than a limit, whatever it decompresses to.

httpx decompresses each piece as a whole, and one encoding inside another: 658 bytes became 605 MB. Here a
piece of a body is decompressed in steps, and only the one encoding that requests offer is accepted.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import httpx

from airflow_provider_canfar.skaha.errors import ResponseTooLarge
from airflow_provider_canfar.skaha.http.response import MAX_ERROR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: The one encoding that requests offer; Python's standard library decompresses it in steps.
ACCEPT_ENCODING = "gzip"

#: The most bytes of a list: 100,000 sessions of 1.3 kB each. The server's rows have 0.4 to 0.8 kB.
MAX_LIST = 128 * 1024 * 1024

#: The most bytes of any other response.
MAX_RESPONSE = 16 * 1024 * 1024

#: The most bytes that are read of a log, unless a caller wants more or less. The platform keeps about 10 MB.
MAX_LOG = 64 * 1024 * 1024

#: How many bytes one step of a decompression yields.
_STEP = 64 * 1024


async def decoded(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the body in pieces as they arrive, decompressed.

    :raises httpx.DecodingError: for an encoding that was not offered, and for what is not in that encoding.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower() or "identity"
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise httpx.DecodingError(f"the response is encoded as {encoding!r:.100}, which was not asked for")
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("This is the response of a client that is not async.")
    # Not aiter_raw(), which refuses a response that a test made of bytes.
    async for piece in stream:
        if encoding == "identity":
            yield piece
            continue
        while True:
            try:
                step = inflate.decompress(piece, _STEP)
            except zlib.error as error:
                raise httpx.DecodingError(f"the response is not in gzip, as it says: {error}") from None
            yield step
            piece = inflate.unconsumed_tail
            if not piece and len(step) < _STEP:
                break
            # A piece of a few kB may become megabytes: others on the event loop have their turn.
            await asyncio.sleep(0)


async def read(response: httpx.Response, limit: int, path: str) -> bytes:
    """Return the whole body.

    :param limit: in bytes, decompressed.
    :param path: of the request, for the message.
    :raises ResponseTooLarge: for one that is longer.
    """
    pieces, size = [], 0
    async for piece in decoded(response):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise ResponseTooLarge(
                f"The response to {response.request.method} {path} has more than {limit:,} bytes, the most "
                f"that this client reads. Is {response.request.url.host} the platform?",
                method=response.request.method,
                path=path,
                status=response.status_code,
                maybe_applied=True,
            )
    return b"".join(pieces)


async def read_start(response: httpx.Response, limit: int = MAX_ERROR) -> bytes:
    """Return the beginning of an error's body, as far as it can be read: its status is what counts."""
    pieces, size = [], 0
    try:
        async for piece in decoded(response):
            pieces.append(piece)
            size += len(piece)
            if size >= limit:
                break
    except httpx.DecodingError:
        pass
    return b"".join(pieces)[:limit]


async def read_end(response: httpx.Response, limit: int) -> bytes:
    """Return the end of the body, in complete lines; the first line says how much is omitted, if any is.

    :param limit: in bytes, decompressed.
    """
    end, omitted = bytearray(), 0
    async for piece in decoded(response):
        end += piece
        # Not for each piece: that would move the whole of it again and again.
        if len(end) > 2 * limit + _STEP:
            omitted += len(end) - limit
            del end[: len(end) - limit]
    cut = max(0, len(end) - limit)
    if not omitted and not cut:
        return bytes(end)
    line_end = end.find(b"\n", max(0, cut - 1))
    if 0 <= line_end < len(end) - 1:
        cut = line_end + 1
    del end[:cut]
    return f"(The first {omitted + cut:,} bytes of this log are omitted.)\n".encode() + end
