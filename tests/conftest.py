"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How long an example takes is no property of the code: machines are shared.
settings.register_profile("canfar", deadline=None)
settings.load_profile("canfar")


# Before pytest-xdist looks at the marks: it does so in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests on a real Airflow together: one worker of pytest-xdist starts it, once."""
    for item in items:
        if item.get_closest_marker("airflow") is not None:
            item.add_marker(pytest.mark.xdist_group("airflow"))
