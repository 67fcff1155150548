"""What a user requests: a session, or replicas of one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, Self, TypedDict

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from airflow_provider_canfar.skaha import validation
from airflow_provider_canfar.skaha.command.encoding import Parameters, encode
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.secret import concealed
from airflow_provider_canfar.skaha.statuses import Kind

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.account_models import ResourceOptions

#: As many values of one resource are listed one by one in an error, even if they have no gap.
LISTED_OPTIONS = 8


class SpecFields(TypedDict, total=False):
    """What the fields of a :class:`SessionSpec` accept, for type checkers and editors.

    It stands beside the spec's own annotations, which say what the spec keeps: a list becomes a tuple.
    """

    name: Required[str]
    image: Required[str]
    kind: Kind | str
    cores: float | None
    ram: float | None
    gpus: int | None
    command: list[str] | tuple[str, ...] | None
    cmd: str | None
    args: str | list[str] | tuple[str, ...] | None
    env: Mapping[str, str | float] | None
    replicas: int
    command_encoding: Literal["auto", "plain", "bootstrap"]


class SessionSpec(BaseModel):
    """A session, or replicas of one, as its author requests it; validated before any request.

    >>> spec = SessionSpec(name="Stars", image="skaha/astroml:24.07", command=["echo", "Hello, World!"])
    >>> spec.image, spec.name, spec.is_flexible
    ('images.canfar.net/skaha/astroml:24.07', 'stars', True)

    :param name: letters, digits and ``-``, which neither starts nor ends it; kept in lower case. With several
        replicas, each gets ``-<replica>`` appended.
    :param image: ``[registry/]project/name[:tag]``; see ``skaha.validation.image_reference`` for how it is
        completed and why the platform so often rejects ``:latest``.
    :param kind: a :class:`~.statuses.Kind`.
    :param cores: CPU cores. Without cores and RAM a session is *flexible*: it starts small and may use what
        is free. With them it is *fixed*: they are reserved for it. Cores without RAM leave the RAM flexible,
        and the platform reports such a session as not fixed.
    :param ram: RAM in GB.
    :param gpus: GPUs, at least 1; omit it for none.
    :param command: what to run, as an argv: each element arrives as one argument. Headless only.
    :param cmd: what to run, as in the platform's client: the program, with ``args``. Headless only.
    :param args: the program's arguments: a list, one argument each, or a string that is split as a shell
        would. Without ``cmd``, arguments for the image's own entry point. Headless only.
    :param env: environment variables. Their values appear in no message or repr. Headless only.
    :param replicas: the number of sessions, each with its own ``REPLICA_ID`` (from 1) and ``REPLICA_COUNT``.
    :param command_encoding: how a command travels: ``plain``, ``bootstrap``, or ``auto`` for the one that it
        needs.
    :raises SpecError: with the field, the value, the rule and a way out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    #: Encodes the command. It runs once per spec: a large command takes a tenth of a second.
    encoder: ClassVar[Callable[..., Parameters]] = staticmethod(encode)

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

    _parameters: Parameters = PrivateAttr()

    if not TYPE_CHECKING:  # Checkers see the __init__ that pydantic makes of the fields.

        def __init__(self, **fields: Any) -> None:
            # Neither this frame nor pydantic's shows a value.
            fields = {name: concealed(one) if name == "env" else one for name, one in fields.items()}
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise SpecError(_message_of(error, fields)) from None

    @field_validator("name")
    @classmethod
    def _validate_name(cls, value: str) -> str:
        return validation.session_name(value)

    @field_validator("image")
    @classmethod
    def _complete_image(cls, value: str) -> str:
        return validation.image_reference(value)

    @field_validator("kind", mode="before")
    @classmethod
    def _parse_kind(cls, value: object) -> Kind:
        return Kind.parse(value)

    @field_validator("gpus")
    @classmethod
    def _validate_gpus(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise SpecError(f"Invalid gpus {value}: must be 1 or more. Omit gpus for none.")
        return value

    @field_validator("env", mode="before")
    @classmethod
    def _validate_env(cls, value: Any) -> Any:
        return validation.environment(value or {}) if isinstance(value, Mapping | None) else value

    @model_validator(mode="after")
    def _validate_together(self) -> Self:
        if self.kind != Kind.HEADLESS:
            for field in ("command", "cmd", "args", "env"):
                if getattr(self, field):
                    raise SpecError(
                        f"Invalid {field} for a {self.kind} session: the platform uses it in headless "
                        f"sessions only. Omit {field}, or make the session headless."
                    )
        if self.replicas > 1 and self.kind in {Kind.DESKTOP, Kind.FIREFLY}:
            raise SpecError(
                f"Invalid replicas {self.replicas} for a {self.kind} session: the platform allows one of "
                "them at a time. Omit replicas."
            )
        if self.command is not None and (self.cmd is not None or self.args is not None):
            raise SpecError(
                "Invalid command together with cmd or args: it is the program and its arguments in one. "
                "Omit the others."
            )
        # What nothing can carry is an error here, before any request.
        self._parameters = type(self).encoder(
            command=self.command,
            cmd=self.cmd,
            args=self.args,
            env=self.env,
            command_encoding=self.command_encoding,
        )
        validation.host_name(self.replica_name(self.replicas))
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for field, value in super().__repr_args__():
            yield field, _shown(field or "", value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, validated and encoded like any other spec."""
        return type(self)(
            **{field: getattr(self, field) for field in type(self).model_fields} | dict(update or {})
        )

    @property
    def parameters(self) -> Parameters:
        """The command and the environment as the platform gets them, encoded once for all replicas."""
        return self._parameters

    @property
    def is_flexible(self) -> bool:
        """Whether the session uses what is free rather than a fixed share."""
        return self.cores is None and self.ram is None

    def replica_name(self, replica: int) -> str:
        """Name a replica as the platform's client does: with a suffix only if there are several.

        :param replica: its number, from 1.
        """
        return self.name if self.replicas == 1 else f"{self.name}-{replica}"

    def check_against(self, context: ResourceOptions) -> None:
        """Reject resources that this platform does not offer.

        :param context: what it offers.
        :raises SpecError: with those that it does offer.
        """
        for field in ("cores", "ram", "gpus"):
            value, offer = getattr(self, field), getattr(context, field)
            if value is not None and not offer.allow(value):
                if not offer.options:
                    raise SpecError(f"Invalid {field} {value:g}: this platform has none. Omit {field}.")
                raise SpecError(
                    f"Invalid {field} {value:g}: must be {_offered(offer.options)} on this platform. "
                    f"Choose one, or omit {field}."
                )


def _shown(field: str, value: Any) -> Any:
    """Return a field as a repr shows it: of what runs, the program and the names of variables."""
    if field == "command" and value:
        return [value[0], *concealed(value[1:])]
    return concealed(value) if field in {"args", "env"} else value


def _offered(options: Sequence[float]) -> str:
    """Name the values that a platform offers; one with a LimitRange lists every number up to the limit.

    >>> _offered([1, 2, 4]), _offered(range(1, 513))
    ('one of 1, 2, 4', 'from 1 to 512')
    """
    first, last = options[0], options[-1]
    if len(options) > LISTED_OPTIONS and [*options] == [first + step for step in range(len(options))]:
        return f"from {first:g} to {last:g}"
    return f"one of {', '.join(f'{option:g}' for option in options)}"


def _message_of(error: ValidationError, fields: Mapping[str, Any]) -> str:
    """Describe the first error, without any value of the environment."""
    first, *_ = error.errors(include_url=False, include_input=False)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return str(cause)
    field = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return f"Missing field {field!r}: a session needs it."
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, SessionSpec.model_fields, n=1)
        hint = (
            f"Did you mean {near[0]!r}?" if near else f"The fields are {', '.join(SessionSpec.model_fields)}."
        )
        return f"Unknown field {field!r}. {hint}"
    if field == "env":
        return "Invalid env: must be a mapping of names to strings, such as {'NAME': 'value'}."
    if field in {"command", "cmd", "args"}:
        try:
            encode(command=fields.get("command"), cmd=fields.get("cmd"), args=fields.get("args"))
        except SpecError as spec_error:
            return str(spec_error)
    rule = first["msg"][:1].lower() + first["msg"][1:]
    return f"Invalid {field} {fields[field]!r}: {rule}. Correct it, or omit it."
