"""The tree of errors."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from airflow_provider_canfar.skaha import errors
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    CanfarError,
    NotFound,
    PartialFailure,
    Rejected,
    RequestError,
    ResponseTooLarge,
    ServerError,
    ServiceBusy,
    SessionError,
    SessionFailed,
    SessionGone,
    SessionNeverStarted,
    SessionTimeout,
    SpecError,
    TLSVerificationError,
    Unreachable,
)

FACTS: dict[str, Any] = {
    "method": "POST",
    "path": "session",
    "status": 500,
    "server_message": "no",
    "maybe_applied": True,
}
EXAMPLES: list[CanfarError] = [
    SpecError("Invalid gpus 0"),
    *(
        kind("failed", **FACTS)
        for kind in (
            RequestError,
            AuthenticationError,
            Unreachable,
            TLSVerificationError,
            ServerError,
            NotFound,
            Rejected,
            ResponseTooLarge,
        )
    ),
    ServiceBusy("failed", retry_after=30.0, **FACTS),
    *(
        kind(
            "failed",
            session_id="k3v9x2qa",
            name="stars-7",
            replica=7,
            status="Failed",
            log_tail="Killed",
            events=("Warning",),
        )
        for kind in (SessionError, SessionFailed, SessionNeverStarted, SessionTimeout, SessionGone)
    ),
    PartialFailure(
        results={1: "k3v9x2qa"}, errors={2: Rejected("no"), 3: Unreachable("gone", method="POST")}
    ),
]


def facts_of(error: BaseException) -> dict[str, object]:
    return {name: repr(value) for name, value in vars(error).items()}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_facts_through_pickling_and_copying(error: CanfarError) -> None:
    """Airflow moves exceptions between processes."""
    error.add_note("a note")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 (our own bytes)
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert facts_of(other) == facts_of(error)


def test_all_errors_have_one_root_and_are_in_the_drawing() -> None:
    kinds = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)]
    assert len(kinds) == len(EXAMPLES) + 1
    for kind in kinds:
        assert issubclass(kind, CanfarError)
        assert f" {kind.__name__}" in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("kind", "helps"),
    [
        (SpecError, False),
        (AuthenticationError, False),
        (Rejected, False),
        (NotFound, False),
        (TLSVerificationError, False),
        (Unreachable, True),
        (ServiceBusy, True),
        (ServerError, True),
        (SessionFailed, True),
        (SessionGone, True),
    ],
)
def test_an_error_says_whether_a_retry_can_help(kind: type[CanfarError], helps: bool) -> None:
    assert kind.retryable is helps


def test_a_spec_error_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="gpus"):
        raise SpecError("Invalid gpus 0")


def test_a_partial_failure_states_a_shared_reason_once() -> None:
    failure = PartialFailure(
        results=dict.fromkeys(range(1, 4), "id"),
        errors={replica: ServerError("the platform is full") for replica in range(4, 12)},
    )
    assert str(failure) == "8 of 11 failed. 4, 5, 6, 7, 8 and 3 more: the platform is full."


def test_a_partial_failure_is_retryable_only_if_each_error_is() -> None:
    assert PartialFailure(errors={1: ServiceBusy("busy"), 2: Unreachable("away")}).retryable
    assert not PartialFailure(errors={1: ServiceBusy("busy"), 2: Rejected("no")}).retryable
