"""The operator that opens an interactive session for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.links import OpenSessionLink, SciencePortalLink
from airflow_provider_canfar.operators._base import SessionOperator
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._session_arguments import INTERACTIVE, template_fields_of

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.operators._interactive_runner import InteractiveRunner
    from airflow_provider_canfar.operators._task_arguments import TaskArguments
    from airflow_provider_canfar.operators._task_runner import TaskRunner
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.skaha.naming import Identity
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome

__all__ = ["CanfarInteractiveOperator"]


class CanfarInteractiveOperator(SessionOperator):
    """Open a notebook, a desktop, CARTA, Firefly or a contributed session, and leave it to a person.

    The task ends once the session is running. The session goes on until its user ends it, or the platform
    does after four days. It does not outlive a task that fails or is killed::

        CanfarInteractiveOperator(
            task_id="inspect",
            kind="notebook",
            image="images.canfar.net/skaha/astroml:24.07",
        )

    The task returns the session's URL. While it waits, the XCom ``url`` has it too, and
    ``sessions`` has the id. There is one session per task instance: a retry takes over the one that is there,
    and a cleared task destroys it and opens another.

    Every argument except ``deferrable`` may be a template or another task's output. Literals are checked when
    the DAG file is parsed, rendered values before anything is launched. One that renders to nothing (None,
    ``"None"`` or ``""``) is an error, except for ``cores``, ``ram`` and ``gpus``. A duration is a timedelta
    or a number of seconds.

    :param image: the container image, ``images.canfar.net/project/name:tag``.
    :param kind: ``notebook``, ``desktop``, ``carta``, ``firefly`` or ``contributed``.
    :param name: the stem of the session's name: letters, digits, ``-``, cut to 30; by default the task's id.
    :param cores: CPU cores, a number; with neither ``cores`` nor ``ram``, resources are flexible.
    :param ram: memory in GB, a number.
    :param gpus: GPUs, 1 or more; leave out for none.
    :param wait_for_quota: the platform allows a few interactive sessions per user. True waits for a
        free slot; False fails with the platform's message.
    :param wait_for_url: also wait until the session's URL answers. Airflow must be able to reach it.
    :param keep_alive_for: keep the session alive for this long by renewing it, and end the task only then, or
        when its user ends the session. By default the session lives as long as the platform lets it.
    :param destroy_on_kill: destroy the session when somebody ends the task, or it times out; False leaves it
        running. A worker that is stopped for another reason, such as a host that shuts down, leaves it to the
        retry if there is one.
    :param canfar_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer, without a worker slot; False to wait in the worker. By default
        True, unless the variable ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE`` is set.
    :param poll_interval: the time between two polls of the platform.
    :param startup_timeout: how long the session may be Pending before the task fails; by default it may queue
        for ever. After a failed pull that may pass, such as a 503 or 429 from the registry, the task waits 30
        minutes, or ``startup_timeout`` if that is shorter. An image that does not exist, or that the registry
        denies, fails the task within a minute or two.
    :raises SpecError: for a literal that an argument does not take.
    :raises TypeError: for an argument that the operator does not have.
    """

    template_fields: Sequence[str] = template_fields_of(INTERACTIVE)
    _arguments = INTERACTIVE
    ui_color = "#d7f0e3"
    operator_extra_links = (OpenSessionLink(), SciencePortalLink())

    def __init__(
        self,
        *,
        image: str,
        kind: str = "notebook",
        name: str | None = None,
        cores: float | str | XComArg | None = None,
        ram: float | str | XComArg | None = None,
        gpus: int | str | XComArg | None = None,
        wait_for_quota: bool | str | XComArg = False,
        wait_for_url: bool | str | XComArg = False,
        keep_alive_for: timedelta | float | str | XComArg | None = None,
        startup_timeout: timedelta | float | str | XComArg | None = None,
        destroy_on_kill: bool | str | XComArg = True,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        deferrable: bool | None = None,
        poll_interval: timedelta | float | str | XComArg = 15.0,
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        with in_task(kwargs.get("task_id")):
            super().__init__(
                name=name,
                startup_timeout=startup_timeout,
                destroy_on_kill=destroy_on_kill,
                canfar_conn_id=canfar_conn_id,
                deferrable=deferrable,
                poll_interval=poll_interval,
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
            self._check_literals()

    def _sessions_outlive_success(self) -> bool:
        return True

    def _new_batch(self, identity: Identity, try_number: int) -> Batch:
        from airflow_provider_canfar.task_sessions.batch import Batch

        self._parsed()  # Before any request.
        return Batch(identity, try_number, replicas=1)

    def _new_runner(
        self, hook: CanfarHook, spec: SessionSpec, batch: Batch, deadline: float | None, **carried: Any
    ) -> InteractiveRunner:
        from airflow_provider_canfar.operators._interactive_runner import InteractiveRunner
        from airflow_provider_canfar.task_sessions.run_options import RunOptions

        parsed = self._parsed()
        return InteractiveRunner(
            hook=hook,
            spec=spec,
            batch=batch,
            deadline=deadline,
            options=RunOptions.of({**parsed, "execution_timeout": self.execution_timeout}),
            emit=self._emit,
            wait_for_quota=parsed["wait_for_quota"],
            wait_for_url=parsed["wait_for_url"],
            keep_alive_for=parsed["keep_alive_for"],
            **carried,
        )

    def _result(self, runner: TaskRunner, outcomes: Sequence[Outcome]) -> str | None:
        url: str | None = runner.xcoms(whole=True)["url"]
        return url

    def _spec(self, context: Context, batch: Batch) -> SessionSpec:
        """Say what to launch."""
        from airflow_provider_canfar.skaha.models import SessionSpec

        parsed = self._parsed()
        asked = {name: parsed[name] for name in ("image", "kind", "cores", "ram", "gpus")}
        return SessionSpec(name=batch.identity.stem, **asked)
