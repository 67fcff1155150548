"""The same for many, at once, and no failure lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_canfar.skaha import validation as rules
from airflow_provider_canfar.skaha.errors import CanfarError, PartialFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")
K = TypeVar("K", str, int)


def one_or_many(ids: str | Iterable[str]) -> list[str]:
    """Return a list of ids, each of them once.

    :raises SpecError: for what cannot be an id, before anything is asked about the others.

    >>> one_or_many("k3v9x2qa"), one_or_many(["k3v9x2qa", "m0d4tt7z", "k3v9x2qa"])
    (['k3v9x2qa'], ['k3v9x2qa', 'm0d4tt7z'])
    """
    return [rules.session_id(one) for one in dict.fromkeys([ids] if isinstance(ids, str) else ids)]


async def each(keys: Iterable[K], call: Callable[[K], Awaitable[T]]) -> dict[K, T]:
    """Do the same for each key at once, and return what came of it by key.

    :raises CanfarError: the only one's own error, where there is but one key.
    :raises PartialFailure: where some of many fail: with what worked, and with the errors of the rest.
    """
    wanted = list(keys)
    outcomes = await asyncio.gather(*map(call, wanted), return_exceptions=True)
    results: dict[K, T] = {}
    errors: dict[K, Exception] = {}
    for key, outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, CanfarError):
            errors[key] = outcome
        elif isinstance(outcome, BaseException):
            raise outcome  # No error of the platform's: a mistake of ours, or a cancellation.
        else:
            results[key] = outcome
    if errors and len(wanted) == 1:
        raise errors[wanted[0]]
    if errors:
        raise PartialFailure(results=results, errors=errors)
    return results
