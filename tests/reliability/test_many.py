"""Two hundred tasks wait at once: by one poll, over the end of their token, and over an outage."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from dev.airflow_rest import RUN_ENDS
from tests.reliability.stage import TASK, Row, Stage

if TYPE_CHECKING:
    from dev.airflow_rest import Run

TASKS = 200

#: Seconds between two looks, as the DAG has it.
INTERVAL = 1.0

#: Seconds for all tasks to pass through Airflow's workers once; a hundred on two quiet cores.
THROUGH_WORKERS = 900.0

#: Seconds for which nobody listens: longer than the pause between two looks is by then.
REFUSES_FOR = 25.0

#: Seconds after which a look that is not answered is given up, as the connection has it.
GIVEN_UP_AFTER = 5.0

#: Seconds for the next look, when the pause between two has grown as long as it may.
NEXT_LOOK = 75.0

LOOK = "GET /session"
LOGIN = "POST /ac/login"


@pytest.mark.timeout(2400)
def test_200_wait_over_the_end_of_a_token_and_an_outage(stage: Stage) -> None:
    stage.log_in(timeout=GIVEN_UP_AFTER)
    # Who opens a pipe to read from it waits, and costs nothing, until somebody opens it to write.
    os.mkfifo(stage.folder / "pipe")
    run = stage.start("many", f"exec cat {stage.folder}/pipe", 1)
    stage.until(lambda: run.count("deferred") == TASKS, "all to wait", seconds=THROUGH_WORKERS, every=2)
    stage.until(lambda: all(one["started"] for one in stage.platform.all_sessions()), "all sessions to run")

    cost_what_one_would(stage)
    lose_the_token(stage)
    assert run.count("deferred") == TASKS
    lose_the_platform(stage)
    end_unseen(stage)
    assert run.count("deferred") == TASKS
    stage.platform.clear_faults()

    stage.until(
        lambda: run.state in RUN_ENDS, "the end of the run", seconds=NEXT_LOOK + THROUGH_WORKERS, every=2
    )
    judge(stage, run)


def cost_what_one_would(stage: Stage) -> None:
    """See that eleven looks take ten intervals, and that nothing else is asked for."""
    began = time.monotonic()
    stage.platform.forget_requests()
    stage.until_requested(LOOK, 11)
    assert time.monotonic() - began >= 10 * INTERVAL
    assert set(stage.platform.requests()) == {LOOK}


def lose_the_token(stage: Stage) -> None:
    """End the token, and see that one login is enough for all, and that the looks go on."""
    stage.platform.forget_requests()
    stage.platform.rotate_token()
    stage.until_requested(LOGIN)
    subscription = stage.platform.requests()[LOOK]
    stage.until_requested(LOOK, subscription + 3)
    asked = stage.platform.requests()
    assert (set(asked), asked[LOGIN]) == ({LOOK, LOGIN}, 1)


def lose_the_platform(stage: Stage) -> None:
    """Let it be busy, then let nobody listen there, then let it hang."""
    stage.platform.forget_requests()
    stage.platform.faults(outage={"mode": "busy"})
    stage.until_requested(LOOK, 4)
    refused = time.monotonic()
    stage.platform.faults(outage={"mode": "refuse", "seconds": REFUSES_FOR})
    stage.until(lambda: time.monotonic() >= refused + REFUSES_FOR, "nobody to listen for a while")

    def hangs() -> bool:
        try:
            stage.platform.faults(outage={"mode": "hang"})
        except httpx.TransportError:
            return False
        return True

    stage.until(hangs, "somebody to listen again", every=0.05)
    stage.platform.forget_requests()
    stage.until_requested(LOOK)


def end_unseen(stage: Stage) -> None:
    """End all sessions while the platform says nothing, and let the look that hangs be given up."""
    hung = time.monotonic()
    pipe = os.open(stage.folder / "pipe", os.O_RDWR)
    os.close(pipe)
    stage.until(lambda: not stage.platform.live(), "all sessions to end")
    stage.until(lambda: time.monotonic() >= hung + GIVEN_UP_AFTER + 1, "the look to be given up")


def judge(stage: Stage, run: Run) -> None:
    """See that all have succeeded, by one session each, and that each was told of one outage."""
    created = Counter(session["name"].rsplit("-", 4)[0] for session in stage.platform.all_sessions())
    live = len(stage.platform.live())
    seconds = time.monotonic() - stage.began
    stage.report(Row(stage.name, Counter(created.values()), live, run.state, seconds))
    assert (run.state, run.count("success"), live) == ("success", TASKS, 0)
    assert created == Counter(f"many-{number}" for number in range(TASKS))
    for index in (0, TASKS // 2, TASKS - 1):
        told = [line for line in run.log(TASK, 1, index) if line.startswith("The platform")]
        assert len(told) == 2, told
        assert "is not responding" in told[0]
        assert "responding again" in told[1]
