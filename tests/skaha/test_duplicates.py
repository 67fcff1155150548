"""One id is one session: of several rows, the live, later state counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.duplicates import first_of_each, one_per_id, precedence
from airflow_provider_canfar.skaha.models import Session

WORDS = [
    "Pending",
    "Running",
    "Terminating",
    "Completed",
    "Succeeded",
    "Failed",
    "Error",
    "Unknown",
    "Frozen",
]


def row(status: str, **more: Any) -> Session:
    return Session.model_validate({"id": "k3v9x2qa", "type": "headless", "status": status} | more)


@pytest.mark.parametrize(
    ("one", "other", "counts"),
    [
        ("Terminating", "Running", "Running"),
        ("Terminating", "Pending", "Pending"),
        ("Pending", "Running", "Running"),
        ("Completed", "Running", "Running"),
        ("Failed", "Pending", "Pending"),
        ("Completed", "Frozen", "Frozen"),
        ("Terminating", "Completed", "Completed"),
        ("Completed", "Failed", "Failed"),
    ],
)
def test_the_live_later_state_counts(one: str, other: str, counts: str) -> None:
    for rows in ([row(one), row(other)], [row(other), row(one)]):
        assert one_per_id(rows)["k3v9x2qa"].status_word == counts


def test_of_two_rows_with_one_status_the_later_start_counts() -> None:
    early, late = (row("Running", startTime=f"2026-03-0{day}T18:22:10Z") for day in (4, 5))
    assert one_per_id([late, early]) == one_per_id([early, late]) == {"k3v9x2qa": late}
    assert late.start_time == datetime(2026, 3, 5, 18, 22, 10, tzinfo=UTC)


def test_an_app_does_not_stand_for_its_desktop() -> None:
    desktop, app = row("Pending", type="desktop"), row("Running", type="desktop-app", appid="abc")
    assert one_per_id([app, desktop])["k3v9x2qa"] == desktop


@given(
    st.lists(
        st.builds(
            Session,
            id=st.sampled_from(["a1", "b2", "c3"]),
            kind=st.sampled_from(["headless", "desktop", "desktop-app"]),
            status=st.sampled_from(WORDS),
            start_time=st.none() | st.datetimes(timezones=st.just(UTC)),
        )
    ),
    st.randoms(),
)
def test_the_order_of_the_rows_does_not_matter(rows: list[Session], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    one, other = one_per_id(rows), one_per_id(shuffled)
    assert {key: precedence(value) for key, value in one.items()} == {
        key: precedence(value) for key, value in other.items()
    }
    for session in rows:
        assert precedence(one[session.id]) >= precedence(session)


def test_what_is_chosen_stands_where_its_first_row_stood() -> None:
    assert [*first_of_each(["a1", "b2", "a3"], lambda word: word[0], lambda word: word[1]).items()] == [
        ("a", "a3"),
        ("b", "b2"),
    ]
