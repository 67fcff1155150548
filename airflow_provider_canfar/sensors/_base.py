"""What the sensors share: three ways to wait, patience during an outage, and which failures skip."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.hooks._log import LogLinesMixin
from airflow_provider_canfar.hooks._short_traceback import ShortTraceback
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators._argument_parsers import seconds
from airflow_provider_canfar.operators._deferrable import is_deferrable
from airflow_provider_canfar.operators._errors import airflow_errors
from airflow_provider_canfar.operators._selection_arguments import GivenArguments
from airflow_provider_canfar.operators._text_fields import TextFieldsMixin
from airflow_provider_canfar.operators._work import outer_task
from airflow_provider_canfar.skaha.log_line import WarningLine

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.triggers.sensors import CanfarSensorTrigger

T = TypeVar("T")

#: Seconds after the sensor's deadline at which Airflow's scheduler ends the wait if no triggerer is alive.
BACKSTOP = 600.0

#: The key in Airflow's task state store (3.3 on) under which a retry finds when the first try began.
START_KEY = "canfar_sensor_start"


class CanfarBaseSensor(LogLinesMixin, TextFieldsMixin, BaseSensorOperator):
    """A sensor that defers, pokes or reschedules, and keeps waiting during an outage of the platform.

    With ``soft_fail``, the task skips when ``timeout`` has passed or when the condition can no longer be met.
    Anything else fails it: an invalid argument, an unknown connection, a refused credential, a rejected
    request, a trigger that failed, the ``execution_timeout``.

    ``timeout`` counts from the first try in ``mode="reschedule"`` and, where Airflow remembers when that
    was (3.3 on), while deferred; it counts from the start of each try in ``mode="poke"``.
    ``execution_timeout`` counts from the start of each try; a deferred sensor keeps it too.

    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer; False to wait as ``mode`` says. By default the sensor defers,
        unless ``mode`` is given, or the variable ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE`` is set.
    :param poll_interval: seconds between two polls of the platform, or a timedelta; the same as
        ``poke_interval``. With ``mode="reschedule"``, Airflow's scheduler may fail the task if a check begins
        before the executor has reported the end of the last one, which takes seconds.
    :param poke_interval: Airflow's name for ``poll_interval``.
    :param mode: ``poke`` or ``reschedule``.
    :param kwargs: arguments of Airflow's sensors, such as ``timeout`` and ``soft_fail``.
    """

    ui_color = "#e6d7f7"

    def __init__(
        self,
        *,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        deferrable: bool | None = None,
        poll_interval: float | timedelta = 15.0,
        poke_interval: float | timedelta | None = None,
        mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_known(kwargs)
        interval = (
            seconds("poll_interval", poll_interval)
            if poke_interval is None
            else seconds("poke_interval", poke_interval)
        )
        super().__init__(poke_interval=interval, mode=mode or "poke", **kwargs)
        defers = mode is None and is_deferrable(None)
        self.deferrable = defers if deferrable is None else is_deferrable(deferrable)
        self.canfar_conn_id = canfar_conn_id
        self._given = GivenArguments(self._mapped_to_none & {"canfar_conn_id"}, canfar_conn_id=canfar_conn_id)

    @abstractmethod
    def _check(self, context: Context) -> PokeReturnValue:
        """Check the condition once.

        :raises RequestError: when the platform does not answer.
        """

    @abstractmethod
    def _make_trigger(self, deadline: float, deadline_from: str) -> CanfarSensorTrigger:
        """Make the trigger that continues to check.

        :param deadline: seconds since the epoch.
        :param deadline_from: the argument that sets the deadline.
        """

    @abstractmethod
    def _describe_wait(self) -> str:
        """Say what the sensor waits for, and what it has observed so far."""

    @abstractmethod
    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Return the task's result from the trigger's event, or raise why the task fails."""

    def execute(self, context: Context) -> Any:
        """Wait: in the triggerer, or as ``mode`` says.

        :raises AirflowSensorTimeout: when ``timeout`` has passed.
        :raises AirflowFailException: when a retry cannot help.
        """
        started, deferrable, outer = time.time(), self.deferrable, outer_task(self, context)
        if outer is not None and (deferrable or self.reschedule):
            self._emit(
                f"Waiting in the worker: task {outer.task_id!r} executes this sensor, and only the task "
                "itself can resume."
            )
            deferrable, self.mode = False, "poke"
        with ShortTraceback(), airflow_errors(self.log), self._decide_skips(timeout_never_fails=deferrable):
            if not deferrable:
                return self._wait_in_worker(context)
            # The first check runs here: a condition that is met already needs no triggerer.
            result = self.poke(context)
            if result.is_done:
                return result.xcom_value
            return self._defer(context, started)

    def poke(self, context: Context) -> PokeReturnValue:
        """Check the condition once; if the platform does not respond, it counts as not met yet."""
        from airflow_provider_canfar.skaha.errors import RequestError

        with ShortTraceback(), airflow_errors(self.log, may_skip=True):
            try:
                return self._check(context)
            except RequestError as error:
                if not error.retryable:
                    raise
                self._emit(WarningLine(f"The platform is not responding; still waiting. {error}"))
                return PokeReturnValue(is_done=False)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a wait, or end as Airflow asks: the trigger has failed, or no triggerer was alive.

        :raises AirflowSensorTimeout: when ``timeout`` has passed.
        :raises AirflowTaskTimeout: when ``execution_timeout`` has passed.
        :raises TaskDeferralError: when the trigger has failed; a retry checks again.
        """
        from airflow_provider_canfar.hooks._airflow_compat import AirflowSensorTimeout

        with ShortTraceback(), airflow_errors(self.log), self._decide_skips(timeout_never_fails=True):
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSensorTimeout:
                if next_method == "resume":
                    raise
                # Airflow has ended the wait: no triggerer was alive until long after the deadline.
                limits = self._limits(0.0, 0.0)
                self._time_out(min(limits, key=limits.__getitem__), self._describe_wait())

    @contextmanager
    def _decide_skips(self, *, timeout_never_fails: bool) -> Iterator[None]:
        """Decide which failures skip, in place of Airflow's classes: they skip for any mistake.

        :param timeout_never_fails: whether ``never_fail`` covers time-outs: Airflow's sensors skip for a
            time-out while deferred, and fail for one in the worker.
        """
        from airflow_provider_canfar.hooks._airflow_compat import AirflowSensorTimeout, AirflowSkipException
        from airflow_provider_canfar.sensors._verdict import ConditionCannotBeMet

        soft_fail, never_fail = self.soft_fail, self.never_fail
        # Airflow's classes now raise what they find.
        self.soft_fail = self.never_fail = False
        try:
            yield
        except Exception as error:  # Whatever it was, it is raised again, or skips for its reason.
            is_timeout = isinstance(error, AirflowSensorTimeout)
            if soft_fail and (is_timeout or isinstance(error, ConditionCannotBeMet)):
                raise AirflowSkipException(f"Skipping because soft_fail is set. {error}") from error
            if never_fail and (timeout_never_fails or not is_timeout) and not _is_no_failure(error):
                raise AirflowSkipException(f"Skipping because never_fail is set. {error}") from error
            raise
        finally:
            self.soft_fail, self.never_fail = soft_fail, never_fail

    def _wait_in_worker(self, context: Context) -> Any:
        from airflow_provider_canfar.hooks._airflow_compat import AirflowSensorTimeout

        try:
            return super().execute(context)
        except AirflowSensorTimeout:
            # Airflow's own error does not say what the sensor has waited for.
            self._time_out("timeout", self._describe_wait())

    def _call(self, verb: Callable[[SkahaClient], Awaitable[T]]) -> T:
        # No retries: the next check is the retry.
        return CanfarHook(self.canfar_conn_id).call(verb, retry_for=0)

    def _defer(self, context: Context, started: float) -> NoReturn:
        deadlines = self._limits(self._first_try_started(context, started), started)
        deadline_from = min(deadlines, key=deadlines.__getitem__)
        remaining = deadlines[deadline_from] - time.time()
        if remaining <= 0:
            self._time_out(deadline_from, self._describe_wait())
        self.defer(
            trigger=self._make_trigger(deadlines[deadline_from], deadline_from),
            method_name="resume",
            timeout=timedelta(seconds=remaining + BACKSTOP),
        )

    def _limits(self, first_try_started: float, started: float) -> dict[str, float]:
        """Return until when to wait, in seconds since the epoch, by the argument that says so."""
        limits = {"timeout": first_try_started + self.timeout}
        if self.execution_timeout is not None:
            # Airflow ignores it while a task is deferred.
            limits["execution_timeout"] = started + self.execution_timeout.total_seconds()
        return limits

    def _first_try_started(self, context: Context, started: float) -> float:
        """Return when the first try began, as in reschedule mode: a retry does not reset ``timeout``.

        :param started: when this try began, which is the answer where Airflow does not remember the first.
        """
        from airflow_provider_canfar.skaha.naming import epoch_of

        ti = context["ti"]
        store: Any = context.get("task_state_store")
        if store is None or not self.retries:
            return started
        # A clear begins a new count. ``airflow tasks test`` gives try number 0.
        epoch = epoch_of(ti.max_tries or 0, self.retries)
        saved: Any = store.get(START_KEY) if ti.try_number > epoch + 1 else None
        if saved and saved["epoch"] == epoch:
            return float(saved["started"])
        store.set(START_KEY, {"epoch": epoch, "started": started})
        return started

    def _require_given(self) -> None:
        """Check that no argument has rendered to nothing.

        :raises SpecError: naming the argument.
        """
        self._given.require(**{name: getattr(self, name) for name in self.template_fields})

    def _fail_if_refused(self, event: dict[str, Any]) -> None:
        """Fail the task if the platform has refused the trigger's request; a retry checks again.

        :raises AuthenticationError: a retryable one, if it has refused the credential.
        """
        from airflow_provider_canfar.hooks._airflow_compat import AirflowException
        from airflow_provider_canfar.skaha.errors import AuthenticationError

        if refused := event.get("refused"):
            message = f"{refused} A retry of this sensor checks again."
            if not event.get("is_credential"):
                raise explained(AirflowException(message))
            error = AuthenticationError(message)
            error.retryable = True
            raise error

    def _time_out(self, deadline_from: str, waited_for: str) -> NoReturn:
        """Fail the task because a deadline has passed.

        :param deadline_from: the argument that set the deadline.
        """
        from airflow_provider_canfar.hooks._airflow_compat import AirflowSensorTimeout, AirflowTaskTimeout

        if deadline_from == "execution_timeout" and self.execution_timeout is not None:
            limit = self.execution_timeout.total_seconds()
            raise explained(
                AirflowTaskTimeout(
                    f"The execution_timeout of {limit:g} s has passed while waiting for {waited_for}."
                )
            )
        raise explained(AirflowSensorTimeout(f"Timed out after {self.timeout:g} s waiting for {waited_for}."))


def _is_no_failure(error: Exception) -> bool:
    """Whether Airflow uses an exception to skip a task, or to check again later."""
    from airflow_provider_canfar.hooks._airflow_compat import AirflowSkipException

    # By its name: Airflow 3.1 has the class in another module.
    return isinstance(error, AirflowSkipException) or type(error).__name__ == "AirflowRescheduleException"
