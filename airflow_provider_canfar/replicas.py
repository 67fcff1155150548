"""Divide work between the replicas of a session.

Every replica runs the same program. The platform tells each one its number in two environment variables,
``REPLICA_ID`` (from 1) and ``REPLICA_COUNT``::

    for tile in chunk(sorted(glob("/arc/projects/survey/*.fits"))):
        calibrate(tile)

``REPLICA_ID`` and ``REPLICA_COUNT`` are here as numbers.

The functions divide items exactly like those of the platform's client (``canfar.helpers.distributed``), with
one difference: they raise errors in the call, not in the first step of a loop over the result.

This file imports only the standard library and needs only Python 3.7, so you can copy it into any image.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

__all__ = ["REPLICA_COUNT", "REPLICA_ID", "chunk", "stripe"]

#: The number of this replica, from 1, and how many there are; 1 where the platform has not set the variables.
REPLICA_ID: int
REPLICA_COUNT: int


class _ReplicaNumber(int):
    """An int that says where it is from: functions that use it can run in an image, which has its own."""


def __getattr__(name: str) -> int:
    if name in ("REPLICA_ID", "REPLICA_COUNT"):
        return _ReplicaNumber(_number(name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def chunk(iterable: Iterable[T], replica: int | None = None, total: int | None = None) -> Iterator[T]:
    """Return one replica's block of contiguous items.

    All blocks have the same size, and the last replica also gets the remainder. When there are fewer items
    than replicas, the first replicas get one item each, and the others none.

    :param iterable: the items, identical and in the same order in every replica; it is read to its end.
    :param replica: the number of the replica, from 1; by default ``REPLICA_ID``, or 1 without that variable.
    :param total: the number of replicas; by default ``REPLICA_COUNT``, or 1 without that variable.
    :raises ValueError: unless ``replica`` is between 1 and ``total``.

    >>> list(chunk(range(10), replica=4, total=4))
    [6, 7, 8, 9]
    >>> list(chunk("abc", replica=2, total=5))
    ['b']
    """
    replica = _number("REPLICA_ID") if replica is None else replica
    total = _number("REPLICA_COUNT") if total is None else total
    if not 1 <= replica <= total:
        raise ValueError(
            f"There is no replica {replica} of {total}: replica numbers run from 1 to the total."
        )
    items = list(iterable)
    size = max(len(items) // total, 1)
    start = (replica - 1) * size
    is_last = replica == total and len(items) >= total
    return iter(items[start:] if is_last else items[start : start + size])


def stripe(iterable: Iterable[T], replica: int | None = None, total: int | None = None) -> Iterator[T]:
    """Return every ``total``-th item, starting with the one at the replica's own number.

    :param iterable: the items, identical and in the same order in every replica; it is read lazily.
    :param replica: the number of the replica, from 1; by default ``REPLICA_ID``, or 1 without that variable.
        A replica below 1 or above ``total`` gets no items.
    :param total: the number of replicas; by default ``REPLICA_COUNT``, or 1 without that variable.
    :raises ValueError: when ``replica`` is positive and ``total`` is not.

    >>> list(stripe(range(10), replica=2, total=3))
    [1, 4, 7]
    """
    replica = _number("REPLICA_ID") if replica is None else replica
    total = _number("REPLICA_COUNT") if total is None else total
    if replica < 1:
        return iter(())
    if total < 1:
        raise ValueError(f"Cannot divide the items between {total} replicas: total must be positive.")
    if replica > total:
        return iter(())
    return itertools.islice(iterable, replica - 1, None, total)


def _number(variable: str) -> int:
    text = os.environ.get(variable, "1")
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"The variable {variable} is {text!r}; it must be an integer.") from None
