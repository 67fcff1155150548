"""How an emulator is set up: times and limits that can change while it runs, and settings that cannot."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.emulator.images import ImageLibrary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOUR = 3600.0
DAY = 24 * HOUR


def _option(default: float, help_text: str) -> Any:
    """Return a field that carries its help text for the command line."""
    return dataclasses.field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, kw_only=True)
class EmulatorConfig:
    """Times in seconds, and limits. The defaults are the platform's, where a laptop can bear them."""

    start_delay: float = _option(0.5, "how long a session queues before it has a pod")
    create_latency: float = _option(0.0, "how long a create takes; up to 90 s on the platform")
    flicker: float = _option(0.1, "how long a session shows Pending between Running and its end")
    retention: float = _option(HOUR, "how long the platform remembers a headless session after its end")
    interactive_retention: float = _option(DAY, "how long it remembers a session of another kind")
    deadline: float = _option(14 * DAY, "how long a headless session may run")
    interactive_deadline: float = _option(
        4 * DAY, "how long a session of another kind may run, and how long a renewal grants"
    )
    grace: float = _option(2.0, "time between SIGTERM and SIGKILL; 30 s on the platform")
    token_lifetime: float = _option(2 * DAY, "how long a token from /ac/login is valid")
    max_interactive: float = _option(5, "how many interactive sessions the user may have at a time")

    def updated(self, changes: Mapping[str, Any]) -> Self:
        """Return this configuration with some values changed.

        :param changes: new values by name.
        :raises ValueError: for an unknown name, or a value that is not a number or is negative.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name, value in changes.items():
            if name not in names:
                raise ValueError(f"Unknown option {name!r}; expected one of {', '.join(names)}.")
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"Option {name!r} must be a number of 0 or more, not {value!r}.")
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an emulator is started with.

    :param token: the account's bearer token; it opens the admin API too, even after a rotation.
    :param user: the account's name.
    :param password: the user's password for ``/ac/login``; with None, every login fails.
    :param hostname: the value of a session's variable *skaha_hostname*.
    :param state_folder: where sessions work and log; by default a temporary folder, deleted at the end.
    :param images: which images exist, and which folder comes first in the PATH of each.
    :param seed: makes random faults repeatable.
    """

    token: str = "token"  # noqa: S105 - the documented default, good on loopback only
    user: str = "astronomer"
    password: str | None = "password"  # noqa: S105 - the documented default, good on loopback only
    hostname: str = "127.0.0.1"
    state_folder: Path | None = None
    images: ImageLibrary = dataclasses.field(default_factory=ImageLibrary)
    seed: int | None = None

    def __repr__(self) -> str:
        return f"Settings(user={self.user!r}, state_folder={self.state_folder!r})"
