"""What the tests want of Airflow and its releases have in different places."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk._shared.serialization import FORBIDDEN_XCOM_KEYS
    from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralError
    from airflow.sdk.serde import deserialize, serialize
    from airflow.sdk.types import TaskInstanceKey
    from airflow.serialization.serialized_objects import DagSerialization

    IS_AIRFLOW_3_1: bool
else:
    try:
        from airflow.sdk._shared.serialization import FORBIDDEN_XCOM_KEYS
        from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralError
        from airflow.sdk.serde import deserialize, serialize
        from airflow.sdk.types import TaskInstanceKey
        from airflow.serialization.serialized_objects import DagSerialization

        IS_AIRFLOW_3_1 = False
    except ImportError:
        from airflow.exceptions import AirflowRescheduleException, TaskDeferralError
        from airflow.models.taskinstancekey import TaskInstanceKey
        from airflow.serialization import serde
        from airflow.serialization.serde import deserialize, serialize
        from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization

        IS_AIRFLOW_3_1 = True
        FORBIDDEN_XCOM_KEYS = frozenset(
            (
                *(serde.CLASSNAME, serde.VERSION, serde.DATA, serde.SCHEMA_ID, serde.CACHE),
                *(serde.OLD_TYPE, serde.OLD_SOURCE, serde.OLD_DATA),
            )
        )

__all__ = [
    "FORBIDDEN_XCOM_KEYS",
    "IS_AIRFLOW_3_1",
    "AirflowRescheduleException",
    "DagSerialization",
    "TaskDeferralError",
    "TaskInstanceKey",
    "deserialize",
    "serialize",
]
