"""The sensor that waits for free cores and RAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.sensors._base import CanfarBaseSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.account_sessions.capacity import Capacity
    from airflow_provider_canfar.triggers._base import CanfarBaseTrigger

__all__ = ["CanfarResourceSensor"]


class CanfarResourceSensor(CanfarBaseSensor):
    """Wait until the platform has free cores and RAM, so that what is launched next starts soon.

    ::

        CanfarResourceSensor(task_id="room", cores=200, ram=800)

    It looks at the whole platform, as its portal does: what there is, less what sessions have asked for.
    Nothing is reserved, and others see the same. What the platform does not tell is not free.

    The task returns what was free, ``{"cores": ..., "ram": ...}``.

    :param cores: CPU cores. (templated)
    :param ram: memory in GB. (templated)
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer; False to wait as ``mode`` says. By default it defers, unless
        ``mode`` is given.
    :param poll_interval: seconds between two looks at the platform; ``poke_interval`` is the same.
        With ``mode="reschedule"`` give ten or more: where a look begins before the executor has reported
        that the last one is over, Airflow's scheduler may fail the task.
    """

    template_fields: Sequence[str] = ("canfar_conn_id", "cores", "ram")
    ui_color = "#e6d7f7"

    def __init__(
        self,
        *,
        cores: float | str = 0,
        ram: float | str = 0,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        deferrable: bool | None = None,
        poll_interval: float = 15.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            canfar_conn_id=canfar_conn_id, deferrable=deferrable, poll_interval=poll_interval, **kwargs
        )
        self.cores = cores
        self.ram = ram

    def _capacity(self) -> Capacity:
        """Say what is waited for.

        :raises SpecError: for what is no amount.
        """
        from airflow_provider_canfar.account_sessions.capacity import Capacity
        from airflow_provider_canfar.skaha.errors import SpecError

        try:
            return Capacity(float(self.cores), float(self.ram))
        except (TypeError, ValueError) as error:
            if isinstance(error, SpecError):
                raise
            raise SpecError(
                f"cores={self.cores!r} and ram={self.ram!r} are refused: they must be numbers."
            ) from None

    def _look(self, context: Context) -> PokeReturnValue:
        from airflow_provider_canfar.account_sessions.capacity import free_in_words

        capacity = self._capacity()
        stats = self._call(lambda client: client.stats())
        self._emit(free_in_words(stats))
        free = {"cores": stats.free.cores, "ram": stats.free.ram}
        return PokeReturnValue(is_done=capacity.is_free(stats), xcom_value=free)

    def _trigger(self, deadline: float) -> CanfarBaseTrigger:
        from airflow_provider_canfar.triggers.sensors import CanfarResourceSensorTrigger

        capacity = self._capacity()
        return CanfarResourceSensorTrigger(
            canfar_conn_id=self.canfar_conn_id,
            condition={"cores": capacity.cores, "ram": capacity.ram},
            deadline=deadline,
            poll_interval=self.poke_interval,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, float]:
        """Return what was free."""
        self._handle_wake(event)
        free: dict[str, float] | None = event["free"]
        if free is None:
            self._time_out("There was never enough free.")
        return free
