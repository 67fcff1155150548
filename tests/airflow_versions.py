"""What the tests want of Airflow and its releases have in different places."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralError
    from airflow.sdk.serde import deserialize, serialize
    from airflow.serialization.serialized_objects import DagSerialization
else:
    try:
        from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferralError
        from airflow.sdk.serde import deserialize, serialize
        from airflow.serialization.serialized_objects import DagSerialization
    except ImportError:  # Airflow 3.1
        from airflow.exceptions import AirflowRescheduleException, TaskDeferralError
        from airflow.serialization.serde import deserialize, serialize
        from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization

__all__ = ["AirflowRescheduleException", "DagSerialization", "TaskDeferralError", "deserialize", "serialize"]
