"""What a platform offers to a session, remembered for all clients of one account in a process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.account_models import ResourceOptions
    from airflow_provider_canfar.skaha.http.retrying import Clock

#: Seconds until the platform is asked again: after an answer, and after a request that failed.
ASK_EVERY = 3600.0
ASK_AGAIN_AFTER = 60.0

#: Seconds for which amounts are rejected without a create. Later, the platform may offer something else: its
#: answer to the create counts, and the memory only explains it.
FRESH_FOR = 300.0


class RememberedOffer:
    """The resources that a platform offers, as it said last.

    It holds no lock and knows no event loop, so that clients on several loops can share it.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._value: ResourceOptions | None = None
        self._asked_at: float | None = None

    def remember(self, offer: ResourceOptions | None) -> None:
        """Remember what the platform answered; None if it did not."""
        self._asked_at = self._clock()
        self._value = offer

    @property
    def _age(self) -> float:
        return float("inf") if self._asked_at is None else self._clock() - self._asked_at

    @property
    def is_due(self) -> bool:
        """Whether to ask the platform."""
        return self._age >= (ASK_AGAIN_AFTER if self._value is None else ASK_EVERY)

    def recall(self, max_age: float = ASK_EVERY) -> ResourceOptions | None:
        """Return what the platform offers; None if that is not known, or older than ``max_age`` seconds."""
        return self._value if self._age < max_age else None
