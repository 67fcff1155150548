from __future__ import annotations

from itertools import count
from threading import Event

import pytest

from dev.waiting import Interrupted, until


def test_what_is_seen_in_the_end_is_returned() -> None:
    subscription = iter([None, 0, "", "here"])
    assert until(lambda: next(subscription), for_what="something", seconds=5, every=0) == "here"


def test_a_wait_in_vain_says_for_what_it_was() -> None:
    with pytest.raises(TimeoutError, match="in vain for a miracle"):
        until(lambda: False, for_what="a miracle", seconds=0, every=0)


def test_a_wait_ends_when_somebody_asks_to_stop() -> None:
    stop, subscription = Event(), count()

    def look() -> bool:
        if next(subscription) == 2:
            stop.set()
        return False

    with pytest.raises(Interrupted, match="while waiting for nothing"):
        until(look, for_what="nothing", seconds=60, every=0, stop=stop)
    assert next(subscription) == 3


def test_what_a_look_raises_ends_the_wait() -> None:
    def look() -> bool:
        raise LookupError("the program has ended")

    with pytest.raises(LookupError, match="has ended"):
        until(look, for_what="a program", seconds=60)
