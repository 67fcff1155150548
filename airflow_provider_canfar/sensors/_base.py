"""What the sensors have in common: three ways to wait, and one for an outage."""

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
    from airflow_provider_canfar.triggers._base import CanfarBaseTrigger

T = TypeVar("T")

#: Seconds after the sensor's own timeout at which Airflow's scheduler ends the wait, should no triggerer be
#: alive.
BACKSTOP = 600.0


class CanfarBaseSensor(LogLinesMixin, BaseSensorOperator):
    """A sensor that defers, pokes or reschedules, and sits out an outage of the platform.

    :param canfar_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer; False to wait as ``mode`` says. By default it defers, unless
        ``mode`` is given.
    :param poll_interval: seconds between two looks at the platform; ``poke_interval`` is the same.
    """

    def __init__(
        self,
        *,
        canfar_conn_id: str,
        deferrable: bool | None,
        poll_interval: float,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("poke_interval", poll_interval)
        super().__init__(**kwargs)
        self.canfar_conn_id = canfar_conn_id
        self.deferrable = "mode" not in kwargs if deferrable is None else deferrable

    @abstractmethod
    def _look(self, context: Context) -> PokeReturnValue:
        """Look once.

        :raises RequestError: when the platform does not answer.
        """

    @abstractmethod
    def _trigger(self, deadline: float) -> CanfarBaseTrigger:
        """Make the trigger that looks on."""

    @abstractmethod
    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Return what the wait in the triggerer has seen, or raise why the task fails."""

    def execute(self, context: Context) -> Any:
        """Look, and go on looking: in the triggerer, or as ``mode`` says.

        :raises AirflowSensorTimeout: when ``timeout`` has passed.
        """
        from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException

        if not self.deferrable:
            return super().execute(context)
        # The first look is made here: what is there already needs no triggerer.
        try:
            seen = self.poke(context)
        except AirflowException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        if seen.is_done:
            return seen.xcom_value
        return self._defer()

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once. A platform that does not answer is looked at again later."""
        from airflow_provider_canfar.skaha.errors import RequestError

        with airflow_errors():
            try:
                return self._look(context)
            except RequestError as error:
                if not error.retryable:
                    raise
                self._emit(f"The platform does not answer; it is asked again later. {error}")
                return PokeReturnValue(is_done=False)

    def _call(self, verb: Callable[[SkahaClient], Awaitable[T]]) -> T:
        # The sensor is the retry.
        return CanfarHook(self.canfar_conn_id).call(verb, retry_for=0)

    def _defer(self) -> NoReturn:
        self.defer(
            trigger=self._trigger(time.time() + self.timeout),
            method_name="resume",
            timeout=timedelta(seconds=self.timeout + BACKSTOP),
        )

    def _handle_wake(self, event: dict[str, Any]) -> None:
        """Fail where the platform has refused the credential."""
        from airflow.providers.common.compat.sdk import AirflowException

        if refused := event.get("refused"):
            raise AirflowException(f"{refused} A retry of this sensor looks again.")

    def _time_out(self, seen: str) -> NoReturn:
        from airflow.providers.common.compat.sdk import AirflowSensorTimeout

        raise AirflowSensorTimeout(f"{self.timeout:.0f} s have passed. {seen}")
