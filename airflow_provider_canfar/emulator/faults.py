"""Faults to switch on while the emulator runs."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "latency": "delays the response by `seconds`",
    "outage": "takes the whole platform down, in the way that `mode` names: busy, close, hang or refuse",
    "drop_before": "closes the connection before the request is handled",
    "busy": "503 with Retry-After",
    "html": "502 with an HTML page, as from a proxy in front",
    "expired_token": "401, as if the token had expired; a login still works",
    "server_error": "500, and the request is not handled",
    "not_created": "a create gets 500 'jobs.batch not found', and no session is created",
    "created_unseen": "a create gets 500 'jobs.batch not found', although a session is created",
    "drop_after": "handles the request, and closes the connection before the response",
    "truncated": "sends the first half of the response",
    "pull": "images that match `image` cannot be pulled: sessions stay Pending, and their events say why",
}
"""The kinds of fault, in the order in which they are applied to a request."""

OUTAGES = ("busy", "close", "hang", "refuse")
"""The modes of an outage: 503 from the proxy, closed connections, no response, nothing listening."""


@dataclass(kw_only=True)
class Fault:
    """One kind of fault, and the requests that it affects.

    :param rate: the share of the matching requests that it affects, 0 to 1.
    :param count: how many requests it affects before it is used up; unlimited by default.
    :param method: affects only requests of this method.
    :param path: a regular expression, searched for in paths such as ``/skaha/v1/session``; affects only
        the requests whose path it is found in.
    :param seconds: the length of a latency, or of an outage of mode ``refuse``.
    :param retry_after: seconds, for ``busy`` and the outage of that mode.
    :param mode: what an outage looks like: one of :data:`OUTAGES`.
    :param image: a shell pattern of the images whose pull fails.
    :param fired: how many requests it has affected.
    """

    rate: float = 1.0
    count: int | None = None
    method: str | None = None
    path: str = ""
    seconds: float = 0.0
    retry_after: float = 1.0
    mode: str = "busy"
    image: str = "*"
    fired: int = field(default=0, init=False)

    def matches(self, method: str, path: str) -> bool:
        """Return whether it may affect a request."""
        if self.count is not None and self.fired >= self.count:
            return False
        return self.method in (None, method) and re.search(self.path, path) is not None


class Faults:
    """The faults that are switched on, by kind.

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

        :param changes: the arguments of :class:`Fault` by kind.
        :raises ValueError: for an unknown kind, argument or mode.
        """
        new = {
            kind: None if arguments is None else _fault(kind, arguments)
            for kind, arguments in changes.items()
        }
        for kind, fault in new.items():
            self._on.pop(kind, None)
            if fault is not None:
                self._on[kind] = fault

    def get(self, kind: str) -> Fault | None:
        """Return a fault if it is on."""
        return self._on.get(kind)

    def fire(self, kind: str, method: str, path: str) -> Fault | None:
        """Return a fault if it affects a request; draws one random number for each request that matches."""
        fault = self._on.get(kind)
        if fault is None or not fault.matches(method, path) or self._random.random() >= fault.rate:
            return None
        fault.fired += 1
        return fault

    def fails_to_pull(self, image: str) -> bool:
        """Return whether pulling an image fails now."""
        fault = self._on.get("pull")
        return fault is not None and fnmatchcase(image, fault.image)

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Return the faults that are on, each with its counter."""
        return {kind: asdict(fault) for kind, fault in self._on.items()}


def _fault(kind: str, arguments: Mapping[str, Any]) -> Fault:
    if kind not in KINDS:
        raise ValueError(f"Unknown fault {kind!r}; expected one of {', '.join(KINDS)}.")
    try:
        fault = Fault(**arguments)
        re.compile(fault.path)
    except (TypeError, re.error) as error:
        raise ValueError(f"Invalid arguments for fault {kind!r}: {error}") from error
    if fault.mode not in OUTAGES:
        raise ValueError(f"Unknown outage mode {fault.mode!r}; expected one of {', '.join(OUTAGES)}.")
    if fault.mode == "refuse" and not fault.seconds > 0:
        raise ValueError(
            "An outage of mode 'refuse' needs seconds: no request can end it while nothing listens."
        )
    return fault
