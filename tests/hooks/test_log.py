"""Lines in a task's log."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_canfar.hooks._log import LogLinesMixin
from airflow_provider_canfar.skaha.log_line import ErrorLine, WarningLine


class Task(LogLinesMixin):
    """Anything that logs."""

    log = logging.getLogger(__name__)


@pytest.mark.parametrize("line", ["100 % done", "%s", "%(name)d", ""])
def test_a_line_is_logged_unchanged(line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=__name__):
        Task()._emit(line)
    assert caplog.messages == [line]


def test_a_line_is_as_severe_as_it_says(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=__name__):
        for line in ("launched", WarningLine("an outage, 100 %"), ErrorLine("no such image")):
            Task()._emit(line)
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "launched"),
        ("WARNING", "an outage, 100 %"),
        ("ERROR", "no such image"),
    ]
