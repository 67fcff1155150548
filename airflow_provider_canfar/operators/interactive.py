"""The operator that opens an interactive session for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.links import OpenSessionLink, SciencePortalLink
from airflow_provider_canfar.operators._base import SessionOperator
from airflow_provider_canfar.operators._errors import airflow_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
    from airflow_provider_canfar.operators._interactive_runner import InteractiveRunner
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch
    from airflow_provider_canfar.task_sessions.wait import WaitSpec, WakeEvent

__all__ = ["CanfarInteractiveOperator"]


class CanfarInteractiveOperator(SessionOperator):
    """Open a notebook, a desktop, CARTA, Firefly or a contributed session, and leave it to a person.

    The task ends when the session runs; the session goes on until its user or the platform ends it, after
    four days. It does not outlive a task that fails or is killed::

        CanfarInteractiveOperator(
            task_id="inspect",
            kind="notebook",
            image="images.canfar.net/skaha/astroml:24.07",
        )

    The task returns the address of the session's page. While it waits, the XCom ``url`` has it too, and
    ``sessions`` has the id. There is one session per task instance: a retry takes over the one that is there,
    and a cleared task destroys it and opens another.

    :param image: the container image, ``images.canfar.net/project/name:tag``. (templated)
    :param kind: ``notebook``, ``desktop``, ``carta``, ``firefly`` or ``contributed``. (templated)
    :param name: the stem of the session's name: letters, digits and ``-``; by default from the task's id.
        (templated)
    :param cores: CPU cores; with neither ``cores`` nor ``ram``, resources are flexible. (templated)
    :param ram: memory in GB. (templated)
    :param gpus: GPUs; leave out for none. (templated)
    :param wait_for_quota: the platform allows a few interactive sessions per user. True waits for a place
        when there is none; False fails with the platform's words.
    :param wait_for_url: wait until the session's page answers, too. It must be reachable from where Airflow
        runs.
    :param keep_alive_for: keep the session alive for so long, by renewing it, and end the task only then, or when
        its user has ended the session. By default the platform's own time runs.
    :param destroy_on_kill: destroy the session when the task is killed or out of time; False leaves it.
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer, without a worker slot; False to wait in the worker.
    :param poll_interval: seconds between two looks at the platform.
    :param startup_timeout: how long the session may be Pending before the task fails; by default it may queue
        for ever. One that can never start, because of its image, fails the task within a minute or two.
    """

    template_fields: Sequence[str] = ("canfar_conn_id", "image", "kind", "name", "cores", "ram", "gpus")
    ui_color = "#d7f0e3"
    operator_extra_links = (OpenSessionLink(), SciencePortalLink())

    def __init__(
        self,
        *,
        image: str,
        kind: str = "notebook",
        name: str | None = None,
        cores: float | None = None,
        ram: float | None = None,
        gpus: int | None = None,
        wait_for_quota: bool = False,
        wait_for_url: bool = False,
        keep_alive_for: timedelta | None = None,
        destroy_on_kill: bool = True,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        deferrable: bool = True,
        poll_interval: float = 15.0,
        startup_timeout: timedelta | None = None,
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
        self.kind = kind
        self.cores = cores
        self.ram = ram
        self.gpus = gpus
        self.wait_for_quota = wait_for_quota
        self.wait_for_url = wait_for_url
        self.keep_alive_for = keep_alive_for

    def execute(self, context: Context) -> str | None:
        """Launch the session, and wait until it can be opened.

        :raises AirflowFailException: when a retry cannot help; its cause has the details.
        :raises SessionFailed: when the session ends before it could be opened.
        """
        with airflow_errors():
            return self._go_on(context, self._first_batch(context), self._deadline())

    def resume(
        self,
        context: Context,
        event: dict[str, Any],
        batch: dict[str, Any] | None = None,
        deadline: float | None = None,
        keep_until: float | None = None,
    ) -> str | None:
        """Go on after a wait in the triggerer, with what was known before and what the wait has seen.

        ``dag.test()`` forgets what the deferral carried; the name of the session then tells the rest.
        """
        from airflow_provider_canfar.task_sessions.batch import Batch
        from airflow_provider_canfar.task_sessions.wait import WakeEvent

        with airflow_errors():
            known = self._first_batch(context) if batch is None else Batch.from_json(batch)
            return self._go_on(context, known, deadline, keep_until, WakeEvent.from_json(event))

    def _first_batch(self, context: Context) -> Batch:
        """Say who this task instance is."""
        from airflow_provider_canfar.task_sessions.batch import Batch
        from airflow_provider_canfar.task_sessions.saved_state import SavedState

        store = context.get("task_state_store")
        memory = SavedState.recall(store)
        batch = Batch(self._identity(context, memory), context["ti"].try_number, replicas=1)
        # Before anything is launched: whatever becomes of this try, the next one finds what it has launched.
        SavedState.of(batch).write(store)
        return batch

    def _spec(self, batch: Batch) -> SessionSpec:
        """Say what is launched.

        :raises SpecError: for a headless session, too, which has no page to open.
        """
        from airflow_provider_canfar.skaha.errors import SpecError
        from airflow_provider_canfar.skaha.models import Kind, SessionSpec

        if self.kind in {Kind.HEADLESS, Kind.DESKTOP_APP}:
            raise SpecError(
                f"The kind {self.kind!r} is refused: it is no session that a browser opens. Choose notebook, "
                "desktop, carta, firefly or contributed; CanfarHeadlessOperator runs headless ones."
            )
        return SessionSpec(
            name=batch.identity.stem,
            image=self.image,
            kind=self.kind,
            cores=self.cores,
            ram=self.ram,
            gpus=self.gpus,
        )

    def _go_on(
        self,
        context: Context,
        batch: Batch,
        deadline: float | None,
        keep_until: float | None = None,
        wake: WakeEvent | None = None,
    ) -> str | None:
        """Launch, then wait: here, or in the triggerer, which comes back through resume."""
        from airflow_provider_canfar.task_sessions.report import launches_to_json
        from airflow_provider_canfar.task_sessions.saved_state import SavedState

        ti, task = context["ti"], self._task_instance(context)
        runner = self._begin(self._make_runner(context, batch, deadline, keep_until))

        def publish() -> None:
            ti.xcom_push("sessions", [{**one, "url": runner.url} for one in launches_to_json(runner.batch)])
            ti.xcom_push("url", runner.url)
            SavedState.of(runner.batch).write(context.get("task_state_store"))

        def defer(wait_spec: WaitSpec) -> NoReturn:
            self._refuse_to_defer_unless_running(task)
            self._defer(wait_spec, runner, deadline, task)

        runner.run(wake, publish=publish, defer=defer if self.deferrable else None)
        return runner.url

    def _make_runner(
        self, context: Context, batch: Batch, deadline: float | None, keep_until: float | None = None
    ) -> InteractiveRunner:
        from airflow_provider_canfar.operators._interactive_runner import InteractiveRunner, Wishes
        from airflow_provider_canfar.operators._options import RunOptions

        hook = CanfarHook(self.canfar_conn_id)
        # Read here, where Airflow answers: in on_kill it no longer does.
        hook.settings  # noqa: B018 - reading it is what it is for
        return InteractiveRunner(
            hook=hook,
            spec=self._spec(batch),
            batch=batch,
            wishes=Wishes(
                quota=self.wait_for_quota,
                page=self.wait_for_url,
                keep_alive_for=self.keep_alive_for.total_seconds() if self.keep_alive_for else None,
            ),
            keep_until=keep_until,
            deadline=deadline,
            options=RunOptions(
                poll_interval=self.poll_interval,
                startup_timeout=self.startup_timeout.total_seconds() if self.startup_timeout else None,
                destroy_on_kill=self.destroy_on_kill,
            ),
            emit=self._emit,
        )

    def _defer(
        self, wait_spec: WaitSpec, runner: InteractiveRunner, deadline: float | None, task: TaskInstanceId
    ) -> NoReturn:
        from airflow_provider_canfar.triggers.interactive import CanfarInteractiveTrigger

        self.defer(
            trigger=CanfarInteractiveTrigger(
                canfar_conn_id=self.canfar_conn_id,
                wait_spec=wait_spec.to_json(),
                poll_interval=self.poll_interval,
                task_instance=task.to_json(),
                destroy_on_kill=self.destroy_on_kill,
            ),
            method_name="resume",
            kwargs={"batch": runner.batch.to_json(), "deadline": deadline, "keep_until": runner.keep_until},
            timeout=self._defer_timeout(deadline),
        )
