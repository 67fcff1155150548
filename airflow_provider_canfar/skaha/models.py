"""What is asked of the platform, and what it reports.

A :class:`SessionSpec` is what was asked, a :class:`Session` what was reported; neither turns into the other.
All models are frozen. Those that the server fills ignore what they do not know; the spec refuses it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from airflow_provider_canfar.skaha import validation as rules
from airflow_provider_canfar.skaha.command.encoding import encode
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.statuses import Kind, Quantity, Status, Text, Time, Tuple, Url, Whole, text

__all__ = [
    "Event",
    "Image",
    "Kind",
    "Options",
    "ResourceOptions",
    "Resources",
    "Session",
    "SessionSpec",
    "Stats",
    "Status",
]


class Reported(BaseModel):
    """What the server reports: it may say more than we know, and leave out whatever is null."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Resources(Reported):
    """Cores, RAM in GB, GPUs; None for what is not known."""

    cores: Quantity = None
    ram: Quantity = None
    gpus: Quantity = None


class Session(Reported):
    """A session as the platform reports it.

    RAM is in GB. Times are absent until the platform has admitted the session; ``requested_cores`` and
    ``requested_ram`` are absent for a flexible one; what is in use is absent when nobody measured it.

    :param id: the platform's name for it; ``""`` in ``fetch(view="all")``, which tells kinds and states only.
    :param name: what its author called it, in lower case. Names are not unique.
    :param kind: a :class:`Kind`, or the server's own word for one never heard of.
    :param status_word: the server's own word for the status.
    :param connect_url: where a browser opens it; None for headless sessions.
    :param fixed: whether its resources are its own; False for a flexible session.
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
    requested_gpus: Whole = Field(default=None, alias="requestedGPUCores")
    cores_in_use: Quantity = Field(default=None, alias="cpuCoresInUse")
    ram_in_use: Quantity = Field(default=None, alias="ramInUse")
    fixed: bool | None = Field(default=None, alias="isFixedResources")
    app_id: Text = Field(default="", alias="appid")
    run_as_uid: Text = Field(default="", alias="runAsUID")
    run_as_gid: Text = Field(default="", alias="runAsGID")
    supplemental_groups: Tuple[int] = Field(default=(), alias="supplementalGroups")

    @model_validator(mode="before")
    @classmethod
    def _keep_the_word(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "status_word" not in data:
            word = text(data.get("status"))
            return {**data, "status": Status.of(word), "status_word": word}
        return data

    @field_validator("kind", mode="before")
    @classmethod
    def _know_the_kind(cls, value: Any) -> Kind | str:
        word = text(value)
        return Kind(word) if word in set(Kind) else word

    @property
    def is_interactive(self) -> bool:
        """Whether a browser opens it."""
        return self.kind != Kind.HEADLESS


class Event(Reported):
    """Something that Kubernetes says of a session: ``Warning FailedScheduling 0/42 nodes are available``.

    :param type: ``Normal`` or ``Warning``.
    :param first_time: None for the scheduler's own events, which carry no times.
    """

    type: Text = ""
    reason: Text = ""
    message: Text = ""
    first_time: Time = None
    last_time: Time = None

    def __str__(self) -> str:
        return f"{self.type} {self.reason}: {self.message}"


class Options(Reported):
    """What may be asked of one resource, and what is given without asking. RAM is in GB.

    :param options: the values that a fixed session may ask for; None where the server does not say.
    """

    default: Quantity = None
    default_request: Quantity = Field(default=None, alias="defaultRequest")
    default_limit: Quantity = Field(default=None, alias="defaultLimit")
    options: tuple[float, ...] | None = None

    def allow(self, value: float) -> bool:
        """Whether the server takes it: it compares the integer part, and keeps the rest.

        :param value: the number of cores or GPUs, or GB of RAM.
        """
        return self.options is None or int(value) in self.options


class ResourceOptions(Reported):
    """The resources that the platform offers to a session, in either of its servers' shapes."""

    cores: Options = Options()
    ram: Options = Field(default=Options(), alias="memoryGB")
    gpus: Options = Options()
    max_interactive_sessions: Whole = Field(default=None, alias="maxInteractiveSessions")


class Stats(Reported):
    """How busy the platform is.

    :param requested: what all sessions together have asked for.
    :param available: what there is of it, in use or not.
    :param most_cores: the most cores that one session can have, with the RAM of that machine.
    :param most_ram: the most RAM that one session can have, with the cores of that machine.
    :param instances: how many sessions of each kind there are, where the server says so.
    """

    requested: Resources = Resources()
    available: Resources = Resources()
    most_cores: Resources = Resources()
    most_ram: Resources = Resources()
    instances: Mapping[str, int] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, data: Any) -> Any:
        """Read the servers' shapes: names have changed over time, and some wrap the object in a list."""
        if isinstance(data, list):
            data = data[0] if data else {}
        if not isinstance(data, Mapping) or not {"cores", "ram"} & data.keys():
            return data
        cores, ram = data.get("cores") or {}, data.get("ram") or {}
        most_cores = _either(cores, "maxCPUCores", "maxCores") or {}
        most_ram = ram.get("maxRAM") or {}
        return {
            "requested": {
                "cores": _either(cores, "requestedCPUCores", "coresInUse"),
                "ram": _either(ram, "requestedRAM", "ramInUse"),
            },
            "available": {
                "cores": _either(cores, "cpuCoresAvailable", "coresAvailable"),
                "ram": ram.get("ramAvailable"),
            },
            "most_cores": {
                "cores": _either(most_cores, "cpuCores", "cores"),
                "ram": most_cores.get("withRam"),
            },
            "most_ram": {
                "cores": _either(most_ram, "withCPUCores", "withCores"),
                "ram": most_ram.get("ram"),
            },
            "instances": data.get("instances") or {},
        }

    @property
    def free(self) -> Resources:
        """What nobody has asked for yet, as the platform's portal reckons it."""
        return Resources(
            cores=_less(self.available.cores, self.requested.cores),
            ram=_less(self.available.ram, self.requested.ram),
        )


def _either(data: Mapping[str, Any], *names: str) -> Any:
    return next((data[name] for name in names if data.get(name) is not None), None)


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else max(0.0, whole - part)


class Image(Reported):
    """An image that the platform knows, by the one tag that it knows it by.

    :param types: the kinds that it is labelled for.
    """

    id: str
    types: Tuple[str] = ()
    digest: Text = ""


class SessionSpec(BaseModel):
    """A session, or replicas of one, as its author asks for it; what the platform would refuse is refused.

    >>> spec = SessionSpec(name="Stars", image="skaha/astroml:24.07", command=["echo", "Hello, World!"])
    >>> spec.image, spec.name, spec.is_flexible
    ('images.canfar.net/skaha/astroml:24.07', 'stars', True)

    :param name: letters, digits and ``-``, a letter first; kept in lower case. With several replicas each
        gets ``-<replica>`` appended.
    :param image: ``[registry/]project/name[:tag]``; see :func:`~.rules.image_reference` for how it is
        completed and why ``:latest`` is so often refused.
    :param kind: a :class:`Kind`.
    :param cores: CPU cores. Cores and RAM both left out make a *flexible* session, which starts small and may
        take what is free. What is given is *fixed*: the session has it to itself. Cores without RAM leave
        the RAM flexible, and the platform reports such a session as not fixed.
    :param ram: RAM in GB.
    :param gpus: GPUs, at least 1; left out for none.
    :param command: what to run, as an argv: each element arrives as one argument. Headless only.
    :param cmd: what to run, as the platform's client has it: the program, with ``args``. Headless only.
    :param args: the program's arguments: a list, one argument each, or a string that is split as a shell
        would. Without ``cmd``, arguments for the image's own entry point. Headless only.
    :param env: environment variables. Their values appear in no message or repr. Headless only.
    :param replicas: how many sessions, each with its own ``REPLICA_ID`` (from 1) and ``REPLICA_COUNT``.
    :param command_encoding: how a command is carried: ``plain``, ``bootstrap``, or ``auto`` for whichever it needs.
    :raises SpecError: naming the value, the rule and a way out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    image: str
    kind: Kind = Kind.HEADLESS
    cores: int | float | None = Field(default=None, gt=0, allow_inf_nan=False)
    ram: int | float | None = Field(default=None, gt=0, allow_inf_nan=False)
    gpus: int | None = None
    command: tuple[str, ...] | None = None
    cmd: str | None = None
    args: str | tuple[str, ...] | None = None
    env: dict[str, str] = Field(default_factory=dict)
    replicas: int = Field(default=1, ge=1, le=10_000)
    command_encoding: Literal["auto", "plain", "bootstrap"] = "auto"

    if not TYPE_CHECKING:  # Checkers see the __init__ that pydantic makes of the fields.

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise SpecError(_in_words(error, fields)) from None

    @field_validator("name")
    @classmethod
    def _lower_the_name(cls, value: str) -> str:
        return rules.session_name(value)

    @field_validator("image")
    @classmethod
    def _complete_the_image(cls, value: str) -> str:
        return rules.image_reference(value)

    @field_validator("gpus")
    @classmethod
    def _some_or_none(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise SpecError(
                f"gpus={value} is refused: the platform takes 1 or more. Leave gpus out for none."
            )
        return value

    @field_validator("env", mode="before")
    @classmethod
    def _in_strings(cls, value: Any) -> Any:
        return rules.environment(value or {}) if isinstance(value, Mapping | None) else value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.kind != Kind.HEADLESS:
            for field in ("command", "cmd", "args", "env"):
                if getattr(self, field):
                    raise SpecError(
                        f"{field} is refused for a {self.kind} session: the platform heeds it in headless "
                        f"ones only. Leave {field} out, or make the session headless."
                    )
        if self.replicas > 1 and self.kind in {Kind.DESKTOP, Kind.FIREFLY}:
            raise SpecError(
                f"replicas={self.replicas} is refused for a {self.kind} session: the platform has one of "
                "them at a time. Leave replicas out."
            )
        if self.command is not None and (self.cmd is not None or self.args is not None):
            raise SpecError(
                "command is refused together with cmd or args: it is the program and its arguments in one. "
                "Leave the others out."
            )
        # Here, before any request, and not when the first replica is created: what nothing can carry.
        encode(
            command=self.command,
            cmd=self.cmd,
            args=self.args,
            env=self.env,
            command_encoding=self.command_encoding,
        )
        rules.host_name(self.replica_name(self.replicas))
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for field, value in super().__repr_args__():
            yield field, dict.fromkeys(value, "***") if field == "env" else value

    @property
    def is_flexible(self) -> bool:
        """Whether the session takes what is free rather than a fixed share."""
        return self.cores is None and self.ram is None

    def replica_name(self, replica: int) -> str:
        """Name a replica as the platform's client does: with a suffix only where there are several.

        :param replica: the number of the replica, from 1.
        """
        return self.name if self.replicas == 1 else f"{self.name}-{replica}"

    def check_against(self, context: ResourceOptions) -> None:
        """Refuse resources that this platform does not offer.

        :param context: what the platform offers.
        :raises SpecError: naming those that it does.
        """
        for field in ("cores", "ram", "gpus"):
            value, offer = getattr(self, field), getattr(context, field)
            if value is not None and not offer.allow(value):
                told = ", ".join(f"{option:g}" for option in offer.options) or "none at all"
                raise SpecError(
                    f"{field}={value:g} is refused: this platform offers {told}. "
                    f"Choose one, or leave {field} out."
                )


def _in_words(error: ValidationError, fields: Mapping[str, Any]) -> str:
    """Say what is wrong with a spec, without a word of its environment's values."""
    first, *_ = error.errors(include_url=False, include_input=False)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return str(cause)
    field = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return f"A session needs {field!r}. Give it."
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, SessionSpec.model_fields, n=1)
        return f"A session has no {field!r}. " + (
            f"Is {near[0]!r} meant?" if near else f"It has {', '.join(SessionSpec.model_fields)}."
        )
    if field == "env":
        return "env is refused: it must be a mapping of names to strings. Write env={'NAME': 'value'}."
    if field in {"command", "cmd", "args"}:
        try:
            encode(command=fields.get("command"), cmd=fields.get("cmd"), args=fields.get("args"))
        except SpecError as fault:
            return str(fault)
    rule = first["msg"][:1].lower() + first["msg"][1:]
    return f"{field}={fields[field]!r} is refused: {rule}. Correct it, or leave it out."
