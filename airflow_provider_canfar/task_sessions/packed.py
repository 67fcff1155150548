"""JSON in few bytes, for what Airflow's database keeps of thousands of replicas. Pure.

On MySQL, a trigger's arguments are a TEXT of 64 kB. An id is eight random characters, which take seven in
this form; the rest repeats itself, and takes next to nothing.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from itertools import accumulate, groupby, pairwise
from typing import Any

from airflow_provider_canfar.skaha.naming import SessionName


def pack(value: Any) -> str:
    """Write JSON as text without a quote or a backslash, compressed.

    >>> unpack(pack({"replicas": [1, 2, 3]}))
    {'replicas': [1, 2, 3]}
    """
    return base64.b64encode(zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 9)).decode()


def unpack(text: str) -> Any:
    """Read what :func:`pack` wrote."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def by_value(values: Mapping[str, str]) -> dict[str, list[str]]:
    """Write each value once, with the keys that have it.

    >>> by_value({"k3v9x2qa": "Completed", "ia35y7wv": "Failed", "mq0aw3zt": "Completed"})
    {'Completed': ['k3v9x2qa', 'mq0aw3zt'], 'Failed': ['ia35y7wv']}
    """
    keys: dict[str, list[str]] = {}
    for key, value in values.items():
        keys.setdefault(value, []).append(key)
    return keys


def by_key(data: Mapping[str, Any]) -> dict[str, str]:
    """Read what :func:`by_value` wrote, or the plain mapping that a release before it wrote."""
    values: dict[str, str] = {}
    for one, other in data.items():
        values |= {one: other} if isinstance(other, str) else dict.fromkeys(other, one)
    return values


def pack_sessions(sessions: Mapping[str, str], start_by: Mapping[str, float]) -> str:
    """Write sessions column by column: ids, the replicas in their names, and when they must have started.

    :param sessions: id -> name.
    :param start_by: id -> seconds since the epoch; of some of them.
    """
    parsed = {session_id: SessionName.parse(name) for session_id, name in sessions.items()}
    ours = {session_id: name for session_id, name in parsed.items() if name is not None}
    order = sorted(ours, key=lambda one: (_same_in_a_try(ours[one]), ours[one].replica))
    replicas = [ours[session_id].replica for session_id in order]
    # No name of ours: only somebody's test has such.
    order += (others := [one for one, name in parsed.items() if name is None])
    return pack(
        {
            "ids": order,
            "names": [
                [*shared, len([*several])]
                for shared, several in groupby(order[: len(ours)], lambda one: _same_in_a_try(ours[one]))
            ],
            "replicas": [after - before for before, after in pairwise([0, *replicas])],
            "others": [sessions[session_id] for session_id in others],
            "start_by": [start_by.get(session_id) for session_id in order] if start_by else [],
        }
    )


def unpack_sessions(text: str) -> tuple[dict[str, str], dict[str, float]]:
    """Read the two mappings that :func:`pack_sessions` wrote."""
    columns = unpack(text)
    ids, replicas, names = columns["ids"], accumulate(columns["replicas"]), []
    for stem, key, epoch, try_number, count in columns["names"]:
        names += [
            str(SessionName(stem, key, epoch, replica, try_number)) for replica in _first(count, replicas)
        ]
    start_by = zip(ids, columns["start_by"], strict=False)
    return (
        dict(zip(ids, names + columns["others"], strict=True)),
        {session_id: at for session_id, at in start_by if at is not None},
    )


def _same_in_a_try(name: SessionName) -> tuple[str, str, int, int]:
    return name.stem, name.key, name.epoch, name.try_number


def _first(count: int, numbers: Iterable[int]) -> list[int]:
    return [number for _, number in zip(range(count), numbers, strict=False)]
