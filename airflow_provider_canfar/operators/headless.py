"""The operator that runs a command in headless sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.links import OpenSessionLink, SciencePortalLink
from airflow_provider_canfar.operators._base import SessionOperator
from airflow_provider_canfar.operators._combinations import check_together
from airflow_provider_canfar.operators._environment import HiddenEnv
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._session_arguments import (
    COMMAND_ARGUMENTS,
    HEADLESS,
    template_fields_of,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.operators._task_arguments import TaskArguments
    from airflow_provider_canfar.operators._task_runner import TaskRunner
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.skaha.naming import Identity
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.ended_session import LogReader
    from airflow_provider_canfar.task_sessions.saved_state import SavedState

__all__ = ["CanfarHeadlessOperator"]


class CanfarHeadlessOperator(SessionOperator):
    """Run a command in one or many headless sessions, and end when they have ended or been launched.

    Each replica is a session of its own and reads which one it is from ``REPLICA_ID`` (1 to N) and
    ``REPLICA_COUNT``; :func:`airflow_provider_canfar.replicas.chunk` and ``stripe`` split work by them::

        CanfarHeadlessOperator(
            task_id="calibrate",
            image="images.canfar.net/skaha/astroml:24.07",
            command=["python", "/arc/projects/demo/calibrate.py"],
            replicas=20,
        )

    The task returns a list with one dict per replica, in order: ``replica``, ``session_id``, ``name``,
    ``status``, ``succeeded``, ``try_number``, ``started``, ``result`` (None for a command), ``reason``,
    ``usage``. While it waits, the XCom ``sessions`` has the ids. With ``wait_for_completion=False``, it
    returns what this XCom has, once all replicas have been launched.

    Every argument except ``deferrable`` may be a template or another task's output. Literals are checked when
    the DAG file is parsed, rendered values before anything is launched. One that renders to nothing (None,
    ``"None"`` or ``""``) is an error, except for ``cores``, ``ram`` and ``gpus``. A duration is a timedelta
    or a number of seconds.

    :param image: the container image, ``images.canfar.net/project/name:tag``.
    :param name: the stem of the sessions' names: letters, digits, ``-``, cut to 30; by default the task's id.
    :param command: the program and its arguments: a list with one string each. They arrive as they are
        written, and a rendered value stays one argument.
    :param cmd: the program, as the platform's own client has it: a string.
    :param args: its arguments: a list, or a string that is split as a shell would, before it is rendered.
    :param env: environment variables: a mapping of names to strings or numbers. Airflow stores their names,
        and no values except those in ``expand``.
    :param command_encoding: how the command is encoded for the platform: ``auto``, ``plain`` or
        ``bootstrap``; see ``CommandEncoding`` in ``skaha.command.encoding``.
    :param replicas: how many sessions, 1 to 10,000.
    :param cores: CPU cores of each, a number; with neither ``cores`` nor ``ram``, resources are flexible. A
        template that renders to nothing leaves it out.
    :param ram: memory of each in GB, a number; ``"{{ 64 if ti.try_number > 1 else '' }}"`` is flexible at
        first and fixed in a retry.
    :param gpus: GPUs of each, 1 or more; leave out for none.
    :param max_active_replicas: how many may be alive at once, 1 or more; never more than 4,000.
    :param launch_concurrency: how many to create at once, 1 to 32; fewer while the platform is slow or busy.
    :param max_account_sessions: how many headless sessions the account may have in all, no matter what
        launched them, 1 or more; further replicas wait until others have ended. None for no limit. Two tasks
        that see the same free place at once may both take it; a pool prevents that, as *A cap on the account*
        in the documentation shows.
    :param max_pending_account_sessions: the same for those that are Pending; with the other, both must hold.
    :param account_sessions_prefix: count only sessions whose names start with this, and the task's own.
    :param max_failed_replicas: how many may fail without failing the task, 0 or more. A replica whose session
        does not start counts as well; its siblings go on.
    :param fail_fast: destroy running sessions once too many have failed. Otherwise they may finish, and no
        more are launched.
    :param wait_for_completion: False to end when all replicas have been launched, and to leave them running;
        :class:`~airflow_provider_canfar.sensors.session.CanfarSessionSensor` takes what the task returns as
        ``ids``. A retry adopts what runs; a cleared task destroys it and launches again.
    :param on_clear: ``"fresh"``: a cleared task runs all of its replicas again. ``"resume"``: where some had
        failed, only those run again (needs Airflow 3.3, which remembers the others).
    :param destroy_on_kill: destroy the sessions when somebody ends the task, or it times out; False leaves
        them running. A worker that is stopped for another reason, such as a host that shuts down, leaves them
        to the retry if there is one.
    :param canfar_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer, without a worker slot; False to wait in the worker. By default
        True, unless the variable ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE`` is set.
    :param poll_interval: the time between two polls of the platform.
    :param startup_timeout: how long a session may be Pending before its replica has failed; by default it may
        queue for ever. After a failed pull that may pass, such as a 503 or 429 from the registry, the task
        waits 30 minutes, or ``startup_timeout`` if that is shorter. An image that does not exist, or that the
        registry denies, fails its replica within a minute or two.
    :param logging_interval: the time between two reads of the log of a running session, of which the task's
        log shows the last lines, while deferred too; None to show each log only when its session has ended.
    :param max_logged_replicas: how many logs of running sessions it shows at once, 1 or more.
    :param record_within: how soon after its end a session is recorded while others still run: well before
        the platform forgets it, which CANFAR does after an hour.
    :param max_log_bytes: how many bytes of the end of each replica's log are shown; None for all of it, up
        to 64 MiB.
    :param on_finish_action: what becomes of sessions that have ended: ``keep`` (the platform forgets them
        within the hour), ``destroy`` or ``destroy_succeeded``. Live ones never outlive a failed task.
    :raises SpecError: for a literal that an argument does not take.
    :raises TypeError: for an argument that the operator does not have.
    """

    template_fields: Sequence[str] = template_fields_of(HEADLESS)
    _arguments = HEADLESS
    ui_color = "#d7e8f7"
    operator_extra_links = (OpenSessionLink(), SciencePortalLink())

    def __init__(
        self,
        *,
        image: str,
        name: str | None = None,
        command: Sequence[str] | str | XComArg | None = None,
        cmd: str | XComArg | None = None,
        args: str | Sequence[str] | XComArg | None = None,
        env: Mapping[str, Any] | str | XComArg | None = None,
        command_encoding: str = "auto",
        replicas: int | str | XComArg = 1,
        cores: float | str | XComArg | None = None,
        ram: float | str | XComArg | None = None,
        gpus: int | str | XComArg | None = None,
        max_active_replicas: int | str | XComArg | None = None,
        launch_concurrency: int | str | XComArg = 8,
        max_account_sessions: int | str | XComArg | None = None,
        max_pending_account_sessions: int | str | XComArg | None = None,
        account_sessions_prefix: str | XComArg | None = None,
        max_failed_replicas: int | str | XComArg = 0,
        fail_fast: bool | str | XComArg = False,
        wait_for_completion: bool | str | XComArg = True,
        on_clear: str = "fresh",
        destroy_on_kill: bool | str | XComArg = True,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        deferrable: bool | None = None,
        poll_interval: timedelta | float | str | XComArg = 15.0,
        startup_timeout: timedelta | float | str | XComArg | None = None,
        logging_interval: timedelta | float | str | XComArg | None = 60.0,
        max_logged_replicas: int | str | XComArg = 3,
        record_within: timedelta | float | str | XComArg = 1200.0,
        max_log_bytes: int | str | XComArg | None = 1_000_000,
        on_finish_action: str = "keep",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        with in_task(kwargs.get("task_id")):
            super().__init__(
                name=name,
                destroy_on_kill=destroy_on_kill,
                canfar_conn_id=canfar_conn_id,
                deferrable=deferrable,
                poll_interval=poll_interval,
                startup_timeout=startup_timeout,
                **kwargs,
            )
            self.image = image
            self.command = command
            self.cmd = cmd
            self.args = args
            self.env = env
            self.command_encoding = command_encoding
            self.replicas = replicas
            self.cores = cores
            self.ram = ram
            self.gpus = gpus
            self.max_active_replicas = max_active_replicas
            self.launch_concurrency = launch_concurrency
            self.max_account_sessions = max_account_sessions
            self.max_pending_account_sessions = max_pending_account_sessions
            self.account_sessions_prefix = account_sessions_prefix
            self.max_failed_replicas = max_failed_replicas
            self.fail_fast = fail_fast
            self.wait_for_completion = wait_for_completion
            self.on_clear = on_clear
            self.logging_interval = logging_interval
            self.max_logged_replicas = max_logged_replicas
            self.record_within = record_within
            self.max_log_bytes = max_log_bytes
            self.on_finish_action = on_finish_action
            self._check_literals()

    @property
    def env(self) -> HiddenEnv | None:
        """The environment variables, in a mapping that shows no value."""
        return self._env

    @env.setter
    def env(self, value: Any) -> None:
        self._env = None if value is None else HiddenEnv(value)

    def dry_run(self) -> None:
        """Show what would be created, without values of the environment."""
        from airflow_provider_canfar.skaha.models import SessionSpec
        from airflow_provider_canfar.skaha.secret import HIDDEN
        from airflow_provider_canfar.skaha.wire import create_form

        parsed, command = self._parsed(), self._command({}, None)
        # Hidden before they are encoded: base64 hides nothing.
        hidden = dict.fromkeys({**(parsed["env"] or {}), **command.get("env", {})}, HIDDEN)
        spec = SessionSpec(
            **self._resources(parsed),
            **(command | {"env": hidden}),
            replicas=parsed["replicas"],
            name=parsed["name"] or "dry-run",
        )
        for replica in range(1, spec.replicas + 1):
            for name, value in create_form(spec, replica):
                self._emit(f"Replica {replica}: {name}={value}")

    def _sessions_outlive_success(self) -> bool:
        return not self._parsed()["wait_for_completion"]

    def log_reader(self, batch: Batch) -> LogReader:
        """Return what reads the log of each ended session before it is shown; for subclasses."""
        from airflow_provider_canfar.task_sessions.ended_session import LogReader

        return LogReader()

    def task_result(self, outcomes: Sequence[Outcome]) -> Any:
        """Return what the task returns, made of how each replica ended, in order; for subclasses."""
        rows = [asdict(outcome) for outcome in outcomes]
        return [{name: value for name, value in row.items() if name != "retryable"} for row in rows]

    def _new_batch(self, identity: Identity, try_number: int) -> Batch:
        from airflow_provider_canfar.task_sessions.batch import Batch

        parsed = self._parsed()
        check_together(parsed)
        return Batch(identity, try_number, parsed["replicas"])

    def _with_saved_state(self, batch: Batch, saved: SavedState) -> Batch:
        return saved.apply_to(batch, resume=self._parsed()["on_clear"] == "resume")

    def _new_runner(
        self, hook: CanfarHook, spec: SessionSpec, batch: Batch, deadline: float | None, **carried: Any
    ) -> TaskRunner:
        from airflow_provider_canfar.operators._launch_runner import LaunchRunner
        from airflow_provider_canfar.operators._task_runner import TaskRunner
        from airflow_provider_canfar.task_sessions.account_limit import AccountLimit
        from airflow_provider_canfar.task_sessions.limits import Limits
        from airflow_provider_canfar.task_sessions.run_options import RunOptions

        parsed = self._parsed()
        runner = LaunchRunner if self._sessions_outlive_success() else TaskRunner
        return runner(
            hook=hook,
            spec=spec,
            batch=batch,
            limits=Limits(
                parsed["max_active_replicas"],
                parsed["max_failed_replicas"],
                fail_fast=parsed["fail_fast"],
                account=AccountLimit.of(parsed),
            ),
            deadline=deadline,
            options=RunOptions.of({**parsed, "execution_timeout": self.execution_timeout}),
            emit=self._emit,
            reader=self.log_reader(batch),
            **carried,
        )

    def _result(self, runner: TaskRunner, outcomes: Sequence[Outcome]) -> Any:
        from airflow_provider_canfar.task_sessions.session_xcoms import sessions_to_json

        if self._sessions_outlive_success():
            return sessions_to_json(runner.batch)
        return self.task_result(outcomes)

    def _spec(self, context: Context, batch: Batch) -> SessionSpec:
        from airflow_provider_canfar.skaha.models import SessionSpec

        parsed, command = self._parsed(), self._command(context, batch)
        return SessionSpec(
            **self._resources(parsed),
            **(command | {"env": {**(parsed["env"] or {}), **command.get("env", {})}}),
            # A try keeps the number that it began with, whatever a template renders since.
            replicas=batch.replicas,
            name=batch.identity.stem,
        )

    def _command(self, context: Context, batch: Batch | None) -> dict[str, Any]:
        """Return the fields of a spec that say what to run; ``env`` is added to the task's own.

        :param batch: None for a dry run.
        """
        return {name: value for name, value in self._parsed().items() if name in COMMAND_ARGUMENTS}

    def _resources(self, parsed: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a spec that say where to run it."""
        return {name: parsed[name] for name in ("image", "command_encoding", "cores", "ram", "gpus")}
