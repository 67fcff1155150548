"""The triggers of the sensors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.triggers._base import CanfarBaseTrigger
from airflow_provider_canfar.triggers.session import NO_EVENT_WITHIN

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook

__all__ = ["CanfarResourceSensorTrigger", "CanfarSessionSensorTrigger"]


class CanfarSessionSensorTrigger(CanfarBaseTrigger):
    """Wait until sessions are where they are wanted, or cannot get there any more.

    ``condition`` and ``state`` are those of :class:`airflow_provider_canfar.account_sessions.condition.Lookout`. The event has the
    ``verdict`` (None when the deadline has passed) and the ``state``.
    """

    async def _watch(self, hook: CanfarHook) -> dict[str, Any]:
        from airflow_provider_canfar.account_sessions.condition import (
            ConditionWatch,
            SessionCondition,
            wait_for_condition,
        )

        condition_watch = ConditionWatch(SessionCondition.from_json(self.condition or {}), self.state)
        watch = partial(hook.watch, interval=self.poll_interval, soon=NO_EVENT_WITHIN)
        verdict = await wait_for_condition(condition_watch, watch, deadline=self.deadline, emit=self._emit)
        return {"verdict": verdict and verdict.value, "state": condition_watch.to_json()}


class CanfarResourceSensorTrigger(CanfarBaseTrigger):
    """Wait until cores and RAM are free.

    ``condition`` has ``cores`` and ``ram``. The event has what was ``free``; None when the deadline has passed.
    """

    async def _watch(self, hook: CanfarHook) -> dict[str, Any]:
        from airflow_provider_canfar.account_sessions.capacity import Capacity, wait_until_free

        condition = self.condition or {}
        stats = await wait_until_free(
            Capacity(condition["cores"], condition["ram"]),
            hook.shared_stats,
            self.poll_interval,
            deadline=self.deadline,
            emit=self._emit,
        )
        return {"free": stats and {"cores": stats.free.cores, "ram": stats.free.ram}}
