"""Tell a worker that lost its host, its supervisor or Airflow from one whose task somebody ended."""

from __future__ import annotations

import inspect
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from airflow.configuration import conf

from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators import _airflow_api
from airflow_provider_canfar.operators._phase_errors import NOT_ENDED, Killed, retry_follows

if TYPE_CHECKING:
    from airflow.sdk import Context

T = TypeVar("T")

#: Seconds within which Airflow says how a task stands: it grants a kill five in all.
STATE_WITHIN = 2.0

#: Seconds between two looks for the supervisor.
LOOK_INTERVAL = 1.0


class WorkerLoss:
    """Tells a worker that is stopped whether somebody ends its task, or a retry goes on with it.

    The same signal stops it when a person marks the task, when its host shuts down, and when Airflow refuses
    its heartbeats, or does not answer them.

    :param context: of the running task.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        # Where the probe never reaches Airflow, its silence later on means nothing.
        self._is_reachable = retry_follows(context) and _airflow_api.api_server_answers()

    def leaves_to_retry(self) -> bool:
        """Whether a retry follows, and adopts the sessions."""
        if not retry_follows(self._context, Killed("The worker was stopped.")):
            return False
        try:
            return _answer_of(TaskInstanceId.of(self._context["ti"]).state) in NOT_ENDED
        except TimeoutError:
            pass
        except (EOFError, OSError):
            return True  # The supervisor has gone.
        except Exception as error:  # noqa: BLE001 - outside a worker, no supervisor answers
            if _airflow_api.is_silence(error):
                return True
        return self._is_reachable and not _airflow_api.api_server_answers()


def _answer_of(call: Callable[[], T]) -> T:
    """Return the answer of a call to Airflow, or raise its error.

    :raises TimeoutError: when it does not come at once.
    """
    if _is_calling_airflow(inspect.currentframe()):
        raise TimeoutError  # A signal has interrupted it. Before 3.2, this one would read its answer.
    done: Future[T] = Future()

    def ask() -> None:
        try:
            done.set_result(call())
        except Exception as error:  # noqa: BLE001 - raised by result() below
            done.set_exception(error)

    # A thread of its own, as the call cannot be interrupted.
    threading.Thread(target=ask, daemon=True).start()
    return done.result(STATE_WITHIN)


def _is_calling_airflow(frame: FrameType | None) -> bool:
    """Whether a thread is in the middle of a call to Airflow."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "airflow.sdk.execution_time.comms":
            return True
        frame = frame.f_back
    return False


@contextmanager
def watched_supervisor(
    on_loss: Callable[[], None], *, interval: float = LOOK_INTERVAL, answers_within: float | None = None
) -> Iterator[None]:
    """Look for this task's supervisor while a block runs, and call a function once it has gone.

    A supervisor may die alone: killed for its memory, or by an error of its own, such as a log that it
    cannot write to a full disk. Airflow then retries the task, beside a process that still launches sessions.
    After such an error its end of the socket may stay open, and a call has no answer ever.

    :param on_loss: called in another thread.
    :param interval: seconds between two looks.
    :param answers_within: seconds within which a call of the block has an answer; by default, those after
        which Airflow gives up a worker that sends no heartbeat. A supervisor sends none during a call.
    """
    channel = _supervisor_channel()
    if channel is None:
        yield
        return
    has_ended = threading.Event()
    caller = threading.get_ident()
    limit = answers_within or conf.getint("scheduler", "task_instance_heartbeat_timeout", fallback=300)

    def look() -> None:
        unanswered = 0.0
        while not has_ended.wait(interval):
            frame = sys._current_frames().get(caller)  # noqa: SLF001 - no other way to look at a thread
            unanswered = unanswered + interval if _is_calling_airflow(frame) else 0.0
            if _is_hung_up(channel) or unanswered > limit:
                on_loss()
                with suppress(OSError):
                    channel.shutdown(socket.SHUT_RDWR)  # The call fails, instead of waiting for ever.
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def _supervisor_channel() -> socket.socket | None:
    """Return the socket to the supervisor; None without one, as in ``dag.test()``."""
    task_runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    found: socket.socket | None = getattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "socket", None)
    return found


def _is_hung_up(channel: socket.socket) -> bool:
    """Whether the other end of a socket is closed; reads nothing from it."""
    poll = select.poll()
    poll.register(channel, 0)  # Hang-ups and errors are reported whatever is asked for.
    return bool(poll.poll(0))
