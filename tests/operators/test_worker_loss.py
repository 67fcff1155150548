"""How a worker notices that it has lost its task, though nobody kills it."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators import _airflow_api, _worker_loss
from airflow_provider_canfar.operators._worker_loss import WorkerLoss, watched_supervisor
from tests.fake_task import FakeTaskInstance
from tests.operators.conftest import TASK_RUNNER

if TYPE_CHECKING:
    from airflow.sdk import Context


def test_a_supervisor_that_dies_is_noticed_within_a_look(supervisor: socket.socket) -> None:
    noticed = threading.Event()
    with watched_supervisor(noticed.set, interval=0.01):
        supervisor.close()
        assert noticed.wait(10)


def test_a_supervisor_that_has_answered_is_there_until_the_block_ends(supervisor: socket.socket) -> None:
    losses: list[str] = []
    with watched_supervisor(lambda: losses.append("lost"), interval=0.001):
        supervisor.sendall(b"an answer that nobody has read yet")
        time.sleep(0.05)
    supervisor.close()
    assert losses == []


def test_a_call_that_is_never_answered_fails(supervisor: socket.socket) -> None:
    """The supervisor has failed, and its end of the socket is still open."""
    losses: list[str] = []
    comms: dict[str, Any] = {
        "__name__": "airflow.sdk.execution_time.comms",
        "socket": sys.modules[TASK_RUNNER].SUPERVISOR_COMMS.socket,
    }
    exec("def send(): return socket.recv(4)", comms)  # noqa: S102 - a frame of Airflow's own
    with watched_supervisor(lambda: losses.append("lost"), interval=0.01, answers_within=0.05):
        assert comms["send"]() == b"", "this is what Airflow takes for the end of the socket"
    assert losses == ["lost"]


def test_without_a_supervisor_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, TASK_RUNNER, SimpleNamespace())
    threads = threading.active_count()
    with watched_supervisor(pytest.fail):
        assert threading.active_count() == threads


@pytest.fixture(name="loss")
def _loss(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], str | None]], WorkerLoss]:
    """Return the loss of a try that a retry follows, and whose Airflow answers in some way."""

    def make(state: Callable[[], str | None]) -> WorkerLoss:
        monkeypatch.setattr(_airflow_api, "api_server_answers", lambda: True)
        monkeypatch.setattr(TaskInstanceId, "state", lambda self: state())
        ti = FakeTaskInstance(try_number=1, max_tries=1)
        return WorkerLoss(cast("Context", {"ti": ti}))

    return make


def test_an_answer_that_does_not_come_is_not_waited_for(
    loss: Callable[..., WorkerLoss], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_worker_loss, "STATE_WITHIN", 0.01)
    has_ended = threading.Event()

    def state() -> str:
        has_ended.wait(30)
        return "up_for_retry"

    lost = loss(state)
    assert not lost.leaves_to_retry(), "a person may have killed it: Airflow's API server is there"
    monkeypatch.setattr(_airflow_api, "api_server_answers", lambda: False)
    assert lost.leaves_to_retry()
    has_ended.set()


def test_an_airflow_that_fails_to_answer_is_lost(loss: Callable[..., WorkerLoss]) -> None:
    def state() -> str:
        raise EOFError("Request socket closed before length")

    assert loss(state).leaves_to_retry()


def test_outside_of_a_worker_nothing_is_lost(loss: Callable[..., WorkerLoss]) -> None:
    def state() -> str:
        raise ImportError("cannot import name 'SUPERVISOR_COMMS'")

    assert not loss(state).leaves_to_retry()


def test_a_call_to_airflow_that_a_signal_has_interrupted_keeps_its_answer(
    loss: Callable[..., WorkerLoss],
) -> None:
    """Before 3.2, an answer goes to whoever reads it first."""
    asked: list[str] = []
    lost = loss(lambda: asked.append("state"))
    in_comms: dict[str, Any] = {
        "__name__": "airflow.sdk.execution_time.comms",
        "on_kill": lost.leaves_to_retry,
    }
    exec("def send(): return on_kill()", in_comms)  # noqa: S102 - a frame of Airflow's own
    assert not in_comms["send"]()
    assert asked == []
