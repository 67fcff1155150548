"""Open files. The storage transfers whole files only: each is held in memory, or on disk if it is large."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Any

from airflow_provider_canfar.hooks._short_traceback import with_short_tracebacks

log = logging.getLogger(__name__)

#: Files of more bytes than this are held in a temporary file.
IN_MEMORY = 8 * 1024 * 1024


class ArcReader(io.BufferedIOBase):
    """A file that has been downloaded. It is seekable, as readers of FITS and Parquet need it.

    :param path: of the file, for messages.
    :param download: writes its content.
    """

    def __init__(self, path: str, download: Callable[[IO[bytes]], int]) -> None:
        super().__init__()
        self.name = path
        self.mode = "rb"
        self._spool = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (close() closes it)
        try:
            #: The length in bytes; fsspec's read_block asks for it.
            self.size = download(self._spool)
            self._spool.seek(0)
        except BaseException:  # Ctrl-C, too, is raised again.
            self.close()
            raise

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether it has a position."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; all that remain by default."""
        return self._spool.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        """Return the next bytes, as :meth:`read` does: all of them are here already."""
        return self._spool.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Change the position, and return the new one."""
        self._spool.seek(offset, whence)
        return self._spool.tell()

    def tell(self) -> int:
        """Return the position."""
        return self._spool.tell()

    def close(self) -> None:
        """Discard what was downloaded."""
        if not self.closed:
            self._spool.close()
        super().close()


@with_short_tracebacks
class ArcWriter(io.BufferedIOBase):
    """A file that is uploaded when it is closed, and only then.

    An upload truncates the file in place, so that half a file is never uploaded: not after an exception in
    the ``with`` block, nor if the file is never closed.

    :param path: of the file, for messages.
    :param upload: uploads its content.
    :param autocommit: False in a transaction of fsspec, which commits or discards the file itself.
    """

    def __init__(self, path: str, upload: Callable[[IO[bytes]], None], *, autocommit: bool = True) -> None:
        super().__init__()
        self.name = path
        self.mode = "wb"
        self._upload = upload
        self._autocommit = autocommit
        self._spool = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (close() closes it)

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def seekable(self) -> bool:
        """Whether it has a position, as writers of FITS and ZIP need it."""
        return True

    def write(self, data: Any, /) -> int:
        """Append bytes at the position, and return how many."""
        return self._spool.write(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Change the position, and return the new one."""
        self._spool.seek(offset, whence)
        return self._spool.tell()

    def tell(self) -> int:
        """Return the position."""
        return self._spool.tell()

    def truncate(self, size: int | None = None, /) -> int:
        """Cut the content off, at the position by default."""
        length = self.tell() if size is None else size
        self._spool.truncate(length)
        return length

    def close(self) -> None:
        """Upload the content.

        :raises RequestError: if that failed. The message says what is there.
        """
        if self.closed:
            return
        # It is closed even if the upload fails: nothing uploads it a second time.
        super().close()
        if self._autocommit:
            self.commit()

    def commit(self) -> None:
        """Upload the content; in a transaction, fsspec calls it."""
        try:
            self._upload(self._spool)
        finally:
            self._spool.close()

    def discard(self) -> None:
        """Close it without an upload."""
        self._spool.close()
        super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        if not self.closed:
            log.warning("%s was not closed, so it was not written. Use it in a `with` block.", self.name)
            self.discard()


@with_short_tracebacks
class ArcTextWriter(io.TextIOWrapper):
    """A text file that is uploaded when it is closed, as :class:`ArcWriter` is.

    :param file: what takes the bytes.
    :param options: those of :class:`io.TextIOWrapper`.
    """

    def __init__(self, file: ArcWriter, **options: Any) -> None:
        super().__init__(file, **options)
        self._file = file

    def discard(self) -> None:
        """Close it without an upload."""
        self._file.discard()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        # Python would close it here, and so upload it.
        if not self._file.closed:
            log.warning(
                "%s was not closed, so it was not written. Use it in a `with` block.", self._file.name
            )
            self.discard()
