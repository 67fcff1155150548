"""One way to write a line to a task's log, for operators, sensors and triggers."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol

from airflow_provider_canfar.skaha.log_line import ErrorLine, WarningLine


class HasLog(Protocol):
    """Anything with Airflow's logger."""

    @property
    def log(self) -> Any:
        """Airflow's logger."""


class LogLinesMixin:
    """Logs lines that may hold text of a user or of the platform."""

    def _emit(self: HasLog, line: str) -> None:
        """Log a line unchanged, as severe as it says.

        It is passed as an argument, not as the format: a session's name or its output may contain ``%``.
        """
        # Airflow writes it into a pipe to its supervisor, which may have died. The caller goes on without it.
        with suppress(OSError):
            if isinstance(line, ErrorLine):
                self.log.error("%s", line)
            elif isinstance(line, WarningLine):
                self.log.warning("%s", line)
            else:
                self.log.info("%s", line)
