"""A hook for the loop of a task: it leads to a platform in memory, over the bridge as the real one does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow_provider_canfar.hooks._airflow_compat import TaskDeferred
from airflow_provider_canfar.hooks._bridge import BRIDGE

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from airflow_provider_canfar.skaha.client import SkahaClient
    from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec
    from tests.fake_platform import FakePlatform

T = TypeVar("T")


@dataclass
class FakeHook:
    """Calls a platform in memory."""

    platform: FakePlatform

    def call(
        self, verb: Callable[[SkahaClient], Awaitable[T]], *, timeout: float | None = None, **_: Any
    ) -> T:
        async def use() -> T:
            return await verb(self.platform.client)

        return self.run(use, timeout=timeout)

    def watch(self, *_: Any, **__: Any) -> NoReturn:
        raise AssertionError("nobody waits here")

    def run(self, call: Callable[[], Coroutine[Any, Any, T]], *, timeout: float | None = None) -> T:
        return BRIDGE.run(call, timeout=timeout)


class Deferred(TaskDeferred):
    """The phase has ended with a wait."""

    def __init__(self, waiting: WaitSpec) -> None:
        BaseException.__init__(self, waiting)


def defer(waiting: WaitSpec) -> NoReturn:
    """End the phase."""
    raise Deferred(waiting)
