"""Divide the work between the replicas of a session, from inside each of them.

Every replica runs the same program and is told which one it is by two variables, ``REPLICA_ID`` (from 1) and
``REPLICA_COUNT``::

    for tile in chunk(sorted(glob("/arc/projects/survey/*.fits"))):
        calibrate(tile)

The functions divide as the platform's client does (``canfar.helpers.distributed``), so that either may stand
in for the other. They differ in one thing: what is wrong is raised by the call, not by the first step of a
loop over the result.

This file imports nothing but Python's own library and needs nothing newer than Python 3.7, so it can be
copied into any image.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


def chunk(iterable: Iterable[T], replica: int | None = None, total: int | None = None) -> Iterator[T]:
    """Give one replica its block of neighbouring items.

    The blocks have one size, and the last replica also takes the remainder. When there are fewer items than
    replicas, the first replicas take one each, and the others nothing.

    :param iterable: the items, the same and in the same order in every replica; it is read to its end.
    :param replica: which replica, from 1; by default ``REPLICA_ID``, or 1 without that variable.
    :param total: how many replicas; by default ``REPLICA_COUNT``, or 1 without that variable.
    :raises ValueError: unless ``replica`` is one of 1 to ``total``.

    >>> list(chunk(range(10), replica=4, total=4))
    [6, 7, 8, 9]
    >>> list(chunk("abc", replica=2, total=5))
    ['b']
    """
    replica = _number("REPLICA_ID") if replica is None else replica
    total = _number("REPLICA_COUNT") if total is None else total
    if not 1 <= replica <= total:
        raise ValueError(f"There is no replica {replica} of {total}: replicas count from 1 to their total.")
    items = list(iterable)
    size = max(len(items) // total, 1)
    start = (replica - 1) * size
    is_last = replica == total and len(items) >= total
    return iter(items[start:] if is_last else items[start : start + size])


def stripe(iterable: Iterable[T], replica: int | None = None, total: int | None = None) -> Iterator[T]:
    """Give one replica every ``total``-th item, beginning with the one of its own number.

    :param iterable: the items, the same and in the same order in every replica; it is read as far as needed.
    :param replica: which replica, from 1; by default ``REPLICA_ID``, or 1 without that variable. There is
        nothing for a replica below 1 or above ``total``.
    :param total: how many replicas; by default ``REPLICA_COUNT``, or 1 without that variable.
    :raises ValueError: when ``total`` is not positive, and ``replica`` is.

    >>> list(stripe(range(10), replica=2, total=3))
    [1, 4, 7]
    """
    replica = _number("REPLICA_ID") if replica is None else replica
    total = _number("REPLICA_COUNT") if total is None else total
    if replica < 1:
        return iter(())
    if total < 1:
        raise ValueError(f"The items cannot be divided between {total} replicas: total must be positive.")
    if replica > total:
        return iter(())
    return itertools.islice(iterable, replica - 1, None, total)


def _number(variable: str) -> int:
    text = os.environ.get(variable, "1")
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"The variable {variable} is {text!r}; it must be a whole number.") from None
