"""Lines in a task's log."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_canfar.hooks._log import LogLinesMixin


class Task(LogLinesMixin):
    """Anything that logs."""

    log = logging.getLogger(__name__)


@pytest.mark.parametrize("line", ["100 % done", "%s", "%(name)d", ""])
def test_a_line_is_logged_unchanged(line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=__name__):
        Task()._emit(line)
    assert caplog.messages == [line]
