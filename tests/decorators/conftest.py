"""Images to run functions in, and a platform whose sessions do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from tests.decorators.image import Image, images, interpreters
from tests.on_emulator import platform, quick_triggers

if TYPE_CHECKING:
    from _pytest.fixtures import SubRequest

__all__ = ["image", "inside_a_worker", "old_image", "platform", "quick_triggers"]


@pytest.fixture(params=[*images()])
def image(request: SubRequest, tmp_path: Path) -> Image:
    """Give the oldest Python of this machine, this one, and the newest."""
    return Image(interpreters()[request.param], tmp_path)


@pytest.fixture
def old_image(tmp_path: Path) -> Image:
    """Give a Python that is older than this one."""
    version, python = next(iter(interpreters().items()))
    if version == f"3.{sys.version_info.minor}":
        pytest.skip("There is no Python on this machine that is older than this one.")
    return Image(python, tmp_path)


@pytest.fixture
def inside_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tasks run: only inside a worker does Airflow answer how a task stands."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
