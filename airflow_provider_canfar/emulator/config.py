"""How an emulator is set up: times and limits that can change while it runs, and settings that cannot."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.emulator.images import ImageLibrary

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

HOUR = 3600.0
DAY = 24 * HOUR


STATUS_WORDS = ("current", "documented", "pod_phases", "job_conditions")
"""The words that servers have had for a session's status.

``current``         since version 1.0.4: Pending, Running, Completed, Failed, Terminating
``documented``      in openapi.yaml and the platform's client: Succeeded and Error for Completed and Failed
``pod_phases``      up to version 0.30: Succeeded for Completed
``job_conditions``  versions 1.0.0 to 1.0.3: a failure with its reason, ``Failed (BackoffLimitExceeded)``
"""

QUOTA_RESPONSES = ("too_large", "disconnect")
"""What a full quota looks like: 413 with the bytes that were left, or, as often, a closed connection."""


def _option(default: float | bool | str, help_text: str, choices: Collection[str] = ()) -> Any:
    """Return a field that carries its help text for the command line.

    :param choices: the values of an option that is a word.
    """
    return dataclasses.field(default=default, metadata={"help": help_text, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class EmulatorConfig:
    """Times in seconds, limits, and how the server behaves.

    The defaults are those of the platform's current server, where a laptop can bear them.
    """

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
    terminating_time: float = _option(
        0.0, "how long a deleted session is still shown, as Terminating; the current server does not do that"
    )
    status_words: str = _option(
        "current",
        "which server's words for a session's status: documented has Succeeded and Error for Completed and "
        "Failed, pod_phases (up to 0.30) has Succeeded, job_conditions (1.0.0 to 1.0.3) has Failed (Reason)",
        choices=STATUS_WORDS,
    )
    storage_quota: float = _option(
        200_000_000_000, "how many bytes each folder in /arc/home and /arc/projects may hold"
    )
    quota_response: str = _option(
        "too_large",
        "what an upload beyond the quota gets: too_large is 413, disconnect a closed connection",
        choices=QUOTA_RESPONSES,
    )
    strict_images: bool = _option(
        False,
        "run only images that GET /image lists or --known-image names, and answer others as the platform "
        "answers an unknown image; without this, the emulator runs any images.canfar.net/skaha/*",
    )

    def updated(self, changes: Mapping[str, Any]) -> Self:
        """Return this configuration with some values changed.

        :param changes: new values by name.
        :raises ValueError: for an unknown name, or a value that the option cannot have.
        """
        fields = {field.name: field for field in dataclasses.fields(self)}
        for name, value in changes.items():
            if name not in fields:
                raise ValueError(f"Unknown option {name!r}; expected one of {', '.join(fields)}.")
            expected = _expected(fields[name], value)
            if expected:
                raise ValueError(f"Option {name!r} must be {expected}, not {value!r}.")
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
    :param certificate: a PEM file; with it, the emulator speaks HTTPS.
    :param private_key: the certificate's key, if it is in a file of its own.
    :param seed: makes random faults repeatable.
    :param faults: the faults that are on from the start: their arguments by kind.
    """

    token: str = "token"  # noqa: S105 - the documented default, good on loopback only
    user: str = "astronomer"
    password: str | None = "password"  # noqa: S105 - the documented default, good on loopback only
    hostname: str = "127.0.0.1"
    state_folder: Path | None = None
    images: ImageLibrary = dataclasses.field(default_factory=ImageLibrary)
    certificate: Path | None = None
    private_key: Path | None = None
    seed: int | None = None
    faults: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Settings(user={self.user!r}, state_folder={self.state_folder!r})"


def _expected(field: dataclasses.Field[Any], value: Any) -> str | None:
    """Return what an option's value has to be, in words, or None when this value is one."""
    if isinstance(field.default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(field.default, str):
        choices = field.metadata["choices"]
        return None if value in choices else f"one of {', '.join(choices)}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number and value >= 0 else "a number of 0 or more"
