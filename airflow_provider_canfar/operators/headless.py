"""The operator that runs a command in headless sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.links import OpenSessionLink, SciencePortalLink
from airflow_provider_canfar.operators._base import SessionOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment

    from airflow_provider_canfar.operators._task_runner import TaskRunner
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.skaha.naming import Identity
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.ended_session import LogReader
    from airflow_provider_canfar.task_sessions.saved_state import SavedState

__all__ = ["CanfarHeadlessOperator"]


class CanfarHeadlessOperator(SessionOperator):
    """Run a command in one or many headless sessions, and end when they have ended.

    Each replica is a session of its own and reads which one it is from ``REPLICA_ID`` (1 to N) and
    ``REPLICA_COUNT``; :func:`airflow_provider_canfar.replicas.chunk` and ``stripe`` split work by them::

        CanfarHeadlessOperator(
            task_id="calibrate",
            image="images.canfar.net/skaha/astroml:24.07",
            command=["python", "/arc/projects/demo/calibrate.py"],
            replicas=20,
        )

    The task returns a list with one dict per replica, in order: ``replica``, ``session_id``, ``name``,
    ``status``, ``succeeded``, ``try_number``, ``started``. While it waits, the XCom ``sessions`` has the ids.

    :param image: the container image, ``images.canfar.net/project/name:tag``. (templated)
    :param name: the stem of the sessions' names: letters, digits and ``-``; by default from the task's id.
        (templated)
    :param command: the program and its arguments, one string each, which arrive as they are written.
        (templated, element by element: a rendered value stays one argument)
    :param cmd: the program, as the platform's own client has it. (templated)
    :param args: its arguments: a list, or a string that is split as a shell would. (templated)
    :param env: environment variables. (templated; Airflow does not store their values)
    :param command_encoding: how the command is encoded for the platform: ``auto``, ``plain`` or
        ``bootstrap``; see :class:`airflow_provider_canfar.skaha.command.encoding.CommandEncoding`.
    :param replicas: how many sessions. (templated)
    :param cores: CPU cores of each; with neither ``cores`` nor ``ram``, resources are flexible. (templated)
    :param ram: memory of each, in GB. (templated)
    :param gpus: GPUs of each; leave out for none. (templated)
    :param max_active_replicas: how many may be alive at once; None for all.
    :param max_failed_replicas: how many may fail without failing the task.
    :param fail_fast: destroy running sessions once too many have failed. Otherwise they may finish, and no
        more are launched.
    :param on_clear: ``"fresh"``: a cleared task runs all of its replicas again. ``"resume"``: where some had
        failed, only those run again (needs Airflow 3.3, which remembers the others).
    :param destroy_on_kill: destroy the sessions when the task is killed or times out; False leaves them.
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer, without a worker slot; False to wait in the worker.
    :param poll_interval: seconds between two polls of the platform.
    :param startup_timeout: how long a session may be Pending before the task fails; by default it may queue
        for ever. A session that can never start, because of its image, fails the task within a minute or two.
    :param logging_interval: seconds between two reads of the log of a running session, while deferred
        too; None to show each log when its session has ended.
    :param record_within: seconds after its end within which a session is recorded while others still run:
        well below the time after which the platform forgets it, which is an hour at CANFAR.
    :param max_log_bytes: how much of the end of each replica's log is shown; None for all of it.
    :param on_finish_action: what becomes of sessions that have ended: ``keep`` (the platform forgets them
        within the hour), ``destroy`` or ``destroy_succeeded``. Live ones never outlive a failed task.
    """

    template_fields: Sequence[str] = (
        "canfar_conn_id",
        "image",
        "name",
        "command",
        "cmd",
        "args",
        "replicas",
        "cores",
        "ram",
        "gpus",
    )
    ui_color = "#d7e8f7"
    operator_extra_links = (OpenSessionLink(), SciencePortalLink())

    def __init__(
        self,
        *,
        image: str,
        name: str | None = None,
        command: Sequence[str] | None = None,
        cmd: str | None = None,
        args: str | Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        command_encoding: str = "auto",
        replicas: int | str = 1,
        cores: float | str | None = None,
        ram: float | str | None = None,
        gpus: int | str | None = None,
        max_active_replicas: int | None = None,
        max_failed_replicas: int = 0,
        fail_fast: bool = False,
        on_clear: Literal["fresh", "resume"] = "fresh",
        destroy_on_kill: bool = True,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        deferrable: bool = True,
        poll_interval: float = 15.0,
        startup_timeout: timedelta | None = None,
        logging_interval: float | None = None,
        record_within: float = 1200.0,
        max_log_bytes: int | None = 1_000_000,
        on_finish_action: Literal["keep", "destroy", "destroy_succeeded"] = "keep",
        **kwargs: Any,
    ) -> None:
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
        self.max_failed_replicas = max_failed_replicas
        self.fail_fast = fail_fast
        self.on_clear = on_clear
        self.logging_interval = logging_interval
        self.record_within = record_within
        self.max_log_bytes = max_log_bytes
        self.on_finish_action = on_finish_action

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a template; one in a word of the command, or in a variable, as text."""
        from airflow_provider_canfar.operators._templates import rendered

        native = partial(super().render_template, context=context, jinja_env=jinja_env, seen_oids=seen_oids)
        if not any(content is words for words in (self.command, self.cmd, self.args, self.env)):
            return native(content)
        dag = self.get_dag()
        env = self.get_template_env() if dag is None else dag.get_template_env(force_sandboxed=True)
        return rendered(content, lambda text: env.from_string(text).render(context), native)

    def dry_run(self) -> None:
        """Show what would be created, without values of the environment."""
        from airflow_provider_canfar.operators._arguments import whole_number
        from airflow_provider_canfar.skaha.models import SessionSpec
        from airflow_provider_canfar.skaha.wire import create_form

        # Hidden before they are encoded: the bootstrap carries them in the arguments.
        env = dict.fromkeys(self.env or {}, "***")
        spec = SessionSpec(
            **self._resources(),
            **self._command({}, None),
            replicas=whole_number("replicas", self.replicas, minimum=1),
            name=self.name or "dry-run",
            env=env,
        )
        for replica in range(1, spec.replicas + 1):
            for name, value in create_form(spec, replica):
                self._emit(f"Replica {replica}: {name}={value}")

    def log_reader(self, batch: Batch) -> LogReader:
        """Return what reads the log of each ended session before it is shown; for subclasses."""
        from airflow_provider_canfar.task_sessions.ended_session import LogReader

        return LogReader()

    def task_result(self, outcomes: Sequence[Outcome]) -> Any:
        """Return what the task returns, made of how each replica ended, in order; for subclasses."""
        return [asdict(outcome) for outcome in outcomes]

    def _new_batch(self, identity: Identity, try_number: int) -> Batch:
        from airflow_provider_canfar.operators._arguments import ON_CLEAR, one_of, whole_number
        from airflow_provider_canfar.task_sessions.batch import Batch

        one_of("on_clear", self.on_clear, ON_CLEAR)
        return Batch(identity, try_number, whole_number("replicas", self.replicas, minimum=1))

    def _with_saved_state(self, batch: Batch, saved: SavedState) -> Batch:
        return saved.apply_to(batch, resume=self.on_clear == "resume")

    def _new_runner(
        self, hook: CanfarHook, spec: SessionSpec, batch: Batch, deadline: float | None, **carried: Any
    ) -> TaskRunner:
        from airflow_provider_canfar.operators._arguments import ON_FINISH_ACTIONS, one_of
        from airflow_provider_canfar.operators._task_runner import TaskRunner
        from airflow_provider_canfar.task_sessions.plan import Limits

        return TaskRunner(
            hook=hook,
            spec=spec,
            batch=batch,
            limits=Limits(self.max_active_replicas, self.max_failed_replicas, self.fail_fast),
            deadline=deadline,
            options=self._run_options(
                logging_interval=self.logging_interval,
                record_within=self.record_within,
                max_log_bytes=self.max_log_bytes,
                on_finish_action=one_of("on_finish_action", self.on_finish_action, ON_FINISH_ACTIONS),
            ),
            emit=self._emit,
            reader=self.log_reader(batch),
        )

    def _result(self, runner: TaskRunner, outcomes: Sequence[Outcome]) -> Any:
        return self.task_result(outcomes)

    def _spec(self, context: Context, batch: Batch) -> SessionSpec:
        """Say what each replica runs."""
        from airflow_provider_canfar.skaha.models import SessionSpec

        # No template field: Airflow stores those in its database, and these values may be secret.
        env = self.render_template(self.env, context, self.get_template_env())
        return SessionSpec(
            **self._resources(),
            **self._command(context, batch),
            # A try keeps the number that it began with, whatever a template renders since.
            replicas=batch.replicas,
            name=batch.identity.stem,
            env=env or {},
        )

    def _command(self, context: Context, batch: Batch | None) -> dict[str, Any]:
        """Return the fields of a spec that say what to run.

        :param batch: None for a dry run.
        """
        return {"command": self.command, "cmd": self.cmd, "args": self.args}

    def _resources(self) -> dict[str, Any]:
        """Return the fields of a spec that say where to run it."""
        return {
            "image": self.image,
            "command_encoding": self.command_encoding,
            "cores": self.cores,
            "ram": self.ram,
            "gpus": self.gpus,
        }
