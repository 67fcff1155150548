"""What sessions have used, beside what was asked for. Pure.

All figures are *at least*: the platform measures every 15 seconds or so, and the poll sees some of that. RAM is
asked for in GiB, which the platform and its users call GB, and reported in GB of 10^9 bytes; here it is in the
unit in which it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Outcome

GIB = 2**30 / 1e9

#: A session that has used this part of its RAM has probably been killed for it.
NEARLY_ALL = 0.9

#: One that has used less than this part of what it asked for could do with less.
LITTLE = 0.25

#: Advice is for sessions that were seen this often: the first minute of a program says little.
SAMPLES = 5

#: The advised figure is so many times what was seen.
MARGIN = 1.5


class Resources(NamedTuple):
    """What a session asks for: cores, and RAM in GB; None for a flexible session."""

    cores: float | None = None
    ram: float | None = None


FLEXIBLE = Resources()


def ram_of(outcome: Outcome, name: str = "ram") -> float | None:
    """Return a figure of a session's RAM in the unit in which it is asked for; None if it is unknown."""
    ram = outcome.usage.get(name) if outcome.usage else None
    return None if ram is None else ram / GIB


def cores_of(outcome: Outcome) -> float | None:
    """Return the most cores that a session was seen to use; None if that is unknown."""
    return outcome.usage.get("cores") if outcome.usage else None


def beside(used: float | None, asked: float | None) -> str:
    """Write a figure beside what was asked for.

    >>> beside(0.982, 2), beside(1.3, None), beside(None, 2)
    ('0.98/2', '1.3', '-')
    """
    if used is None:
        return "-"
    return f"{used:.3g}" if asked is None else f"{used:.3g}/{asked:g}"


def out_of_memory(outcome: Outcome, asked: Resources) -> str | None:
    """Say that a failed session probably was out of memory; None where nothing points to it.

    >>> from airflow_provider_canfar.task_sessions.batch import Outcome
    >>> usage = {"last_ram": 16.7, "age": 20}
    >>> print(out_of_memory(Outcome(1, "k3v9x2qa", "x", "Failed", False, 1, usage=usage), Resources(ram=16)))
    Probably out of memory: at least 15.6 of 16 GB used 20 s before the end. The example more_ram.py tries again with more.
    """
    last = ram_of(outcome, "last_ram")
    if outcome.succeeded or asked.ram is None or last is None or last < NEARLY_ALL * asked.ram:
        return None
    age = (outcome.usage or {}).get("age") or 0
    return (
        f"Probably out of memory: at least {last:.3g} of {asked.ram:g} GB used {age:.0f} s before the end. "
        "The example more_ram.py tries again with more."
    )


def advice(outcomes: Iterable[Outcome], asked: Resources) -> list[str]:
    """Say which of its resources a task has hardly used, and what to ask for.

    :param outcomes: how its replicas ended; those that were not seen often enough say nothing.
    """
    seen = [one for one in outcomes if one.usage and (one.usage.get("samples") or 0) >= SAMPLES]
    figures = (
        ("cores", "cores", [cores_of(one) for one in seen], asked.cores),
        ("ram", "GB", [ram_of(one) for one in seen], asked.ram),
    )
    lines = []
    for argument, unit, several, most in figures:
        known = [one for one in several if one is not None]
        if most is None or not known or max(known) >= LITTLE * most:
            continue
        enough = max(1, math.ceil(MARGIN * max(known)))
        if enough < most:
            lines.append(
                f"Of {most:g} {unit} for each session, {max(known):.2g} at most were seen in use (of "
                f"{len(known):,} sessions, measured now and then): {argument}={enough} may be enough."
            )
    return lines
