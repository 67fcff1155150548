"""The one loop in which a task waits for its sessions: in the trigger, and in a worker that does not defer.

It only looks. Launching, destroying and recording are the worker's, so two triggerers that run the same
trigger at once do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.errors import AuthenticationError
from airflow_provider_canfar.skaha.polling.outage_log import with_outage_log
from airflow_provider_canfar.task_sessions.account_wait import AccountTaskWait, AccountWaitSpec
from airflow_provider_canfar.task_sessions.interactive_wait import InteractiveTaskWait, InteractiveWaitSpec
from airflow_provider_canfar.task_sessions.task_wait import TaskWait
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec, WakeEvent, WakeReason

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.subscriptions import Subscribe
    from airflow_provider_canfar.task_sessions.progress import WriteProgress


def task_wait_of(data: Mapping[str, Any]) -> TaskWait:
    """Return the wait that a trigger's argument describes: a headless task's or an interactive one's."""
    if data.get("interactive"):
        return InteractiveTaskWait(InteractiveWaitSpec.from_json(data))
    if data.get("account"):
        return AccountTaskWait(AccountWaitSpec.from_json(data))
    return TaskWait(WaitSpec.from_json(data))


async def wait_for_sessions(
    task_wait: TaskWait,
    subscribe: Subscribe,
    *,
    emit: Callable[[str], None],
    write_progress: WriteProgress | None = None,
) -> WakeEvent:
    """Wait until there is a reason to wake the worker.

    :param task_wait: what to wait for, and what has been seen of it.
    :param subscribe: joins a poll.
    :param emit: writes one line to the task's log.
    :param write_progress: writes the XCom ``progress``, without an error; None where nothing can.
    """
    spec = task_wait.spec
    task_wait.progress_writes.write = write_progress
    async with subscribe(
        spec.sessions, key=spec.key, choose=task_wait.choose, wake_at=task_wait.wake_at
    ) as subscription:
        task_wait.usage = subscription.usage
        try:
            async for snapshot in with_outage_log(subscription, emit):
                for line in await task_wait.process(snapshot, subscription.reader):
                    emit(line)
                task_wait.progress_writes.request()
                # During an outage a worker could do nothing but end the task in time.
                if snapshot.fault is None or task_wait.is_past_deadline(snapshot.at):
                    wake = task_wait.wake(snapshot.at)
                    if wake is not None:
                        return wake
        except AuthenticationError as error:
            return task_wait.wake_event(WakeReason.REFUSED, str(error))
    raise AssertionError("a subscription never ends by itself")
