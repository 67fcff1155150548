"""The sensor that waits for free cores and RAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from airflow_provider_canfar.sensors._base import CanfarBaseSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.account_sessions.capacity import Capacity
    from airflow_provider_canfar.triggers.sensors import CanfarSensorTrigger

__all__ = ["CanfarResourceSensor"]


class CanfarResourceSensor(CanfarBaseSensor):
    """Wait until the platform has free cores and RAM, so that the sessions launched next start soon.

    ::

        CanfarResourceSensor(task_id="room", cores=200, ram=800)

    It counts as the platform's portal does: the capacity of the whole platform, minus what its sessions have
    requested. It reserves nothing, and other users see the same free capacity. An amount that the platform
    does not report counts as 0.

    The task returns what is free, ``{"cores": ..., "ram": ...}``.

    :param cores: CPU cores. (templated)
    :param ram: memory in GB. (templated)
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer, not as ``mode`` says; the default unless ``mode`` is given.
    :param poll_interval: seconds between two polls, 15 by default; the same as ``poke_interval``. With
        ``mode="reschedule"``, give 10 or more.
    """

    template_fields: Sequence[str] = ("canfar_conn_id", "cores", "ram")

    def __init__(
        self,
        *,
        cores: float | str = 0,
        ram: float | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cores = cores
        self.ram = ram

    def _capacity(self) -> Capacity:
        """Return what must be free.

        :raises SpecError: for an invalid amount.
        """
        from airflow_provider_canfar.account_sessions.capacity import Capacity

        return Capacity(_number("cores", self.cores), _number("ram", self.ram))

    def _check(self, context: Context) -> PokeReturnValue:
        from airflow_provider_canfar.account_sessions.capacity import describe_free

        capacity = self._capacity()
        stats = self._call(lambda client: client.stats())
        self._emit(describe_free(stats))
        free = {"cores": stats.free.cores, "ram": stats.free.ram}
        return PokeReturnValue(is_done=capacity.is_free(stats), xcom_value=free)

    def _make_trigger(self, deadline: float) -> CanfarSensorTrigger:
        from airflow_provider_canfar.triggers.sensors import CanfarResourceSensorTrigger

        capacity = self._capacity()
        return CanfarResourceSensorTrigger(
            canfar_conn_id=self.canfar_conn_id,
            condition={"cores": capacity.cores, "ram": capacity.ram},
            deadline=deadline,
            poll_interval=self.poke_interval,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, float]:
        """Return what is free."""
        self._fail_if_refused(event)
        free: dict[str, float] | None = event["free"]
        if free is None:
            self._fail_on_timeout(str(self._capacity()))
        return free


def _number(name: str, value: float | str) -> float:
    from airflow_provider_canfar.skaha.errors import SpecError

    try:
        return float(value)
    except (TypeError, ValueError):
        raise SpecError(f"Invalid {name} {value!r}: must be a number. Give {name} as a number.") from None
