"""One call for many keys at once, without losing any failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from airflow_provider_canfar.skaha import validation
from airflow_provider_canfar.skaha.errors import CanfarError, PartialFailure, SpecError
from airflow_provider_canfar.skaha.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
K = TypeVar("K", str, int)

#: What the verbs on sessions accept: one id or many, or sessions as :meth:`fetch` lists them.
SessionIds: TypeAlias = str | Session | Iterable[str | Session]


def unique_ids(ids: SessionIds) -> list[str]:
    """Return a list of ids, each of them once; a session stands for its id.

    :raises SpecError: for an invalid id, before any request for the others.

    >>> unique_ids("k3v9x2qa"), unique_ids(["k3v9x2qa", "m0d4tt7z", Session(id="k3v9x2qa")])
    (['k3v9x2qa'], ['k3v9x2qa', 'm0d4tt7z'])
    """
    several = [ids] if is_one(ids) or not isinstance(ids, Iterable) else ids
    return list(dict.fromkeys(one_id(one) for one in several))


def is_one(ids: object) -> bool:
    """Whether it is one session, and not several."""
    return isinstance(ids, str | Session)


def one_id(session: object) -> str:
    """Return the id of one session.

    :raises SpecError: for what is neither an id nor a session.
    """
    value = session.id if isinstance(session, Session) else session
    if not isinstance(value, str):
        what = "None" if value is None else f"of type {type(value).__name__}"
        raise SpecError(
            f"Invalid session id {what}: must be one word, such as 'k3v9x2qa', a Session, or a list of them. "
            "create() returns ids, and fetch() lists sessions."
        )
    return validation.session_id(value)


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
