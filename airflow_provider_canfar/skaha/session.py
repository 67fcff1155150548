"""A session and its events, as the platform reports them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from airflow_provider_canfar.skaha.errors import SessionError, SpecError
from airflow_provider_canfar.skaha.fields import (
    Flag,
    Integer,
    Integers,
    Quantity,
    Reported,
    Text,
    Time,
    Url,
    text,
)
from airflow_provider_canfar.skaha.statuses import Kind, Status


class Session(Reported):
    """A session as the platform reports it.

    RAM is in GB. Times are absent until the platform has admitted the session; ``requested_cores`` and
    ``requested_ram`` are absent for a flexible one; usage is absent when the platform did not measure it.

    :param id: the platform's id; ``""`` in ``fetch(view="all")``, which reports kinds and statuses only.
    :param name: the name that its author gave it, in lower case. Names are not unique.
    :param kind: a :class:`Kind`, or the server's own word for a kind that we do not know.
    :param status_word: the server's own word for the status.
    :param connect_url: where a browser opens it; None for headless sessions.
    :param fixed: whether its resources are reserved; False for a flexible session.
    """

    id: Text = ""
    name: Text = ""
    kind: Kind | str = Field(default="", alias="type")
    status: Status = Status.UNKNOWN
    status_word: str = ""
    image: Text = ""
    userid: Text = ""
    start_time: Time = Field(default=None, alias="startTime")
    expiry_time: Time = Field(default=None, alias="expiryTime")
    connect_url: Url = Field(default=None, alias="connectURL")
    requested_cores: Quantity = Field(default=None, alias="requestedCPUCores")
    requested_ram: Quantity = Field(default=None, alias="requestedRAM")
    requested_gpus: Integer = Field(default=None, alias="requestedGPUCores")
    cores_in_use: Quantity = Field(default=None, alias="cpuCoresInUse")
    ram_in_use: Quantity = Field(default=None, alias="ramInUse")
    fixed: Flag = Field(default=None, alias="isFixedResources")
    app_id: Text = Field(default="", alias="appid")
    run_as_uid: Text = Field(default="", alias="runAsUID")
    run_as_gid: Text = Field(default="", alias="runAsGID")
    supplemental_groups: Integers = Field(default=(), alias="supplementalGroups")

    @model_validator(mode="before")
    @classmethod
    def _keep_status_word(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            word = text(data.get("status_word")) or text(data.get("status"))
            return {**data, "status": Status.of(word), "status_word": word}
        return data

    @field_validator("kind", mode="before")
    @classmethod
    def _keep_unknown_kind(cls, value: Any) -> Kind | str:
        word = text(value)
        return Kind(word) if word in set(Kind) else word

    @property
    def is_interactive(self) -> bool:
        """Whether it opens in a browser."""
        return self.kind != Kind.HEADLESS


def page_of(session: Session) -> str:
    """Return where a browser opens a session.

    :raises SpecError: for a headless one, which has no page.
    :raises SessionError: for one that is not running.
    """
    if not session.is_interactive:
        raise SpecError(f"Invalid session {session.id}: a headless session has no page. See its logs.")
    if session.status is not Status.RUNNING or session.connect_url is None:
        raise SessionError(
            f"Could not open session {session.id} ({session.name}): it is {session.status_word}. "
            "It has a page while it is Running.",
            session_id=session.id,
            name=session.name,
            status=session.status_word,
        )
    return session.connect_url


class Event(Reported):
    """A Kubernetes event of a session: ``Warning FailedScheduling: 0/42 nodes are available``.

    :param type: ``Normal`` or ``Warning``.
    :param first_time: None for the scheduler's own events, which have no times.
    """

    type: Text = ""
    reason: Text = ""
    message: Text = ""
    first_time: Time = None
    last_time: Time = None

    def __str__(self) -> str:
        return f"{self.type} {self.reason}: {self.message}"
