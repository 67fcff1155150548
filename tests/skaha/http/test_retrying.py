"""The one retry policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    Rejected,
    ServerError,
    ServiceBusy,
    TLSVerificationError,
    Unreachable,
)
from airflow_provider_canfar.skaha.http.retrying import MAX_RETRY_AFTER, MAX_RETRY_DELAY, retrying

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.skaha.conftest import Time

    Run = Callable[..., Awaitable[str]]


class Attempts:
    """Fails with each error in turn, for ever with the last; None is a success."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.made = 0

    async def __call__(self) -> str:
        self.made += 1
        error = self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]
        if error is not None:
            raise error
        return "done"


@pytest.fixture(name="run")
def _run(time: Time) -> Run:
    async def run(attempts: Attempts, retry_for: float = 120.0) -> str:
        return await retrying(retry_for, sleep=time.sleep, clock=time.clock)(attempts)

    return run


@pytest.mark.parametrize("error", [ServiceBusy("429"), ServerError("500"), Unreachable("reset")])
async def test_a_retryable_error_is_retried(run: Run, error: Exception) -> None:
    attempts = Attempts(error, error, None)
    assert await run(attempts) == "done"
    assert attempts.made == 3


@pytest.mark.parametrize(
    "error",
    [
        Rejected("400"),
        NotFound("404"),
        AuthenticationError("401"),
        TLSVerificationError("ca"),
        TypeError("bug"),
    ],
)
async def test_any_other_error_is_raised_at_once(run: Run, time: Time, error: Exception) -> None:
    attempts = Attempts(error)
    with pytest.raises(type(error)):
        await run(attempts)
    assert (attempts.made, time.slept) == (1, [])


async def test_delays_are_random_below_a_growing_limit(run: Run, time: Time) -> None:
    with pytest.raises(Unreachable):
        await run(Attempts(Unreachable("away")), retry_for=3600.0)
    bounds = [min(MAX_RETRY_DELAY, 2.0**number) for number in range(len(time.slept))]
    assert all(0 < slept <= bound for slept, bound in zip(time.slept, bounds, strict=True))
    assert len(set(time.slept)) == len(time.slept)
    assert max(time.slept) > 10.0


async def test_the_last_error_is_raised_after_the_time_is_over(run: Run, time: Time) -> None:
    last = Unreachable("still away")
    with pytest.raises(Unreachable) as raised:
        await run(Attempts(Unreachable("away"), last))
    assert raised.value is last
    assert time.now < 1000.0 + 120.0


async def test_retry_after_is_honoured(run: Run, time: Time) -> None:
    await run(Attempts(ServiceBusy("503", retry_after=30.0), None))
    assert 30.0 <= sum(time.slept) <= 31.0


async def test_retry_after_is_honoured_up_to_a_minute(run: Run, time: Time) -> None:
    """The service responds with 180 when it is off-line for maintenance."""
    await run(Attempts(ServiceBusy("503", retry_after=180.0), None))
    assert MAX_RETRY_AFTER <= sum(time.slept) <= MAX_RETRY_AFTER + 1.0


async def test_no_retry_starts_after_the_time_is_over(run: Run, time: Time) -> None:
    with pytest.raises(ServiceBusy):
        await run(Attempts(ServiceBusy("503", retry_after=30.0)), retry_for=20.0)
    assert time.slept == []


@pytest.mark.parametrize("error", [Unreachable("away"), ServiceBusy("503", retry_after=0.0)])
async def test_without_retry_time_there_is_a_single_try(run: Run, time: Time, error: Exception) -> None:
    attempts = Attempts(error)
    with pytest.raises(type(error)):
        await run(attempts, retry_for=0)
    assert (attempts.made, time.slept) == (1, [])


async def test_a_retry_logs_its_reason_on_one_line(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await run(Attempts(ServerError("GET session failed with status 500: no"), None))
    (message,) = caplog.messages
    assert message.startswith("Retrying in ")
    assert message.endswith("s: GET session failed with status 500: no")
