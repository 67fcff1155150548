"""What the platform offers to an account: resources, their usage, images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from airflow_provider_canfar.skaha.fields import (
    Integer,
    Quantities,
    Quantity,
    Reported,
    Text,
    Texts,
    section,
    text,
    whole_number,
)

#: What servers may call the GPUs that are requested, and all that there are. The first words are those that
#: the platform's own client shows (``canfar stats``); its server, up to 1.4, reports no GPUs.
_REQUESTED_GPUS = ("requestedGPU", "requestedGPUCores", "requestedGPUs", "gpuCoresInUse", "gpusInUse")
_AVAILABLE_GPUS = ("gpuAvailable", "gpuCoresAvailable", "gpusAvailable")


class Resources(Reported):
    """Cores, RAM in GB, GPUs; None where unknown."""

    cores: Quantity = None
    ram: Quantity = None
    gpus: Quantity = None


class Options(Reported):
    """The values that a session may request of one resource, and its defaults. RAM is in GB.

    :param options: the values that a fixed session may request; None if the server does not say.
    """

    default: Quantity = None
    default_request: Quantity = Field(default=None, alias="defaultRequest")
    default_limit: Quantity = Field(default=None, alias="defaultLimit")
    options: Quantities = None

    def allow(self, value: float) -> bool:
        """Whether the server accepts a value: it compares the integer part, and keeps the rest.

        :param value: the number of cores or GPUs, or GB of RAM.
        """
        return self.options is None or int(value) in self.options


_Options = Annotated[Options, BeforeValidator(section)]
_Resources = Annotated[Resources, BeforeValidator(section)]


class ResourceOptions(Reported):
    """The resources that the platform offers to a session, in either shape that servers use."""

    cores: _Options = Options()
    ram: _Options = Field(default=Options(), alias="memoryGB")
    gpus: _Options = Options()
    max_interactive_sessions: Integer = Field(default=None, alias="maxInteractiveSessions")


class Stats(Reported):
    """How busy the platform is.

    :param requested: the requests of all sessions together.
    :param available: the platform's total, in use or not.
    :param most_cores: the most cores that one session can have, with the RAM of that machine.
    :param most_ram: the most RAM that one session can have, with the cores of that machine.
    :param instances: the number of sessions by kind, if the server reports it.
    """

    requested: _Resources = Resources()
    available: _Resources = Resources()
    most_cores: _Resources = Resources()
    most_ram: _Resources = Resources()
    instances: Mapping[str, int] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _normalize(cls, data: Any) -> Any:
        """Accept every server's shape: names have changed over time, and some wrap the object in a list."""
        if isinstance(data, list):
            data = data[0] if data else {}
        if not isinstance(data, Mapping) or not {"cores", "ram", "gpu", "gpus"} & data.keys():
            return data
        cores, ram = section(data.get("cores")), section(data.get("ram"))
        gpus = section(_first_of(data, "gpu", "gpus"))
        most_cores = section(_first_of(cores, "maxCPUCores", "maxCores"))
        most_ram = section(ram.get("maxRAM"))
        return {
            "requested": {
                "cores": _first_of(cores, "requestedCPUCores", "coresInUse"),
                "ram": _first_of(ram, "requestedRAM", "ramInUse"),
                "gpus": _first_of(gpus, *_REQUESTED_GPUS),
            },
            "available": {
                "cores": _first_of(cores, "cpuCoresAvailable", "coresAvailable"),
                "ram": ram.get("ramAvailable"),
                "gpus": _first_of(gpus, *_AVAILABLE_GPUS),
            },
            "most_cores": {
                "cores": _first_of(most_cores, "cpuCores", "cores"),
                "ram": most_cores.get("withRam"),
            },
            "most_ram": {
                "cores": _first_of(most_ram, "withCPUCores", "withCores"),
                "ram": most_ram.get("ram"),
            },
            "instances": data.get("instances"),
        }

    @field_validator("instances", mode="before")
    @classmethod
    def _read_instances(cls, value: Any) -> dict[str, int]:
        """Leave out what is not a number."""
        counts = {text(kind): whole_number(count) for kind, count in section(value).items()}
        return {kind: count for kind, count in counts.items() if kind and count is not None}

    @property
    def free(self) -> Resources:
        """What no session has requested, computed as the platform's portal does."""
        return Resources(
            cores=_difference(self.available.cores, self.requested.cores),
            ram=_difference(self.available.ram, self.requested.ram),
            gpus=_difference(self.available.gpus, self.requested.gpus),
        )


class Image(Reported):
    """An image that the platform knows, by the one tag that it knows it by.

    :param types: the kinds in its labels.
    """

    id: Text
    types: Texts = ()
    digest: Text = ""


def _first_of(data: Mapping[str, Any], *names: str) -> Any:
    return next((data[name] for name in names if data.get(name) is not None), None)


def _difference(total: float | None, part: float | None) -> float | None:
    return None if total is None or part is None else max(0.0, total - part)
