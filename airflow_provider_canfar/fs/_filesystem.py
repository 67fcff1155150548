"""The file system of ``arc://`` paths, for fsspec and Airflow. Its calls are blocking."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.core import get_compression, has_magic

from airflow_provider_canfar.fs._files import ArcReader, ArcTextWriter, ArcWriter
from airflow_provider_canfar.fs._reading import ArcReadFileSystem
from airflow_provider_canfar.fs._transaction import ArcTransaction
from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.hooks._short_traceback import with_short_tracebacks

if TYPE_CHECKING:
    import io

    from fsspec.callbacks import Callback

_TEXT_OPTIONS = ("encoding", "errors", "newline")


@with_short_tracebacks
class ArcFileSystem(ArcReadFileSystem):
    """Files and folders in the storage of a connection.

    Making one reads no connection; the first call does. Files are transferred whole: a file is downloaded
    when it is opened for reading, and uploaded when it is closed after writing. Missing folders above a file
    are created, as other object stores need none.

    :param conn_id: the Airflow connection; None for ``canfar_default``.
    :param options: fsspec's own.
    """

    transaction_type = ArcTransaction

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Any = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file: to read it (``r``), to create or overwrite it (``w``), or to create it (``x``).

        ``x`` looks for the file before it is opened and before it is uploaded, but the storage has no
        exclusive create.
        """
        if "r" not in mode and get_compression(path, compression) is not None:
            raise explained(
                ValueError(
                    f"Invalid compression {compression!r}: a file is not compressed while it is written. "
                    "Compress the bytes, and write them."
                )
            )
        if "b" not in mode and set(mode) & set("wx"):
            options = {name: kwargs.pop(name) for name in _TEXT_OPTIONS if name in kwargs}
            binary = super().open(path, mode.replace("t", "") + "b", block_size, cache_options, **kwargs)
            return ArcTextWriter(binary, **options)
        return super().open(path, mode, block_size, cache_options, compression, **kwargs)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Any = None,
        **kwargs: Any,
    ) -> io.BufferedIOBase:
        from airflow_provider_canfar.skaha.storage.names import check_path

        check_path(path)
        if mode == "rb":
            return ArcReader(path, lambda target: self._download(path, target))
        if mode == "wb":
            return ArcWriter(path, lambda source: self._upload(path, source), autocommit=autocommit)
        if mode == "xb":
            self._require_free(path)
            return ArcWriter(path, lambda source: self._create(path, source), autocommit=autocommit)
        raise explained(
            ValueError(
                f"Invalid mode {mode!r}: must be one of r, w, x, rb, wb, xb. The storage cannot append to a "
                "file or change a part of it. Read it, and write the whole file."
            )
        )

    def _create(self, path: str, source: IO[bytes]) -> None:
        self._require_free(path)
        self._upload(path, source)

    def _require_free(self, path: str) -> None:
        if self.exists(path):
            raise explained(FileExistsError(f"There is already a file or folder {self._url(path)}."))

    def _upload(self, path: str, source: IO[bytes]) -> None:
        from airflow_provider_canfar.skaha.storage.names import parent

        try:
            self._call(lambda client: client.put(path, source))
        except FileNotFoundError:
            self._call(lambda client: client.makedirs(parent(path)))
            self._call(lambda client: client.put(path, source))

    def put_file(
        self,
        lpath: Any,
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **_kwargs: Any,
    ) -> None:
        """Upload a local file, or create the folder for a local folder."""
        local, path = Path(lpath), self._strip_protocol(rpath)
        if local.is_dir():
            self.makedirs(path, exist_ok=True)
            return
        if mode == "create":
            self._require_free(path)
        with local.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            callback.set_size(size)
            self._upload(path, file)
        callback.absolute_update(size)

    def cp_file(self, path1: str, path2: str, **_kwargs: Any) -> None:
        """Copy a file within the storage, which it cannot do itself: the file is downloaded and uploaded."""
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if self.isdir(source):
            self.makedirs(target, exist_ok=True)
        elif source != target:
            with self.open(source, "rb") as file:
                self._upload(target, file)

    def pipe_file(self, path: str, value: Any, mode: str = "overwrite", **_kwargs: Any) -> None:
        """Write bytes to a file."""
        with self.open(path, "xb" if mode == "create" else "wb") as file:
            file.write(value)

    def touch(self, path: str, truncate: bool = True, **_kwargs: Any) -> None:
        """Create an empty file. The storage cannot change the time of one that exists."""
        if not truncate and self.exists(path):
            raise explained(NotImplementedError(f"The storage cannot change the time of {self._url(path)}."))
        self.pipe_file(path, b"")

    def mkdir(self, path: str, create_parents: bool = True, **_kwargs: Any) -> None:
        """Create a folder, and by default those above it.

        :raises FileExistsError: if it exists.
        """
        path = self._strip_protocol(path)
        if not create_parents:
            self._call(lambda client: client.mkdir(path))
        else:
            self.makedirs(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Create a folder and those above it."""
        path = self._strip_protocol(path)
        if not exist_ok:
            self._require_free(path)
        try:
            self._call(lambda client: client.makedirs(path))
        except NotADirectoryError as error:
            raise explained(FileExistsError(str(error))) from None

    def rmdir(self, path: str) -> None:
        """Delete an empty folder. It is never an allocation, such as ``/home/jdoe``."""
        from airflow_provider_canfar.skaha.storage.tree import check_removable

        path = check_removable(self._strip_protocol(path))
        if not self._is_folder_itself(path):
            raise explained(NotADirectoryError(f"Not a folder: {self._url(path)}."))
        self._call(lambda client: client.delete(path))

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        from airflow_provider_canfar.skaha.storage.tree import check_removable

        path = check_removable(self._strip_protocol(path))
        if self._is_folder_itself(path):
            raise explained(
                IsADirectoryError(
                    f"Not a file but a folder: {self._url(path)}. Remove it with rmdir(), or with "
                    "recursive=True."
                )
            )
        self._call(lambda client: client.delete(path))

    def _is_folder_itself(self, path: str) -> bool:
        """Whether it is a folder, and not a link to one: a link is deleted like a file."""
        info = self.info(path)
        return info["type"] == "directory" and not info["islink"]

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, and with ``recursive`` folders with all that is in them. Never an allocation."""
        from airflow_provider_canfar.skaha.storage.tree import remove_tree

        if recursive and maxdepth is not None:
            for one in reversed(self.expand_path(path, recursive=True, maxdepth=maxdepth)):
                self.rm_file(one)
            return
        for one in self._matches(path):
            if recursive:
                self._call(partial(remove_tree, path=one))
            else:
                self.rm_file(one)

    def _matches(self, path: Any) -> list[str]:
        """Return what a path, a pattern, or a list of them stands for; without what is in the folders."""
        return [self._strip_protocol(path)] if self._is_name(path) else list(self.expand_path(path))

    def _is_name(self, path: Any) -> bool:
        """Whether it is one path, and no pattern: where a file is called ``a*b``, no ``axb`` is meant."""
        return isinstance(path, str) and (not has_magic(path) or self.exists(path))

    def mv(
        self,
        path1: Any,
        path2: str,
        recursive: bool = False,
        maxdepth: int | None = None,
        **_kwargs: Any,
    ) -> None:
        """Move a file or a folder on the server, to where nothing exists; nothing is downloaded.

        A target that ends with ``/`` is a folder to move into.

        :raises FileExistsError: if the target exists.
        """
        into = path2.endswith("/") or not self._is_name(path1)
        for source in self._matches(path1):
            target = self._strip_protocol(path2)
            self._move(source, f"{target}/{source.rpartition('/')[2]}" if into else target)

    def _move(self, source: str, target: str) -> None:
        from airflow_provider_canfar.skaha.storage.names import parent
        from airflow_provider_canfar.skaha.storage.tree import check_removable

        check_removable(source)
        if source == target:
            return
        try:
            self._call(lambda client: client.move(source, target))
        except FileNotFoundError:
            self.info(source)
            self._call(lambda client: client.makedirs(parent(target)))
            self._call(lambda client: client.move(source, target))
