"""What sessions have used, beside what they asked for."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.skaha.polling.usage import Usage
from airflow_provider_canfar.task_sessions.batch import Outcome
from airflow_provider_canfar.task_sessions.usage_report import (
    GIB,
    SAMPLES,
    Resources,
    advice,
    beside_asked,
    out_of_memory,
    used_of,
)


def outcome(
    ram: float | None = None,
    cores: float | None = None,
    *,
    asked: Resources = Resources(16, 16),  # noqa: B008 - it is immutable
    samples: int = SAMPLES,
    succeeded: bool = True,
) -> Outcome:
    """Return an outcome with usage; RAM in the unit in which it is asked for."""
    reported = None if ram is None else ram * GIB
    usage = beside_asked(Usage(reported, reported, cores, samples, 20), asked)
    status = "Completed" if succeeded else "Failed"
    return Outcome(1, "k3v9x2qa", "stars-1", status, succeeded, 1, usage=usage)


def test_a_failed_session_that_used_nearly_all_of_its_ram_was_probably_out_of_memory() -> None:
    assert out_of_memory(outcome(15.6, succeeded=False)) == (
        "Probably out of memory: at least 15.6 of 16 GB used 20 s before the end; the example more_ram.py "
        "tries again with more."
    )


@pytest.mark.parametrize(
    "ended",
    [
        outcome(15.6),  # It has succeeded.
        outcome(14.3, succeeded=False),
        outcome(None, 1.0, succeeded=False),
        outcome(15.6, asked=Resources(), succeeded=False),  # How much a flexible session may use is unknown.
        Outcome(1, "k3v9x2qa", "stars-1", "Failed", False, 1),
    ],
)
def test_where_nothing_points_to_memory_nothing_is_said(ended: Outcome) -> None:
    assert out_of_memory(ended) is None


def test_a_task_that_used_little_is_told_what_to_ask_for() -> None:
    cores, ram = advice([outcome(3.0, 0.2), outcome(2.0, 0.1)])
    assert cores == (
        "Of 16 cores for each session, no more than 0.2 was seen in use, in 2 sessions that were measured "
        "now and then: cores=1 may be enough."
    )
    assert ram.startswith("Of 16 GB of RAM for each session, no more than 3 was seen in use")
    assert ram.endswith("ram=5 may be enough.")


def test_of_one_session_advice_speaks_in_the_singular() -> None:
    cores, _ = advice([outcome(3.0, 0.2)])
    assert "was seen in use, in one session that was measured now and then: cores=1" in cores


@pytest.mark.parametrize(
    "outcomes",
    [
        [],
        [outcome(3.0, 0.2, samples=SAMPLES - 1)],  # Seen for a minute only.
        [outcome(3.0, 0.2), outcome(4.0, 4.0)],  # One of them used a quarter.
        [outcome(0.1, 0.1, asked=Resources())],
        [outcome(0.1, 0.1, asked=Resources(1, 1))],  # There is no less to ask for.
        [Outcome(1, "k3v9x2qa", "stars-1", "Completed", True, 1)],
    ],
)
def test_no_advice_is_given_that_may_be_wrong(outcomes: list[Outcome]) -> None:
    assert advice(outcomes) == []


def test_the_table_says_what_was_used_and_what_was_asked_for() -> None:
    assert (used_of(outcome(1.28, 0.982), "cores"), used_of(outcome(1.28, 0.982), "ram")) == (
        "0.982/16",
        "1.28/16",
    )
    assert used_of(outcome(1.28, asked=Resources()), "ram") == "1.28"
    assert used_of(outcome(), "ram") == "-"
