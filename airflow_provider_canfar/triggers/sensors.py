"""The triggers of the sensors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.triggers._base import CanfarBaseTrigger
from airflow_provider_canfar.triggers.session import NO_EVENT_WITHIN

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook


class CanfarSessionSensorTrigger(CanfarBaseTrigger):
    """Wait until sessions are where they are wanted, or cannot get there any more.

    ``wish`` and ``memory`` are those of :class:`airflow_provider_canfar.account_sessions.condition.Lookout`. The event has the
    ``verdict`` (None when the deadline has passed) and the ``memory``.
    """

    async def _watch(self, hook: CanfarHook) -> dict[str, Any]:
        from airflow_provider_canfar.account_sessions.condition import (
            ConditionWatch,
            SessionCondition,
            keep_looking,
        )

        lookout = ConditionWatch(SessionCondition.from_json(self.wish or {}), self.memory)
        watch = partial(hook.watch, interval=self.poll_interval, soon=NO_EVENT_WITHIN)
        verdict = await keep_looking(lookout, watch, deadline=self.deadline, tell=self._tell)
        return {"verdict": verdict and verdict.value, "memory": lookout.to_json()}


class CanfarResourceSensorTrigger(CanfarBaseTrigger):
    """Wait until cores and RAM are free.

    ``wish`` has ``cores`` and ``ram``. The event has what was ``free``; None when the deadline has passed.
    """

    async def _watch(self, hook: CanfarHook) -> dict[str, Any]:
        from airflow_provider_canfar.account_sessions.capacity import Capacity, wait_until_free

        wish = self.wish or {}
        stats = await wait_until_free(
            Capacity(wish["cores"], wish["ram"]),
            hook.shared_stats,
            self.poll_interval,
            deadline=self.deadline,
            tell=self._tell,
        )
        return {"free": stats and {"cores": stats.free.cores, "ram": stats.free.ram}}
