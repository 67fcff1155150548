"""What Airflow has moved or changed between 3.1 and the newest: exceptions, stats, and reading a connection.

Airflow's common-compat provider has the same, but not in the versions that Airflow's constraints hold.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow.sdk import BaseHook, Connection
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferred,
    )
else:
    try:
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferred,
        )
    except ImportError:  # Airflow 3.1 defines most of them elsewhere.
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferred,
        )

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "TaskDeferred",
    "airflow_stats",
    "read_connection",
    "trigger_xcom_set",
]


@cache
def airflow_stats() -> Any:
    """Return what sends metrics: ``incr``, ``gauge`` and ``timing``.

    From 3.2 on, Airflow has a copy of it for its own processes, and another one for tasks and triggers, which
    it sets up as it loads what it stores triggers with (airflow.sdk.serde).

    :raises ImportError: where Airflow has moved it again.
    """
    try:
        from airflow.sdk.observability.stats import Stats
    except ImportError:
        from airflow.stats import Stats  # Airflow 3.1
    return Stats


async def read_connection(hook: BaseHook, conn_id: str) -> tuple[Connection, dict[str, Any]]:
    """Read a connection and its extras on an event loop, as a triggerer must.

    Airflow registers the secrets with its masker as it reads them. Before 3.3.2 it does so in a call that
    blocks, and that fails beside another call on the same event loop; a thread may block.

    :param hook: the hook that reads it; a subclass may read connections its own way.
    """
    from airflow.sdk import Connection

    if hasattr(Connection, "aextra_dejson"):
        connection = await hook.aget_connection(conn_id)
        return connection, await connection.aextra_dejson()

    # Not asyncio.to_thread: Airflow 3.1 answers a thread of sync_to_async on the right event loop only
    # (TriggerCommsDecoder.send is an async_to_sync).
    from asgiref.sync import sync_to_async

    def read() -> tuple[Connection, dict[str, Any]]:
        connection = hook.get_connection(conn_id)
        return connection, connection.extra_dejson

    return await sync_to_async(read)()


def trigger_xcom_set() -> Callable[..., Awaitable[None]] | None:
    """Return what writes an XCom from a trigger, or None where triggers cannot.

    They can since Airflow 3.3; an older triggerer may end with an error. A backend that serializes values its
    own way may block the event loop, which all triggers share.
    """
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time.xcom import XCom

    is_plain = XCom.serialize_value is BaseXCom.serialize_value
    return getattr(XCom, "aset", None) if is_plain else None
