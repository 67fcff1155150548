"""What holds for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# How long an example takes is no property of the code: machines are shared.
settings.register_profile("canfar", deadline=None)
settings.load_profile("canfar")


# Optional, so that the tests also run without pytest-xdist.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Take one worker more than there are processors: the tests wait as much as they compute."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests on a real Airflow last: it runs until the end, and takes its share of the processors."""
    items.sort(key=lambda item: item.get_closest_marker("airflow") is not None)
