from __future__ import annotations

from itertools import count
from threading import Event

import pytest

from dev.waiting import Interrupted, wait_until


def test_it_returns_the_first_true_value() -> None:
    values = iter([None, 0, "", "here"])
    assert wait_until(lambda: next(values), description="something", timeout=5, interval=0) == "here"


def test_the_timeout_error_says_what_the_wait_was_for() -> None:
    with pytest.raises(TimeoutError, match="waiting for a miracle"):
        wait_until(lambda: False, description="a miracle", timeout=0, interval=0)


def test_setting_the_stop_event_ends_the_wait() -> None:
    stop, calls = Event(), count()

    def condition() -> bool:
        if next(calls) == 2:
            stop.set()
        return False

    with pytest.raises(Interrupted, match="while waiting for nothing"):
        wait_until(condition, description="nothing", timeout=60, interval=0, stop=stop)
    assert next(calls) == 3


def test_an_exception_in_the_condition_ends_the_wait() -> None:
    def condition() -> bool:
        raise LookupError("the program has ended")

    with pytest.raises(LookupError, match="has ended"):
        wait_until(condition, description="a program", timeout=60)
