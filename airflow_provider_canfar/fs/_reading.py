"""What the file system of ``arc://`` paths reads. Its calls are blocking."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import isfilelike

from airflow_provider_canfar.fs._calls import StorageCalls
from airflow_provider_canfar.hooks._short_traceback import with_short_tracebacks
from airflow_provider_canfar.hooks.canfar import CanfarHook

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

    from airflow_provider_canfar.skaha.storage.documents import Node

_CONNECTION = re.compile(r"arc://([^/@]+)@")


@with_short_tracebacks
class ArcReadFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no annotations.
    """Reads files and folders in the storage of a connection.

    :param conn_id: the Airflow connection; None for ``canfar_default``.
    :param options: fsspec's own.
    """

    protocol: ClassVar[Any] = "arc"
    root_marker = "/"
    # Airflow keeps one for each connection; fsspec would keep it for ever, too.
    cachable = False

    def __init__(self, conn_id: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.conn_id = conn_id or CanfarHook.default_conn_name
        self._call = StorageCalls(self.conn_id)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        from airflow_provider_canfar.skaha.storage.names import node_path

        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return node_path(os.fspath(path))

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        match = _CONNECTION.match(str(path))
        return {"conn_id": match[1]} if match else {}

    def info(self, path: str, **_kwargs: Any) -> dict[str, Any]:
        """Return what is known of a file or a folder."""
        path = self._strip_protocol(path)
        return self._info_of(self._call(lambda client: client.node(path)), path)

    def ls(self, path: str, detail: bool = True, **_kwargs: Any) -> list[Any]:
        """Return what is in a folder, or the file itself."""
        path = self._strip_protocol(path)
        try:
            nodes = self._call(lambda client: client.listdir(path))
        except NotADirectoryError:
            infos = [self.info(path)]
        else:
            infos = [self._info_of(node) for node in nodes]
        return infos if detail else [info["name"] for info in infos]

    def _info_of(self, node: Node, path: str | None = None) -> dict[str, Any]:
        from airflow_provider_canfar.skaha.storage.documents import Type

        info: dict[str, Any] = {"name": path or node.path, "islink": node.type is Type.LINK}
        if node.type is Type.LINK and node.target is not None:
            target = node.target
            with suppress(FileNotFoundError):  # A dangling link is a file that cannot be read.
                node = self._call(lambda client: client.node(target))
        is_folder = node.type is Type.FOLDER
        return info | {
            "type": "directory" if is_folder else "file",
            # A folder's own size lags behind what is in it (Ceph's recursive statistics).
            "size": 0 if is_folder else node.size,
            "mtime": node.modified.timestamp() if node.modified else 0.0,
            # A number for Airflow's samefile(), which compares nothing else.
            "ino": int.from_bytes(hashlib.blake2b(node.path.encode(), digest_size=7).digest()),
        }

    # fsspec's own take any error for a missing file, and so would take an outage for one.

    def exists(self, path: str, **_kwargs: Any) -> bool:
        """Whether there is a file or a folder."""
        return self._type_of(path) is not None

    def isdir(self, path: str) -> bool:
        """Whether it is a folder."""
        return self._type_of(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Whether it is a file."""
        return self._type_of(path) == "file"

    def _type_of(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return None

    def modified(self, path: str) -> datetime:
        """Return when a file last changed."""
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    def get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Callback = DEFAULT_CALLBACK,
        outfile: IO[bytes] | None = None,
        **_kwargs: Any,
    ) -> None:
        """Download a file to a local one, or create the local folder for a folder."""
        if outfile is None and isfilelike(lpath):
            outfile = lpath
        if outfile is not None:
            with self.open(rpath, "rb") as file:
                while chunk := file.read(self.blocksize):
                    outfile.write(chunk)
            return
        local = Path(lpath)
        if self.isdir(rpath):
            local.mkdir(parents=True, exist_ok=True)
            return
        local.parent.mkdir(parents=True, exist_ok=True)
        try:
            with local.open("wb") as file:
                size = self._download(self._strip_protocol(rpath), file)
        except BaseException:  # Ctrl-C, too, is raised again.
            local.unlink(missing_ok=True)  # Half a file would be taken for a whole one.
            raise
        callback.set_size(size)
        callback.absolute_update(size)

    def _url(self, path: str) -> str:
        from airflow_provider_canfar.fs._messages import url_of

        return url_of(path, self.conn_id)

    def _download(self, path: str, target: IO[bytes]) -> int:
        return self._call(lambda client: client.get(path, target))
