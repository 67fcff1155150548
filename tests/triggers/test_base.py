"""When the trigger of a deferred task fires."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.triggers import _base as trigger_base
from airflow_provider_canfar.triggers._base import CanfarTaskTrigger
from tests.on_emulator import event_of

if TYPE_CHECKING:
    import pytest

    from airflow_provider_canfar.hooks.canfar import CanfarHook


class PromptTrigger(CanfarTaskTrigger):
    """A trigger with nothing to wait for."""

    async def _wait(self, hook: CanfarHook) -> dict[str, Any]:
        return {"conn_id": hook.canfar_conn_id}


def test_an_event_is_held_back_for_some_seconds_and_nothing_follows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trigger_base, "NO_EVENT_WITHIN", 0.3)
    started = time.monotonic()
    assert event_of(PromptTrigger(canfar_conn_id="canfar_test")) == {"conn_id": "canfar_test"}
    assert time.monotonic() - started >= 0.3
