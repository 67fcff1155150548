"""Fixtures of the operators' tests."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.on_emulator import platform, quick_triggers

__all__ = ["platform", "quick_triggers"]

#: Airflow's module with the socket to the supervisor of a task's process.
TASK_RUNNER = "airflow.sdk.execution_time.task_runner"


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return the supervisor's end of its socket to this process."""
    ours, theirs = socket.socketpair()
    runner = SimpleNamespace(SUPERVISOR_COMMS=SimpleNamespace(socket=ours))
    monkeypatch.setitem(sys.modules, TASK_RUNNER, runner)
    with ours, theirs:
        yield theirs
