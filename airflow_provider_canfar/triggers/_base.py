"""What the triggers share: how they are stored, when they fire, and how they log."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from functools import partial
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_canfar.hooks._log import LogLinesMixin

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe

#: No event within this many seconds of the trigger's start. A faster one can reach the scheduler before the
#: executor has reported that the worker let the task go, and the scheduler then fails the task.
NO_EVENT_WITHIN = 10.0


class CanfarBaseTrigger(LogLinesMixin, BaseTrigger):
    """A trigger that Airflow stores by its arguments.

    Airflow stores and logs the arguments in the clear, so they hold JSON and the *name* of the connection,
    never a secret. A subclass lists its arguments once, as the keyword-only parameters of its ``__init__``,
    and keeps each in an attribute of the same name.

    :param canfar_conn_id: the Airflow connection.
    :param poll_interval: seconds between two polls of the platform.
    :param _unknown: arguments that another release of this provider stored. A row in Airflow's database
        outlives an upgrade, and a trigger whose ``__init__`` raises takes the triggerer down.
    """

    def __init__(
        self, *, canfar_conn_id: str = "canfar_default", poll_interval: float = 15.0, **_unknown: Any
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own carries no annotations.
        self.canfar_conn_id = canfar_conn_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path, and the arguments as JSON."""
        parameters = signature(type(self).__init__).parameters.values()
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {one.name: _as_json(getattr(self, one.name)) for one in parameters if _is_argument(one)},
        )


class CanfarTaskTrigger(CanfarBaseTrigger):
    """A trigger of a deferred task: it waits, then fires once."""

    @abstractmethod
    async def _wait(self, hook: CanfarHook) -> dict[str, Any]:
        """Wait, and return the event's payload."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event."""
        payload = await self._payload()
        # Nothing may follow the yield: Airflow cancels a trigger that goes on as if it had been killed.
        yield TriggerEvent(payload)

    async def _payload(self) -> dict[str, Any]:
        """Wait, for NO_EVENT_WITHIN seconds at least, and return the event's payload."""
        from airflow_provider_canfar.hooks.canfar import CanfarHook

        started = time.monotonic()
        payload = await self._wait(CanfarHook(self.canfar_conn_id))
        await asyncio.sleep(max(0.0, started + NO_EVENT_WITHIN - time.monotonic()))
        return payload

    def _subscribe(self, hook: CanfarHook) -> Subscribe:
        """Return what subscribes to sessions; its second list comes as soon as an event may follow."""
        return partial(hook.watch, interval=self.poll_interval, soon=NO_EVENT_WITHIN)


def _is_argument(parameter: Parameter) -> bool:
    return parameter.kind is Parameter.KEYWORD_ONLY


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
