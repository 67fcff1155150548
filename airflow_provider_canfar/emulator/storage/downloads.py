"""A response with the bytes of a file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from airflow_provider_canfar.emulator.api.disconnect import Disconnect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from starlette.types import Receive, Scope, Send

    from airflow_provider_canfar.emulator.api.disconnect import CloseConnection

PIECE = 1024 * 1024


class Download(Response):
    """The whole file, whatever range the request asks for (*GetAction*).

    A file that has become shorter, or a fault, ends it early: the connection is closed.

    :param file: the open file; closed at the end.
    :param length: how many bytes the response promises.
    :param cut_after: how many bytes a fault lets pass.
    :param close_connection: closes the client's connection.
    """

    def __init__(
        self,
        file: BinaryIO,
        length: int,
        headers: Mapping[str, str],
        cut_after: int | None,
        close_connection: CloseConnection,
    ) -> None:
        super().__init__(headers=headers)
        self._file = file
        self._length = length
        self._left = length if cut_after is None else min(length, cut_after)
        self._is_cut = cut_after is not None
        self._disconnect = Disconnect(close_connection)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file in pieces, or as much of it as there is."""
        with self._file:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while self._left:
                piece = await asyncio.to_thread(self._file.read, min(PIECE, self._left))
                if not piece:
                    break
                self._left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._left or self._is_cut:
            await self._disconnect(scope, receive, send)
        else:
            await send({"type": "http.response.body", "body": b""})
