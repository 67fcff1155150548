"""One call for many keys at once, without losing any failure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_canfar.skaha import validation
from airflow_provider_canfar.skaha.errors import CanfarError, PartialFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")
K = TypeVar("K", str, int)


def unique_ids(ids: str | Iterable[str]) -> list[str]:
    """Return a list of ids, each of them once.

    :raises SpecError: for an invalid id, before any request for the others.

    >>> unique_ids("k3v9x2qa"), unique_ids(["k3v9x2qa", "m0d4tt7z", "k3v9x2qa"])
    (['k3v9x2qa'], ['k3v9x2qa', 'm0d4tt7z'])
    """
    return [validation.session_id(one) for one in dict.fromkeys([ids] if isinstance(ids, str) else ids)]


async def each(keys: Iterable[K], call: Callable[[K], Awaitable[T]]) -> dict[K, T]:
    """Call a function for each key at once, and return the results by key.

    :raises CanfarError: the only key's own error, if there is only one key.
    :raises PartialFailure: if some of many fail: with the results of the others, and the errors.
    """
    keys = list(keys)
    outcomes = await asyncio.gather(*map(call, keys), return_exceptions=True)
    results: dict[K, T] = {}
    errors: dict[K, Exception] = {}
    for key, outcome in zip(keys, outcomes, strict=True):
        if isinstance(outcome, CanfarError):
            errors[key] = outcome
        elif isinstance(outcome, BaseException):
            raise outcome  # Not an error of the platform's: a bug of ours, or a cancellation.
        else:
            results[key] = outcome
    if errors and len(keys) == 1:
        raise errors[keys[0]]
    if errors:
        raise PartialFailure(results=results, errors=errors)
    return results
