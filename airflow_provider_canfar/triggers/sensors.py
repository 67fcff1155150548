"""The triggers of the sensors."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.triggers._base import CanfarTaskTrigger

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook

__all__ = ["CanfarResourceSensorTrigger", "CanfarSessionSensorTrigger"]


class CanfarSensorTrigger(CanfarTaskTrigger):
    """Wait until a condition is met, or a deadline has passed.

    If the platform refuses the credential or a request, or does not say whether the condition is met, the
    event says so in ``refused``, with ``is_credential`` where it is the credential. Else it says in
    ``deadline_from`` which argument of the sensor set the deadline.

    :param canfar_conn_id: the Airflow connection.
    :param condition: what to wait for, as JSON.
    :param state: what the sensor has observed before it deferred, as JSON.
    :param deadline: seconds since the epoch; None: no deadline.
    :param deadline_from: the argument of the sensor that sets the deadline: ``timeout`` or
        ``execution_timeout``.
    :param poll_interval: seconds between two polls of the platform.
    """

    def __init__(
        self,
        *,
        canfar_conn_id: str = "canfar_default",
        condition: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        deadline: float | None = None,
        deadline_from: str = "timeout",
        poll_interval: float = 15.0,
        **_unknown: Any,
    ) -> None:
        super().__init__(canfar_conn_id=canfar_conn_id, poll_interval=poll_interval)
        self.condition = condition
        self.state = state
        self.deadline = deadline
        self.deadline_from = deadline_from

    async def _wait(self, hook: CanfarHook) -> dict[str, Any]:
        from airflow_provider_canfar.hooks._airflow_compat import AirflowException
        from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError, SpecError

        try:
            payload = await self._wait_for_condition(hook)
        except (RequestError, SpecError) as error:
            if error.retryable:
                raise
            credential = {"is_credential": True} if isinstance(error, AuthenticationError) else {}
            return {"refused": str(error), **credential}
        except AirflowException as error:
            if not getattr(error, "is_explained", False):
                raise
            return {"refused": str(error)}
        return payload | {"deadline_from": self.deadline_from}

    @abstractmethod
    async def _wait_for_condition(self, hook: CanfarHook) -> dict[str, Any]:
        """Wait, and return the event's payload.

        :raises RequestError: when the platform refuses the credential or a request.
        :raises SpecError: when the platform cannot say whether the condition is met.
        """


class CanfarSessionSensorTrigger(CanfarSensorTrigger):
    """Wait until sessions have reached a status, or can no longer reach it.

    ``condition`` is a :class:`~airflow_provider_canfar.account_sessions.condition.SessionCondition`,
    ``state`` that of a :class:`~airflow_provider_canfar.account_sessions.condition.ConditionWatch`. The event
    has the new ``state`` and ``met``: true, false if the condition can no longer be met, null if the deadline
    has passed.
    """

    async def _wait_for_condition(self, hook: CanfarHook) -> dict[str, Any]:
        from airflow_provider_canfar.account_sessions.condition import (
            ConditionWatch,
            SessionCondition,
            wait_for_condition,
        )

        condition_watch = ConditionWatch(SessionCondition.from_json(self.condition or {}), self.state)
        met = await wait_for_condition(
            condition_watch, self._subscribe(hook), deadline=self.deadline, emit=self._emit
        )
        return {"met": met, "state": condition_watch.to_json()}


class CanfarResourceSensorTrigger(CanfarSensorTrigger):
    """Wait until cores, RAM and GPUs are free.

    ``condition`` has ``cores``, ``ram`` and ``gpus``. The event has what is ``free``; null if the
    deadline has passed.
    """

    async def _wait_for_condition(self, hook: CanfarHook) -> dict[str, Any]:
        from airflow_provider_canfar.account_sessions.capacity import Capacity, free_amounts, wait_until_free

        condition = self.condition or {}
        stats = await wait_until_free(
            Capacity(condition["cores"], condition["ram"], condition["gpus"]),
            hook.shared_stats,
            self.poll_interval,
            deadline=self.deadline,
            emit=self._emit,
        )
        return {"free": stats and free_amounts(stats)}
