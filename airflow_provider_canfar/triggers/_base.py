"""What triggers that only wait have in common: when they fire, and what they say while they wait."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_canfar.triggers.session import NO_EVENT_WITHIN

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook


class CanfarBaseTrigger(BaseTrigger):
    """Wait for something on the platform; there is nothing to destroy.

    The arguments are stored and logged in the clear: JSON, and the *name* of the connection.

    :param canfar_conn_id: the Airflow connection to look with.
    :param condition: what is waited for, as JSON.
    :param state: what has been seen before the wait, as JSON.
    :param deadline: seconds since the epoch; None: no deadline.
    :param poll_interval: seconds between two looks.
    :param _unknown: arguments that another release of this provider wrote; a row in Airflow's database outlives
        an upgrade, and a trigger that raises here would take the triggerer down.
    """

    def __init__(
        self,
        *,
        canfar_conn_id: str = "canfar_default",
        condition: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        deadline: float | None = None,
        poll_interval: float = 15.0,
        **_unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own carries no annotations.
        self.canfar_conn_id = canfar_conn_id
        self.condition = condition
        self.state = state
        self.deadline = deadline
        self.poll_interval = poll_interval
        self._unknown = _unknown

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path, and the arguments as JSON."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "canfar_conn_id": self.canfar_conn_id,
                "condition": self.condition,
                "state": self.state,
                "deadline": self.deadline,
                "poll_interval": self.poll_interval,
            },
        )

    @abstractmethod
    async def _watch(self, hook: CanfarHook) -> dict[str, Any]:
        """Wait, and return the event's payload.

        :raises AuthenticationError: when the platform refuses the credential.
        """

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event. A refused credential is one, too: its words are in ``refused``."""
        from airflow_provider_canfar.hooks.canfar import CanfarHook
        from airflow_provider_canfar.skaha.errors import AuthenticationError

        started = time.monotonic()
        try:
            payload = await self._watch(CanfarHook(self.canfar_conn_id))
        except AuthenticationError as error:
            payload = {"refused": str(error)}
        await asyncio.sleep(max(0.0, started + NO_EVENT_WITHIN - time.monotonic()))
        # Nothing may follow the yield: a trigger that lingers is cancelled as if it had been killed.
        yield TriggerEvent(payload)

    def _emit(self, line: str) -> None:
        # As an argument: a session's name is no format.
        self.log.info("%s", line)
