"""The sensor that waits for free cores, RAM and GPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Unpack

from airflow.sdk import PokeReturnValue

from airflow_provider_canfar.operators._argument_parsers import is_rendered_later, number
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._selection_arguments import is_nothing
from airflow_provider_canfar.sensors._base import CanfarBaseSensor

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.account_sessions.capacity import Capacity
    from airflow_provider_canfar.operators._task_arguments import SensorArguments
    from airflow_provider_canfar.triggers.sensors import CanfarSensorTrigger

__all__ = ["CanfarResourceSensor"]


class CanfarResourceSensor(CanfarBaseSensor):
    """Wait until the platform has free cores, RAM and GPUs, so that the sessions launched next start soon.

    ::

        CanfarResourceSensor(task_id="room", cores=200, ram=800)

    It counts as the platform's portal does: the capacity of the whole platform, minus what its sessions have
    requested. It reserves nothing, and other users see the same free capacity.

    Not every server reports its GPUs. The sensor fails, and says so, where the platform does not report an
    amount that it is to wait for.

    The task returns what is free, ``{"cores": ..., "ram": ..., "gpus": ...}``; None for an amount that the
    platform does not report.

    :param cores: CPU cores; what renders to nothing counts as left out. (templated)
    :param ram: memory in GB; what renders to nothing counts as left out. (templated)
    :param gpus: GPUs; what renders to nothing counts as left out. (templated)
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer, not as ``mode`` says; the default unless ``mode`` is given, or
        the variable ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE`` is false; ``airflow.cfg`` does not count.
    :param poll_interval: seconds between two polls, or a timedelta; 15 s by default. The same as
        ``poke_interval``. With ``mode="reschedule"``, give 10 or more.
    """

    template_fields: Sequence[str] = ("canfar_conn_id", "cores", "ram", "gpus")

    def __init__(
        self,
        *,
        cores: float | str | XComArg | None = 0,
        ram: float | str | XComArg | None = 0,
        gpus: float | str | XComArg | None = 0,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        with in_task(kwargs.get("task_id")):
            super().__init__(**kwargs)
            self.cores = cores
            self.ram = ram
            self.gpus = gpus
            self._check_given(cores=cores, ram=ram, gpus=gpus)

    @classmethod
    def _check_literals(cls, given: Mapping[str, Any]) -> None:
        for name in ("cores", "ram", "gpus"):
            if not is_rendered_later(given.get(name)):
                _amount(name, given.get(name))

    @classmethod
    def _check_together(cls, given: Mapping[str, Any]) -> None:
        if not any(map(is_rendered_later, given.values())):
            _capacity_of(given)

    def _capacity(self) -> Capacity:
        self._require_given()
        return _capacity_of({"cores": self.cores, "ram": self.ram, "gpus": self.gpus})

    def _describe_wait(self) -> str:
        return str(self._capacity())

    def _check(self, context: Context) -> PokeReturnValue:
        from airflow_provider_canfar.account_sessions.capacity import describe_free, free_amounts

        capacity = self._capacity()
        stats = self._call(lambda client: client.stats())
        self._emit(describe_free(stats))
        capacity.require_reported(stats)
        return PokeReturnValue(is_done=capacity.is_free(stats), xcom_value=free_amounts(stats))

    def _make_trigger(self, deadline: float, deadline_from: str) -> CanfarSensorTrigger:
        from airflow_provider_canfar.triggers.sensors import CanfarResourceSensorTrigger

        capacity = self._capacity()
        return CanfarResourceSensorTrigger(
            canfar_conn_id=self.canfar_conn_id,
            condition=asdict(capacity),
            deadline=deadline,
            deadline_from=deadline_from,
            poll_interval=self.poke_interval,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, float | None]:
        """Return what is free."""
        self._fail_if_refused(event)
        free: dict[str, float | None] | None = event["free"]
        if free is None:
            self._time_out(event["deadline_from"], self._describe_wait())
        return free


def _capacity_of(given: Mapping[str, Any]) -> Capacity:
    """Return what must be free.

    :param given: the amounts, by name.
    :raises SpecError: for an invalid amount, and if all are zero.
    """
    from airflow_provider_canfar.account_sessions.capacity import Capacity

    return Capacity(**{name: _amount(name, value) for name, value in given.items()})


def _amount(name: str, value: Any) -> float:
    """Return an amount; 0 if it is left out, or renders to nothing.

    :raises SpecError: for anything but a number, 0 or more.
    """
    return 0.0 if is_nothing(value) else number(name, value, unit="GB" if name == "ram" else "")
