"""The faults that are switched on."""

from __future__ import annotations

import random
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_canfar.emulator.faults import pod_faults, request_faults, row_faults, storage_faults
from airflow_provider_canfar.emulator.faults.fault import check_choice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_canfar.emulator.faults.fault import Fault

    FaultT = TypeVar("FaultT", bound=Fault)
    RowFaultT = TypeVar("RowFaultT", bound=row_faults.RowFault)

KINDS: Mapping[str, type[Fault]] = {
    kind.kind(): kind
    for kind in (
        request_faults.Latency,
        request_faults.Outage,
        request_faults.DropBefore,
        request_faults.Busy,
        storage_faults.ReadOnly,
        request_faults.TooManyRequests,
        request_faults.Html,
        request_faults.NotDeployed,
        request_faults.ExpiredToken,
        request_faults.Forbidden,
        request_faults.ServerError,
        request_faults.Response,
        request_faults.Repeat,
        request_faults.NotCreated,
        request_faults.CreatedUnseen,
        row_faults.Status,
        row_faults.Duplicate,
        row_faults.ShortList,
        row_faults.NoMetrics,
        row_faults.OddCells,
        row_faults.Foreign,
        pod_faults.EventFormat,
        storage_faults.CutUpload,
        storage_faults.ChecksumMismatch,
        storage_faults.CutDownload,
        storage_faults.StaleDigest,
        storage_faults.MkdirRace,
        storage_faults.ListRace,
        request_faults.DropAfter,
        request_faults.Truncated,
        pod_faults.Pull,
    )
}
"""The kinds of fault by name, in the order in which they are applied to a request."""


class Faults:
    """The faults that are switched on, at most one of each kind.

    :param seed: makes random faults repeatable.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self.clear()

    def clear(self) -> None:
        """Switch all faults off, and restart the random numbers from the seed."""
        self._on: dict[str, Fault] = {}
        self._random = random.Random(self._seed)  # noqa: S311 - a test's random numbers keep no secret

    def update(self, changes: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Switch faults on, each with its counter at zero, or off with None; the others stay as they are.

        :param changes: arguments by kind: the fields of one of the classes in :data:`KINDS`.
        :raises ValueError: for an unknown kind, or an argument that is unknown or invalid.
        """
        new = {
            kind: None if arguments is None else _fault(kind, arguments)
            for kind, arguments in changes.items()
        }
        for kind, fault in new.items():
            self._on.pop(kind, None)
            if fault is not None:
                self._on[kind] = fault

    def get(self, kind: type[FaultT]) -> FaultT | None:
        """Return a fault if it is on."""
        fault = self._on.get(kind.kind())
        return fault if isinstance(fault, kind) else None

    def for_request(self, method: str, path: str) -> RequestFaults:
        """Return what fires faults for one request."""
        return RequestFaults(self, method, path)

    def fire(self, kind: type[FaultT], method: str, path: str) -> FaultT | None:
        """Return a fault if it affects a request; draws one random number for each request that matches."""
        fault = self.get(kind)
        return self._draw(fault) if fault and fault.matches(method, path) else None

    def fire_pull(self, image: str) -> pod_faults.Pull | None:
        """Return the fault of image pulls if it affects one more session with this image."""
        fault = self.get(pod_faults.Pull)
        return self._draw(fault) if fault and not fault.is_used_up and fault.affects(image) else None

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Return the faults that are on, each with its counter."""
        return {kind: asdict(fault) for kind, fault in self._on.items()}

    def _draw(self, fault: FaultT) -> FaultT | None:
        if self._random.random() >= fault.rate:
            return None
        fault.fired += 1
        return fault


class RequestFaults:
    """Fires faults for one request.

    :param faults: the faults that are on.
    :param method: the request's method.
    :param path: the request's path.
    """

    def __init__(self, faults: Faults, method: str, path: str) -> None:
        self._faults = faults
        self._method = method
        self.path = path

    def fire(self, kind: type[FaultT]) -> FaultT | None:
        """Return a fault if it affects the request."""
        return self._faults.fire(kind, self._method, self.path)

    def fire_for_rows(self, kind: type[RowFaultT], rows: list[Any]) -> RowFaultT | None:
        """Return a fault if it affects the request, which shows these rows."""
        fault = self._faults.get(kind)
        return self.fire(kind) if fault and any(fault.affects(row) for row in rows) else None


def _fault(kind: str, arguments: Mapping[str, Any]) -> Fault:
    if kind not in KINDS:
        raise ValueError(f"Unknown fault {kind!r}; expected one of {', '.join(KINDS)}.")
    names = [field.name for field in fields(KINDS[kind]) if field.init]
    try:
        for name in arguments:
            check_choice("argument", name, names)
        return KINDS[kind](**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Invalid arguments for fault {kind!r}: {error}.") from error
