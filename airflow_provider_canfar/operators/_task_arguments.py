"""The arguments that Airflow's own classes take by name, for type checkers and editors.

Only they import this module. Without it, they would accept any name, until Airflow parses the DAG.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Required, TypedDict

if TYPE_CHECKING:
    from airflow.sdk import DAG, TaskGroup, XComArg
    from airflow.sdk.definitions.retry_policy import RetryPolicy
    from airflow.sdk.types import WeightRuleParam

#: Airflow's own type of a callback is that of its private modules.
Callback = Any


class DecoratorArguments(TypedDict, total=False):
    """What ``BaseOperator`` of the newest Airflow takes; a decorator names the task by its function."""

    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    retry_policy: RetryPolicy | None
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: DAG | None
    params: MutableMapping[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: WeightRuleParam
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Callback | Collection[Callback]
    on_failure_callback: Callback | list[Callback]
    on_success_callback: Callback | Collection[Callback]
    on_retry_callback: Callback | list[Callback]
    on_skipped_callback: Callback | Collection[Callback]
    pre_execute: Callback
    post_execute: Callback
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    inlets: Any
    outlets: Any
    task_group: TaskGroup | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class TaskArguments(DecoratorArguments, total=False):
    """What an operator takes besides its own arguments."""

    task_id: Required[str]
    multiple_outputs: bool


class RunCleanupArguments(DecoratorArguments, total=False):
    """What ``sessions_of_this_run`` takes besides the task's id: what goes with the sessions of the run."""

    multiple_outputs: bool
    kind: str | Sequence[str] | XComArg | None
    status: str | Sequence[str] | XComArg | None
    older_than: timedelta | float | str | XComArg | None
    allow_all: bool | str | XComArg
    dry_run: bool | str | XComArg
    settle_time: float | timedelta | str | XComArg
    canfar_conn_id: str


class SensorArguments(TaskArguments, total=False):
    """What a sensor takes besides its own arguments."""

    canfar_conn_id: str
    deferrable: bool | None
    poll_interval: float | timedelta
    poke_interval: float | timedelta | None
    mode: str | None
    timeout: float | timedelta
    soft_fail: bool
    exponential_backoff: bool
    max_wait: timedelta | float | None
    silent_fail: bool
    never_fail: bool


class CommandFunctionArguments(DecoratorArguments, total=False):
    """What ``@task.canfar_cmd`` takes: the arguments of the headless operator without its command."""

    task_id: str
    image: str
    name: str | None
    env: Mapping[str, Any] | str | XComArg | None
    command_encoding: str
    replicas: int | str | XComArg
    cores: float | str | XComArg | None
    ram: float | str | XComArg | None
    gpus: int | str | XComArg | None
    max_active_replicas: int | str | XComArg | None
    launch_concurrency: int | str | XComArg
    max_account_sessions: int | str | XComArg | None
    max_pending_account_sessions: int | str | XComArg | None
    account_sessions_prefix: str | XComArg | None
    max_failed_replicas: int | str | XComArg
    fail_fast: bool | str | XComArg
    wait_for_completion: bool | str | XComArg
    on_clear: str
    destroy_on_kill: bool | str | XComArg
    canfar_conn_id: str
    deferrable: bool | None
    poll_interval: timedelta | float | str | XComArg
    startup_timeout: timedelta | float | str | XComArg | None
    logging_interval: timedelta | float | str | XComArg | None
    max_logged_replicas: int | str | XComArg
    record_within: timedelta | float | str | XComArg
    max_log_bytes: int | str | XComArg | None
    on_finish_action: str
    on_failure_fail_dagrun: bool


class FunctionArguments(CommandFunctionArguments, total=False):
    """What ``@task.canfar`` takes: an interpreter, too."""

    python: str
