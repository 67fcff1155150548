"""Fixtures: images to run functions in, and an emulator whose sessions run them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from tests.decorators.image import Image, images, interpreters
from tests.on_emulator import platform, quick_triggers

#: Only type checkers read it: it has every mistake that they must find.
collect_ignore = ["users_dag.py"]

if TYPE_CHECKING:
    from _pytest.fixtures import SubRequest

__all__ = ["image", "inside_a_worker", "old_image", "platform", "quick_triggers"]


@pytest.fixture(params=[*images()])
def image(request: SubRequest, tmp_path: Path) -> Image:
    """Return images with the oldest Python of this machine, the one that runs the tests, and the newest."""
    return Image(interpreters()[request.param], tmp_path)


@pytest.fixture
def old_image(tmp_path: Path) -> Image:
    """Return an image with an older Python than the one that runs the tests."""
    version, python = next(iter(interpreters().items()))
    if version == f"3.{sys.version_info.minor}":
        pytest.skip("This machine has no older Python.")
    return Image(python, tmp_path)


@pytest.fixture
def inside_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report every task as running: Airflow answers for a task's state only inside a worker."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
