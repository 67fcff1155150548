"""What can be turned: the emulator's times and limits, while it runs, and its settings, when it starts."""

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


def _dial(default: float, meaning: str) -> Any:
    """Return a field with what the command line says of it."""
    return dataclasses.field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, kw_only=True)
class EmulatorConfig:
    """Times in seconds, and limits; by default the platform's, where a laptop can bear them."""

    start_delay: float = _dial(0.5, "how long a session queues before it has a pod")
    create_latency: float = _dial(0.0, "how long a create takes; up to 90 s on the platform")
    flicker: float = _dial(0.1, "how long a session shows as Pending between Running and its end")
    retention: float = _dial(HOUR, "how long an ended headless session is remembered")
    interactive_retention: float = _dial(DAY, "how long an ended session of another kind is remembered")
    deadline: float = _dial(14 * DAY, "how long a headless session may run")
    interactive_deadline: float = _dial(4 * DAY, "how long other kinds may, and what a renewal grants")
    grace: float = _dial(2.0, "how long processes have between TERM and KILL; 30 s on the platform")
    token_lifetime: float = _dial(2 * DAY, "how long a token from /ac/login is good")
    max_interactive: float = _dial(5, "how many interactive sessions the user may have at a time")

    def updated(self, changes: Mapping[str, Any]) -> Self:
        """Return these config with some turned.

        :param changes: new values by name.
        :raises ValueError: for a name that is no dial, or a value that is no number from 0 up.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name, value in changes.items():
            if name not in names:
                raise ValueError(f"There is no dial {name!r}; there are {', '.join(names)}.")
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"The dial {name!r} takes a number from 0 up, not {value!r}.")
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one emulator is started with.

    :param token: the bearer token of the account; also opens the admin endpoints, even after a rotation.
    :param user: the account's name.
    :param password: what ``/ac/login`` takes for the user; with None, it takes nothing.
    :param hostname: what a session reads in its variable *skaha_hostname*.
    :param state_folder: where sessions work and log; a temporary one, deleted at the end, when left out.
    :param images: which images exist, and where each runs.
    :param seed: makes the faults' dice fall the same way every time.
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
