"""What sessions have used, beside what they asked for. Pure.

All figures are *at least*: the platform measures every 15 seconds or so, and the poll sees some of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.polling.usage import Usage
    from airflow_provider_canfar.task_sessions.batch import Outcome

#: RAM is asked for in GiB, which everybody calls GB, and reported in GB of 10^9 bytes.
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


def beside_asked(usage: Usage, asked: Resources) -> dict[str, float | None]:
    """Write what a session has used, beside what it asked for and in the same units, as JSON.

    >>> from airflow_provider_canfar.skaha.polling.usage import Usage
    >>> used = beside_asked(Usage(ram=1.37, last_ram=1.2, cores=0.982, samples=9, age=12), Resources(2, 8))
    >>> used["ram"], used["ram_asked"], used["cores"], used["cores_asked"]
    (1.276, 8, 0.982, 2)
    """
    return {
        "cores": usage.cores,
        "cores_asked": asked.cores,
        "ram": _as_asked(usage.ram),
        "ram_asked": asked.ram,
        "last_ram": _as_asked(usage.last_ram),
        "samples": usage.samples,
        "seconds_before_end": usage.age,
    }


def _as_asked(ram: float | None) -> float | None:
    return None if ram is None else round(ram / GIB, 3)


def used_of(outcome: Outcome, name: str) -> str:
    """Write a figure for the table: what was used, and what was asked for.

    :param name: ``cores`` or ``ram``.
    """
    usage = outcome.usage or {}
    used, asked = usage.get(name), usage.get(f"{name}_asked")
    if used is None:
        return "-"
    return f"{used:.3g}" if asked is None else f"{used:.3g}/{asked:g}"


def out_of_memory(outcome: Outcome) -> str | None:
    """Say that a failed session probably was out of memory; None where nothing points to it."""
    usage: Mapping[str, float | None] = outcome.usage or {}
    last, asked = usage.get("last_ram"), usage.get("ram_asked")
    if outcome.succeeded or last is None or asked is None or last < NEARLY_ALL * asked:
        return None
    return (
        f"Probably out of memory: at least {last:.3g} of {asked:g} GB used "
        f"{usage.get('seconds_before_end') or 0:.0f} s before the end; the example more_ram.py tries again "
        "with more."
    )


def advice(outcomes: Iterable[Outcome]) -> list[str]:
    """Say which of its resources a task has hardly used, and what to ask for.

    :param outcomes: how its replicas ended; those that were not seen often enough say nothing.
    """
    seen = [one.usage for one in outcomes if one.usage and (one.usage.get("samples") or 0) >= SAMPLES]
    lines = []
    for name, unit in (("cores", "cores"), ("ram", "GB of RAM")):
        used = [figure for one in seen if (figure := one.get(name)) is not None]
        asked = max((figure for one in seen if (figure := one.get(f"{name}_asked"))), default=0.0)
        enough = max(1, math.ceil(MARGIN * max(used, default=0.0)))
        if used and max(used) < LITTLE * asked and enough < asked:
            lines.append(
                f"Of {asked:g} {unit} for each session, no more than {max(used):.2g} was seen in use, in "
                f"{_sessions(len(used))} measured now and then: {name}={enough} may be enough."
            )
    return lines


def _sessions(count: int) -> str:
    return "one session that was" if count == 1 else f"{count:,} sessions that were"
