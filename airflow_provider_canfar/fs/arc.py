"""What Airflow finds for ``arc://`` paths. It imports nothing until the first of them is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_canfar.fs._filesystem import ArcFileSystem

__all__ = ["get_fs", "schemes"]

#: The schemes of the paths, for Airflow.
schemes = ["arc"]


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> ArcFileSystem:
    """Return the file system of a connection, for Airflow's ``ObjectStoragePath``.

    It reads no connection and sends nothing: Airflow makes paths whenever it parses a DAG file, and keeps the
    file system for as long as the process lives.

    >>> get_fs("canfar_default").conn_id
    'canfar_default'

    :param conn_id: the Airflow connection; None for ``canfar_default``.
    :param storage_options: fsspec's own options.
    """
    from airflow_provider_canfar.fs._filesystem import ArcFileSystem

    return ArcFileSystem(conn_id, **(storage_options or {}))
