"""Assets in the storage: all spellings of one file are one asset, and OpenLineage gets its name.

Airflow loads this module while it parses DAG files; it imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from airflow_provider_canfar.skaha.storage.names import check_path, node_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset, ObjectStoragePath

__all__ = ["convert_asset_to_openlineage", "create_asset", "sanitize_uri"]

#: The authority of CANFAR's own storage, in the URIs of its nodes.
LINEAGE_NAMESPACE = "vos://cadc.nrc.ca~arc"


def create_asset(*, path: str | ObjectStoragePath, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset for a file or a folder in the storage.

    >>> create_asset(path="arc://canfar_default@home/jdoe/stars.fits").uri
    'arc://home/jdoe/stars.fits'

    :param path: such as ``arc://home/jdoe/stars.fits``; a connection's id in it is left out.
    :param extra: of the asset.
    """
    from airflow.sdk import Asset

    return Asset(uri=_uri(node_path(str(path))), extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return the one spelling of an asset's URI: without a connection, with the first folder as the host.

    >>> sanitize_uri(urlsplit("arc://canfar_default@/home/jdoe/stars.fits")).geturl()
    'arc://home/jdoe/stars.fits'

    :param uri: in any spelling.
    :raises ValueError: for a path that the storage cannot have, and for none.
    """
    if uri.query or uri.fragment:
        raise ValueError(f"Invalid URI {uri.geturl()!r}: a name in the storage cannot contain '?' or '#'.")
    return urlsplit(_uri(node_path(f"{uri.netloc.rpartition('@')[2]}/{uri.path.lstrip('/')}")))


def _uri(path: str) -> str:
    if path == "/":
        raise ValueError(
            "Invalid URI 'arc://': must name a file or a folder, as in 'arc://home/jdoe/stars.fits'."
        )
    return f"arc:/{check_path(path)}"


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """Return an asset as OpenLineage names it: the storage, and the path in it.

    The asset names no connection, so the storage is always CANFAR's own.

    :param asset: with an ``arc://`` URI.
    :param lineage_context: what read or wrote it; not needed.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    return Dataset(namespace=LINEAGE_NAMESPACE, name=node_path(asset.uri))
