"""A task instance's context, as far as the operators read it, without a running Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk.execution_time import macros

from airflow_provider_canfar.hooks._airflow_compat import TaskDeferred

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context


@dataclass
class FakeTaskInstance:
    """What ``context["ti"]`` is to an operator."""

    dag_id: str = "survey"
    task_id: str = "stars"
    run_id: str = "manual__2026"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    xcoms: dict[str, Any] = field(default_factory=dict)
    #: The operator that Airflow runs.
    task: BaseOperator | None = None

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: Any = None, key: str = "return_value", **_: Any) -> Any:
        return self.xcoms.get(key)


class FakeStore:
    """Keeps values as Airflow's task state store does: as JSON."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.rows[key]) if key in self.rows else default

    def set(self, key: str, value: Any) -> None:
        self.rows[key] = json.dumps(value)


@dataclass
class FakeDagRun:
    """What ``context["dag_run"]`` is to an operator."""

    run_id: str = "manual__2026"
    start_date: datetime | None = datetime(2026, 3, 4, 18, 22, 10, 123456, tzinfo=UTC)


class FakeTask:
    """Runs an operator's tries as Airflow would: each one from a new operator, with what Airflow keeps.

    :param make: makes the operator, as parsing its DAG file would.
    """

    def __init__(self, make: Callable[[], BaseOperator]) -> None:
        self.make = make
        self.ti = FakeTaskInstance(max_tries=make().retries or 0)
        self.dag_run = FakeDagRun()
        self.store: FakeStore | None = FakeStore()
        self.operator = make()

    @property
    def context(self) -> Context:
        context: dict[str, Any] = {"ti": self.ti, "dag_run": self.dag_run, "macros": macros}
        if self.store is not None:
            context["task_state_store"] = self.store
        return cast("Context", context)

    def run(self) -> Any:
        """Run one try of a task that waits in the worker."""
        self.operator = self.ti.task = self.make()
        return self.operator.execute(self.context)

    def defer(self) -> TaskDeferred:
        """Run a phase that ends with a deferral."""
        try:
            self.run()
        except TaskDeferred as deferred:
            return deferred
        raise AssertionError("the task did not defer")

    def resume(self, deferred: TaskDeferred, event: Any) -> Any:
        """Run the phase after a deferral, with what Airflow carries over: JSON."""
        self.operator = self.ti.task = self.make()
        kwargs = json.loads(json.dumps({**(deferred.kwargs or {}), "event": event}))
        return self.operator.resume_execution(deferred.method_name, kwargs, self.context)

    def retry(self) -> None:
        """Begin the next try: Airflow forgets the XComs."""
        self.ti.try_number += 1
        self.ti.xcoms.clear()

    def clear(self) -> None:
        """Clear the task."""
        self.ti.max_tries = self.ti.try_number + (self.make().retries or 0)
        self.retry()
