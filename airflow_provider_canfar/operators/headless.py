"""The operator that runs a command in headless sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.links import OpenSessionLink, SciencePortalLink
from airflow_provider_canfar.operators._base import SessionOperator
from airflow_provider_canfar.operators._errors import airflow_errors

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment

    from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
    from airflow_provider_canfar.operators._task_runner import TaskRunner
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.reconcile import EndedSession
    from airflow_provider_canfar.task_sessions.wait import WaitSpec, WakeEvent

__all__ = ["CanfarHeadlessOperator"]


class CanfarHeadlessOperator(SessionOperator):
    """Run a command in one or many headless sessions, and end when they have ended.

    Each replica is a session of its own and is told which it is by ``REPLICA_ID`` (1 to N) and
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
    :param env: environment variables. (templated; their values are not shown among the rendered templates)
    :param command_encoding: how the command travels: ``auto``, ``plain`` or ``bootstrap``; see
        :class:`airflow_provider_canfar.skaha.command.encoding.CommandEncoding`.
    :param replicas: how many sessions. (templated)
    :param cores: CPU cores of each; with neither ``cores`` nor ``ram``, resources are flexible. (templated)
    :param ram: memory of each, in GB. (templated)
    :param gpus: GPUs of each; leave out for none. (templated)
    :param max_active_replicas: how many may be alive at once; None for all.
    :param max_failed_replicas: how many may fail without failing the task.
    :param fail_fast: destroy what still runs once too many have failed. Otherwise it may end, and only
        nothing more is launched.
    :param on_clear: ``"fresh"``: a cleared task runs all of its replicas anew. ``"resume"``: what had
        succeeded stays so when something had failed (Airflow 3.3 on, which remembers it).
    :param destroy_on_kill: destroy the sessions when the task is killed or out of time; False leaves them.
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer, without a worker slot; False to wait in the worker.
    :param poll_interval: seconds between two looks at the platform.
    :param startup_timeout: how long a session may be Pending before the task fails; by default it may queue
        for ever. One that can never start, because of its image, fails the task within a minute or two.
    :param logging_interval: seconds after which the log of a session that still runs is looked at again, while
        deferred too; None to show each log when its session has ended.
    :param record_within: seconds after its end within which a session is recorded while others still run:
        well below the time after which the platform forgets it, which is an hour at CANFAR.
    :param max_log_bytes: how much of the end of each replica's log is shown; None for all of it.
    :param on_finish_action: what becomes of sessions that have ended: ``keep`` (the platform forgets them within
        the hour), ``destroy`` or ``destroy_succeeded``. Live ones never outlive a failed task.
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

    def execute(self, context: Context) -> Any:
        """Launch, and wait without a worker slot.

        :raises AirflowFailException: when a retry cannot help; its cause has the details.
        :raises SessionFailed: when more than ``max_failed_replicas`` have failed.
        """
        with airflow_errors():
            return self._go_on(context, self._first_batch(context), self._deadline())

    def resume(
        self,
        context: Context,
        event: dict[str, Any],
        batch: dict[str, Any] | None = None,
        deadline: float | None = None,
    ) -> Any:
        """Go on after a wait in the triggerer, with what was known before and what the wait has seen.

        ``dag.test()`` forgets what the deferral carried; the names of the sessions then tell the rest.
        """
        from airflow_provider_canfar.task_sessions.batch import Batch
        from airflow_provider_canfar.task_sessions.wait import WakeEvent

        with airflow_errors():
            known = self._first_batch(context) if batch is None else Batch.from_json(batch)
            return self._go_on(context, known, deadline, WakeEvent.from_json(event))

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
        from airflow_provider_canfar.skaha.models import SessionSpec
        from airflow_provider_canfar.skaha.wire import create_form

        # Hidden before they are encoded: the bootstrap carries them in the arguments.
        env = dict.fromkeys(self.env or {}, "***")
        spec = SessionSpec(**self._fields(), name=self.name or "dry-run", env=env)
        for replica in range(1, spec.replicas + 1):
            for name, value in create_form(spec, replica):
                self._emit(f"Replica {replica}: {name}={value}")

    def read_harvest(self, harvest: EndedSession) -> EndedSession:
        """Read what an ended session left, before it is shown and recorded; for subclasses."""
        return harvest

    def is_complete(self, harvest: EndedSession) -> bool:
        """Tell whether a log has all that is due in it, or is to be looked at again; for subclasses."""
        return True

    def task_result(self, outcomes: Sequence[Outcome]) -> Any:
        """Make what the task returns of how each replica ended, in order; for subclasses."""
        from airflow_provider_canfar.task_sessions.report import outcome_to_json

        return [outcome_to_json(outcome) for outcome in outcomes]

    def _first_batch(self, context: Context) -> Batch:
        """Say who this task instance is, with what it remembers of earlier tries."""
        from airflow_provider_canfar.operators._options import ON_CLEAR, one_of, replica_count
        from airflow_provider_canfar.task_sessions.batch import Batch
        from airflow_provider_canfar.task_sessions.saved_state import SavedState

        store, try_number = context.get("task_state_store"), context["ti"].try_number
        resume = one_of("on_clear", self.on_clear, ON_CLEAR) == "resume"
        memory = SavedState.recall(store)
        identity = self._identity(context, memory)
        batch = Batch(identity, try_number, replica_count(self.replicas))
        if memory is not None:
            batch = memory.remind(batch, resume=resume)
        # Before anything is launched: whatever becomes of this try, the next one finds what it has launched.
        SavedState.of(batch).write(store)
        return batch

    def _spec(self, context: Context, batch: Batch) -> SessionSpec:
        """Say what each replica runs."""
        from airflow_provider_canfar.skaha.models import SessionSpec

        # No template field: Airflow stores those in its database, and these values may be secret.
        env = self.render_template(self.env, context, self.get_template_env())
        return SessionSpec(**self._fields(), name=batch.identity.stem, env=env or {})

    def _fields(self) -> dict[str, Any]:
        """Return what a spec takes from this operator as it is."""
        return {
            "image": self.image,
            "command": self.command,
            "cmd": self.cmd,
            "args": self.args,
            "command_encoding": self.command_encoding,
            "replicas": self.replicas,
            "cores": self.cores,
            "ram": self.ram,
            "gpus": self.gpus,
        }

    def _go_on(
        self, context: Context, batch: Batch, deadline: float | None, wake: WakeEvent | None = None
    ) -> Any:
        """Observe, plan and act, then wait: here, or in the triggerer, which comes back through resume."""
        from airflow_provider_canfar.task_sessions.report import launches_to_json
        from airflow_provider_canfar.task_sessions.saved_state import SavedState

        task = self._task_instance(context)
        runner = self._begin(self._make_runner(context, batch, deadline))

        def publish() -> None:
            context["ti"].xcom_push("sessions", launches_to_json(runner.batch))
            SavedState.of(runner.batch).write(context.get("task_state_store"))

        def defer(wait_spec: WaitSpec) -> NoReturn:
            self._refuse_to_defer_unless_running(task)
            self._defer(wait_spec, runner.batch, deadline, task)

        return self.task_result(runner.run(wake, publish=publish, defer=defer if self.deferrable else None))

    def _make_runner(self, context: Context, batch: Batch, deadline: float | None) -> TaskRunner:
        from airflow_provider_canfar.operators._options import RunOptions
        from airflow_provider_canfar.operators._task_runner import TaskRunner
        from airflow_provider_canfar.task_sessions.batch import Limits

        # A try goes on with the number that it has begun with, whatever a template renders since.
        self.replicas = batch.replicas
        hook = CanfarHook(self.canfar_conn_id)
        # Read here, where Airflow answers: in on_kill it no longer does.
        hook.settings  # noqa: B018 - reading it is what it is for
        return TaskRunner(
            hook=hook,
            spec=self._spec(context, batch),
            batch=batch,
            limits=Limits(self.max_active_replicas, self.max_failed_replicas, self.fail_fast),
            deadline=deadline,
            options=RunOptions(
                poll_interval=self.poll_interval,
                startup_timeout=self.startup_timeout.total_seconds() if self.startup_timeout else None,
                logging_interval=self.logging_interval,
                record_within=self.record_within,
                max_log_bytes=self.max_log_bytes,
                on_finish_action=self.on_finish_action,
                destroy_on_kill=self.destroy_on_kill,
            ),
            emit=self._emit,
            read=self.read_harvest,
            is_complete=self.is_complete,
        )

    def _defer(
        self, wait_spec: WaitSpec, batch: Batch, deadline: float | None, task: TaskInstanceId
    ) -> NoReturn:
        from airflow_provider_canfar.triggers.session import CanfarSessionTrigger

        self.defer(
            trigger=CanfarSessionTrigger(
                canfar_conn_id=self.canfar_conn_id,
                wait_spec=wait_spec.to_json(),
                poll_interval=self.poll_interval,
                task_instance=task.to_json(),
                destroy_on_kill=self.destroy_on_kill,
            ),
            method_name="resume",
            kwargs={"batch": batch.to_json(), "deadline": deadline},
            timeout=self._defer_timeout(deadline),
        )
