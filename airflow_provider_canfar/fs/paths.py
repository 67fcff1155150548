"""One file has two paths: ``arc://home/jdoe/x`` for Airflow, and ``/arc/home/jdoe/x`` in a session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import fsspec

from airflow_provider_canfar.hooks._short_traceback import with_short_traceback

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

__all__ = ["container_path", "home_path", "storage_path"]

# With Airflow 3.1, nothing else loads the file system's class before the first path is made, and then
# universal_pathlib splits paths by the rules of a URL: `arc://home/jdoe` would have no folder `home`.
fsspec.get_filesystem_class("arc")

_DEFAULT_CONNECTION = "canfar_default"

_URL = re.compile(r"arc://(?:(?P<connection>[^/@]*)@)?(?P<path>.*)", re.DOTALL)


@with_short_traceback
def container_path(path: ObjectStoragePath | str) -> str:
    """Return the path of a file as a session sees it, for its command and environment.

    .. code-block:: python

        base = ObjectStoragePath("arc://canfar_default@home/jdoe/m13")
        CanfarHeadlessOperator(
            task_id="detect",
            image="images.canfar.net/skaha/astroml:24.07",
            command=["python", container_path(base / "detect.py"), container_path(base / "tiles.json")],
        )

    In a running task, the result is the path itself: ``/arc/home/jdoe/m13/detect.py``. In a DAG file, which
    Airflow parses all the time, nothing may read the connection; there the result is a template of that path,
    for a templated argument. Both can be part of a longer string.

    :param path: an ``arc://`` path, or its URL. Without a connection it is one of ``canfar_default``.
    :raises SpecError: for any other path; in a task also for one that the storage cannot have.
    :raises RequestError: in a task, if the emulator has to be asked and does not respond.
    """
    match = _URL.fullmatch(str(path))
    if match is None:
        raise _not_ours(
            f"{path}", "must be a path in the storage, such as 'arc://canfar_default@home/jdoe/x'"
        )
    conn_id = getattr(path, "conn_id", None) or match["connection"] or _DEFAULT_CONNECTION
    below = "/" + match["path"].strip("/")
    if not _in_task():
        return f"{{{{ conn.get({conn_id!r}).get_hook().storage_mount() }}}}{below}"

    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.skaha.storage.names import check_path

    return CanfarHook(conn_id).storage_mount() + check_path(below)


@with_short_traceback
def home_path(conn_id: str = _DEFAULT_CONNECTION) -> ObjectStoragePath:
    """Return the account's own folder in the storage; call it in a task.

    The platform says whose account it is, so that a DAG names no user:

    .. code-block:: python

        folder = home_path() / "m13" / run_id  # arc://canfar_default@home/jdoe/m13/...

    :param conn_id: the Airflow connection.
    :raises RequestError: if the platform does not say who the user is.
    """
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.skaha.storage.names import check_path

    user = CanfarHook(conn_id).call(lambda client: client.whoami())
    return ObjectStoragePath(f"arc://{conn_id}@{check_path(f'/home/{user}')}")


@with_short_traceback
def storage_path(path: str, conn_id: str = _DEFAULT_CONNECTION) -> ObjectStoragePath:
    """Return Airflow's path of a file that a session names; call it in a task.

    It is the inverse of :func:`container_path`: it turns ``/arc/home/jdoe/x`` into
    ``ObjectStoragePath("arc://canfar_default@home/jdoe/x")``.

    :param path: an absolute path in a session, below the folder in which it sees the storage.
    :param conn_id: the Airflow connection.
    :raises SpecError: for a path that is not below that folder.
    :raises RequestError: if the emulator has to be asked and does not respond.
    """
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.skaha.storage.names import check_path

    mount = CanfarHook(conn_id).storage_mount()
    if path.rstrip("/") != mount and not path.startswith(f"{mount}/"):
        raise _not_ours(path, f"must be below {mount!r}, where sessions see the storage of {conn_id!r}")
    below = check_path("/" + path.removeprefix(mount).strip("/"))
    return ObjectStoragePath(f"arc://{conn_id}@{below}")


def _in_task() -> bool:
    """Whether a task runs here: only then may a connection be read."""
    from airflow.sdk import get_current_context

    try:
        return bool(get_current_context())
    except RuntimeError:
        return False


def _not_ours(path: str, rule: str) -> Exception:
    from airflow_provider_canfar.skaha.errors import SpecError

    return SpecError(f"Invalid path {path!r}: {rule}.")
