"""Two hundred tasks wait at once: with one poll, through the expiry of their token, and through an outage."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from dev.airflow_rest import RUN_END_STATES
from tests.reliability.results import Row
from tests.reliability.scenario import TASK, Scenario

if TYPE_CHECKING:
    from dev.airflow_rest import Run

TASKS = 200

#: Seconds between two polls, as in the DAG.
INTERVAL = 1.0

#: Seconds for Airflow's workers to run all tasks once; 100 on two idle cores.
WORKER_TIMEOUT = 900.0

#: Seconds for which the platform refuses connections: longer than the backoff between two polls is by then.
REFUSAL_TIME = 25.0

#: The connection's request timeout in seconds.
REQUEST_TIMEOUT = 5.0

#: Seconds until the next poll when the backoff is at its maximum.
MAX_BACKOFF = 75.0

POLL = "GET /session"
LOGIN = "POST /ac/login"
#: Each task reads the last lines of its running session once a minute.
LOG = "GET /session/{id}?view=logs"


@pytest.mark.timeout(2400)
def test_200_tasks_wait_through_an_expired_token_and_an_outage(scenario: Scenario) -> None:
    run = start_waiting(scenario)
    check_request_rate(scenario)
    expire_token(scenario)
    assert run.count("deferred") == TASKS
    interrupt_platform(scenario)
    end_sessions_during_outage(scenario)
    assert run.count("deferred") == TASKS
    scenario.platform.clear_faults()
    wait_until_ended(scenario, run)
    check_results(scenario, run)


def start_waiting(scenario: Scenario) -> Run:
    """Start a run, and return when all of its tasks are deferred and their sessions run."""
    scenario.log_in(timeout=REQUEST_TIMEOUT)
    # Opening a named pipe for reading blocks, without using CPU, until another process opens it for writing.
    os.mkfifo(scenario.folder / "pipe")
    run = scenario.start("many", f"exec cat {scenario.folder}/pipe", 1)
    scenario.wait_until(
        lambda: run.count("deferred") == TASKS, "all tasks to be deferred", timeout=WORKER_TIMEOUT, interval=2
    )
    scenario.wait_until(
        lambda: all(one["started"] for one in scenario.platform.all_sessions()), "all sessions to run"
    )
    return run


def wait_until_ended(scenario: Scenario, run: Run) -> None:
    """Wait until all tasks have resumed, and with them the run has ended."""
    scenario.wait_until(
        lambda: run.state in RUN_END_STATES,
        "the end of the run",
        timeout=MAX_BACKOFF + WORKER_TIMEOUT,
        interval=2,
    )


def check_request_rate(scenario: Scenario) -> None:
    """Check that eleven polls take ten intervals, and that no log is read twice meanwhile."""
    began = time.monotonic()
    scenario.platform.forget_requests()
    scenario.wait_until_requested(POLL, 11)
    assert time.monotonic() - began >= 10 * INTERVAL
    requests = scenario.platform.requests()
    assert set(requests) <= {POLL, LOG}
    assert requests.get(LOG, 0) <= TASKS


def expire_token(scenario: Scenario) -> None:
    """Invalidate the token, and check that one login suffices for all tasks and polling continues."""
    scenario.platform.forget_requests()
    scenario.platform.rotate_token()
    scenario.wait_until_requested(LOGIN)
    # The first request with the old token may be for a log.
    polls = scenario.platform.requests().get(POLL, 0)
    scenario.wait_until_requested(POLL, polls + 3)
    requests = scenario.platform.requests()
    assert (set(requests) - {LOG}, requests[LOGIN]) == ({POLL, LOGIN}, 1)


def interrupt_platform(scenario: Scenario) -> None:
    """Make the platform busy, then refuse connections, then hang."""
    scenario.platform.forget_requests()
    scenario.platform.faults(outage={"mode": "busy"})
    scenario.wait_until_requested(POLL, 4)
    refused = time.monotonic()
    scenario.platform.faults(outage={"mode": "refuse", "seconds": REFUSAL_TIME})
    scenario.wait_until(
        lambda: time.monotonic() >= refused + REFUSAL_TIME, "the platform to refuse connections for a while"
    )

    def hangs() -> bool:
        try:
            scenario.platform.faults(outage={"mode": "hang"})
        except httpx.TransportError:
            return False
        return True

    scenario.wait_until(hangs, "the platform to accept connections again", interval=0.05)
    scenario.platform.forget_requests()
    scenario.wait_until_requested(POLL)


def end_sessions_during_outage(scenario: Scenario) -> None:
    """End all sessions while the platform hangs, and wait until the hanging poll times out."""
    hung = time.monotonic()
    pipe = os.open(scenario.folder / "pipe", os.O_RDWR)
    os.close(pipe)
    scenario.wait_until(lambda: not scenario.platform.live(), "all sessions to end")
    scenario.wait_until(lambda: time.monotonic() >= hung + REQUEST_TIMEOUT + 1, "the poll to time out")


def check_results(scenario: Scenario, run: Run) -> None:
    """Check that all tasks have succeeded with one session each, and have logged the outage once."""
    created = Counter(session["name"].rsplit("-", 4)[0] for session in scenario.platform.all_sessions())
    live = len(scenario.platform.live())
    seconds = time.monotonic() - scenario.began
    scenario.report(Row(scenario.name, Counter(created.values()), live, run.state, seconds))
    assert (run.state, run.count("success"), live) == ("success", TASKS, 0)
    assert created == Counter(f"many-{number}" for number in range(TASKS))
    for index in (0, TASKS // 2, TASKS - 1):
        outage = [line for line in run.log(TASK, 1, index) if line.startswith("The platform")]
        assert len(outage) == 2, outage
        assert "is not responding" in outage[0]
        assert "responding again" in outage[1]
