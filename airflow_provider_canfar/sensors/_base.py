"""What the sensors share: three ways to wait, and patience during an outage."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_canfar.hooks._log import LogLinesMixin
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators._errors import airflow_errors

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.triggers.sensors import CanfarSensorTrigger

T = TypeVar("T")

#: Seconds after the sensor's own timeout at which Airflow's scheduler ends the wait if no triggerer is alive.
BACKSTOP = 600.0


class CanfarBaseSensor(LogLinesMixin, BaseSensorOperator):
    """A sensor that defers, pokes or reschedules, and keeps waiting during an outage of the platform.

    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer; False to wait as ``mode`` says. By default the sensor defers,
        unless ``mode`` is given.
    :param poll_interval: seconds between two polls of the platform; the same as ``poke_interval``. With
        ``mode="reschedule"``, Airflow's scheduler may fail the task if a check begins before the executor has
        reported the end of the last one, which takes seconds.
    :param kwargs: arguments of Airflow's sensors, such as ``timeout``, ``mode`` and ``soft_fail``.
    """

    ui_color = "#e6d7f7"

    def __init__(
        self,
        *,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        deferrable: bool | None = None,
        poll_interval: float = 15.0,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("poke_interval", poll_interval)
        super().__init__(**kwargs)
        self.canfar_conn_id = canfar_conn_id
        self.deferrable = "mode" not in kwargs if deferrable is None else deferrable

    @abstractmethod
    def _check(self, context: Context) -> PokeReturnValue:
        """Check the condition once.

        :raises RequestError: when the platform does not answer.
        """

    @abstractmethod
    def _make_trigger(self, deadline: float) -> CanfarSensorTrigger:
        """Make the trigger that continues to check.

        :param deadline: seconds since the epoch.
        """

    @abstractmethod
    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Return the task's result from the trigger's event, or raise why the task fails."""

    def execute(self, context: Context) -> Any:
        """Wait: in the triggerer, or as ``mode`` says.

        :raises AirflowSensorTimeout: when ``timeout`` has passed.
        """
        from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException

        if not self.deferrable:
            return super().execute(context)
        # The first check runs here: a condition that is met already needs no triggerer.
        try:
            result = self.poke(context)
        except AirflowException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        if result.is_done:
            return result.xcom_value
        return self._defer()

    def poke(self, context: Context) -> PokeReturnValue:
        """Check the condition once; if the platform does not respond, it counts as not met yet."""
        from airflow_provider_canfar.skaha.errors import RequestError

        with airflow_errors():
            try:
                return self._check(context)
            except RequestError as error:
                if not error.retryable:
                    raise
                self._emit(f"The platform is not responding; still waiting. {error}")
                return PokeReturnValue(is_done=False)

    def _call(self, verb: Callable[[SkahaClient], Awaitable[T]]) -> T:
        # No retries: the next check is the retry.
        return CanfarHook(self.canfar_conn_id).call(verb, retry_for=0)

    def _defer(self) -> NoReturn:
        self.defer(
            trigger=self._make_trigger(time.time() + self.timeout),
            method_name="resume",
            timeout=timedelta(seconds=self.timeout + BACKSTOP),
        )

    def _fail_if_refused(self, event: dict[str, Any]) -> None:
        """Fail the task if the platform has refused the credential; a retry checks again."""
        from airflow.providers.common.compat.sdk import AirflowException

        if refused := event.get("refused"):
            raise AirflowException(f"{refused} A retry of this sensor checks again.")

    def _fail_on_timeout(self, condition: str) -> NoReturn:
        """Fail the task because the deadline has passed.

        :param condition: what it has waited for.
        """
        from airflow.providers.common.compat.sdk import AirflowSensorTimeout

        raise AirflowSensorTimeout(f"Timed out after {self.timeout:.0f} s waiting for {condition}.")
