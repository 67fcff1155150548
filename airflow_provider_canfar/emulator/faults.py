"""What can go wrong, on demand: faults to switch on while the emulator runs."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "latency": "requests take longer, by `seconds`",
    "outage": "the whole platform is out, as `mode` says: busy, close, hang or refuse",
    "drop_before": "the connection closes before anything is done",
    "busy": "503 with Retry-After",
    "html": "502 with a page of HTML, from a proxy in front",
    "expired_token": "401, as if the token had ended; a login goes well",
    "server_error": "500, and nothing is done",
    "not_created": "a create answers 500 'jobs.batch not found', and has created nothing",
    "created_unseen": "a create answers 500 'jobs.batch not found', and has created a session",
    "drop_after": "all is done, and the connection closes before the answer",
    "truncated": "the answer is cut in the middle",
    "pull": "images that match `image` cannot be pulled: sessions stay Pending, with events that say so",
}
"""The kinds of fault, in the order in which they strike a request."""

OUTAGES = ("busy", "close", "hang", "refuse")
"""Ways for a platform to be out: 503 from the proxy, closed connections, no answer, nobody listening."""


@dataclass(kw_only=True)
class Fault:
    """One kind of fault, and when it strikes.

    :param rate: the share of the matching requests that it strikes, 0 to 1.
    :param count: how often it strikes before it is used up; without an end when left out.
    :param method: strikes only requests of this method.
    :param path: strikes only paths, such as ``/skaha/v1/session``, that this regular expression is found in.
    :param seconds: how long a latency is, or how long nobody listens.
    :param retry_after: seconds, for ``busy`` and the outage of that mode.
    :param mode: how an outage looks: one of :data:`OUTAGES`.
    :param image: a pattern, as a shell's, of the images whose pull fails.
    :param struck: how often it has struck.
    """

    rate: float = 1.0
    count: int | None = None
    method: str | None = None
    path: str = ""
    seconds: float = 0.0
    retry_after: float = 1.0
    mode: str = "busy"
    image: str = "*"
    struck: int = field(default=0, init=False)

    def matches(self, method: str, path: str) -> bool:
        """Tell whether it may strike a request."""
        if self.count is not None and self.struck >= self.count:
            return False
        return self.method in (None, method) and re.search(self.path, path) is not None


class Faults:
    """The faults that are switched on, by their kind.

    :param seed: makes the dice fall the same way every time.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self.clear()

    def clear(self) -> None:
        """Switch all off, and start the dice anew."""
        self._on: dict[str, Fault] = {}
        self._dice = random.Random(self._seed)  # noqa: S311 - a test's dice keep no secret

    def switch(self, wanted: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Switch faults on, each from its beginning, or off where None; the others stay as they are.

        :param wanted: the arguments of :class:`Fault` by kind.
        :raises ValueError: for a kind, an argument or a mode that there is not.
        """
        made = {kind: None if how is None else _fault(kind, how) for kind, how in wanted.items()}
        for kind, fault in made.items():
            self._on.pop(kind, None)
            if fault is not None:
                self._on[kind] = fault

    def get(self, kind: str) -> Fault | None:
        """Return a fault if it is on."""
        return self._on.get(kind)

    def strike(self, kind: str, method: str, path: str) -> Fault | None:
        """Return a fault if it strikes a request; the dice are thrown once for every request that matches."""
        fault = self._on.get(kind)
        if fault is None or not fault.matches(method, path) or self._dice.random() >= fault.rate:
            return None
        fault.struck += 1
        return fault

    def fails_to_pull(self, image: str) -> bool:
        """Tell whether an image cannot be pulled now."""
        fault = self._on.get("pull")
        return fault is not None and fnmatchcase(image, fault.image)

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Return what is on, with how often it has struck."""
        return {kind: asdict(fault) for kind, fault in self._on.items()}


def _fault(kind: str, how: Mapping[str, Any]) -> Fault:
    if kind not in KINDS:
        raise ValueError(f"There is no fault {kind!r}; there are {', '.join(KINDS)}.")
    try:
        fault = Fault(**how)
        re.compile(fault.path)
    except (TypeError, re.error) as error:
        raise ValueError(f"The fault {kind!r} does not take this: {error}") from error
    if fault.mode not in OUTAGES:
        raise ValueError(f"There is no outage {fault.mode!r}; there are {', '.join(OUTAGES)}.")
    if fault.mode == "refuse" and not fault.seconds > 0:
        raise ValueError("An outage of mode 'refuse' wants seconds: while nobody listens, nobody can end it.")
    return fault
