"""What lists show: what is asked, what is read of an answer, and what of it is news."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import ServerError
from airflow_provider_canfar.skaha.http.response import ApiResponse
from airflow_provider_canfar.skaha.models import Kind, Session
from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.skaha.polling import session_cache as listing_module
from airflow_provider_canfar.skaha.polling.session_cache import (
    FULL_LIST,
    WHOLE_EVERY,
    WHOLE_SOON,
    SessionCache,
    read,
)

KEYS = ["k3v5x2qamd", "m0d4tt7zzz".replace("0", "2")]


def answer(sessions: Any) -> ApiResponse:
    body = sessions if isinstance(sessions, bytes) else json.dumps(sessions, indent=2).encode()
    return ApiResponse("GET", "session", "https://skaha.test/skaha/v1", 200, {}, body)


def described(session_id: str, status: str = "Running", **more: Any) -> dict[str, Any]:
    standard = {"id": session_id, "name": f"name-of-{session_id}", "type": "headless", "status": status}
    return standard | more


def shows(
    listing: SessionCache, *sessions: dict[str, Any], at: float = 0.0, question: str | None = None
) -> set[str]:
    """Let a list show these, and return the ids of those that are news."""
    reading = listing.reader(question)(answer(list(sessions)))
    listing.take(reading, at)
    return set(reading.news)


# What is read.


def test_of_a_recorded_list_the_same_is_read_as_the_whole_model_has(sample: Any) -> None:
    sessions = [
        json.loads(sample(f"session_{name}.json")) for name in ("running", "pending", "notebook", "legacy")
    ]
    listing = SessionCache()
    shows(listing, *sessions)
    for session in sessions:
        full = Session.model_validate(session)
        seen = listing.session(full.id)
        for field in (
            "id", "name", "kind", "status", "status_word", "start_time", "expiry_time", "connect_url"
        ):  # fmt: skip
            assert getattr(seen, field) == getattr(full, field)


def test_a_list_that_is_known_is_not_parsed() -> None:
    first = read(None, answer([described("a")]))
    broken = answer(b"not even JSON")
    assert read(None, answer([described("a")]), known=first.digest).rows is None
    with pytest.raises(ServerError):
        read(None, broken, known=first.digest)


@pytest.mark.parametrize(
    "body", [b"", b"[", b'{"id": "a"}', b'["a"]', b"[1]", b"null", b"<html></html>", b'[{"id": ["a"]}]']
)
def test_what_is_no_list_of_sessions_is_a_fault_of_the_server(body: bytes) -> None:
    with pytest.raises(ServerError):
        read(None, answer(body))


def test_what_a_server_leaves_out_is_no_fault() -> None:
    listing = SessionCache()
    shows(listing, {"id": "a"}, {"status": "Running"}, described("b", startTime=None))
    assert listing.rows.keys() == {"a", "b"}
    assert listing.session("a").kind == ""
    assert listing.session("b").kind is Kind.HEADLESS


# What is news.


def test_only_what_has_changed_is_news() -> None:
    listing = SessionCache()
    assert shows(listing, described("a"), described("b")) == {"a", "b"}
    assert shows(listing, described("a"), described("b", "Completed")) == {"b"}
    assert shows(listing, described("a", cpuCoresInUse="0.9"), described("b", "Completed")) == set()
    assert shows(listing, described("b", "Completed"), described("a", "Failed"), question="Failed") == {"a"}
    assert listing.session("a").status_word == "Failed"


def test_of_ended_sessions_a_server_may_list_others_too() -> None:
    """One that takes no notice of the question."""
    listing = SessionCache()
    shows(listing, described("a"))
    assert shows(listing, described("a", "Pending"), described("b"), question="Completed") == set()
    assert listing.session("a").status_word == "Running"


def test_what_a_whole_list_omits_is_missing_unless_it_has_ended_or_is_unknown() -> None:
    listing = SessionCache()
    wanted = dict.fromkeys(["runs", "ended", "vanished", "unknown", "new"])
    shows(listing, *map(described, ["runs", "ended", "vanished", "unknown"]))
    shows(listing, described("ended", "Completed"), question="Completed")
    shows(listing, described("runs"))
    assert listing.missing(wanted.keys(), {"unknown"}) == {"vanished", "new"}


def test_ends_that_nobody_waits_for_are_forgotten_with_the_platform() -> None:
    listing = SessionCache()
    shows(listing, *(described(one, "Failed") for one in "abc"))
    shows(listing, described("c", "Failed"))
    listing.forget({"a": None}.keys())
    assert listing.ended == {"a", "c"}


NAMES = st.one_of(
    st.sampled_from(["my-notebook", "stars-k3v5x2qamd-0-1"]),
    st.builds(
        SessionName, st.just("stars"), st.sampled_from(KEYS), st.just(0), st.integers(0, 9), st.just(1)
    ).map(str),
)
LISTS = st.lists(
    st.dictionaries(
        st.sampled_from("abcdefgh"), st.tuples(NAMES, st.sampled_from(["Pending", "Running", "Completed"]))
    ),
    max_size=6,
)


@given(LISTS)
def test_whatever_lists_show_each_session_is_found_by_its_key(
    lists: list[dict[str, tuple[str, str]]],
) -> None:
    listing, names = SessionCache(), dict[str, str]()
    for rows in lists:
        # A session never changes its name.
        names = {one: names.get(one, name) for one, (name, _) in rows.items()}
        before = {one: row.status for one, row in listing.rows.items()}
        news = shows(listing, *(described(one, status, name=names[one]) for one, (_, status) in rows.items()))
        assert news == {one for one, (_, status) in rows.items() if before.get(one) != status}
        expected = defaultdict(set)
        for session_id, name in names.items():
            if parsed := SessionName.parse(name):
                expected[parsed.key].add(session_id)
        assert listing.by_key == expected


# What is asked.


def test_a_small_account_is_asked_for_all_sessions_each_time() -> None:
    listing = SessionCache()
    for at in range(5):
        assert listing.questions(float(at), urgent=False) == FULL_LIST
        shows(listing, described("a"), at=float(at))


def test_a_large_account_is_asked_for_ended_ones_and_now_and_then_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing_module, "LARGE_LIST", 10)
    listing = SessionCache()
    assert listing.questions(0.0, urgent=False) == FULL_LIST
    shows(listing, described("a"))
    assert listing.questions(WHOLE_EVERY - 1, urgent=False) == ("Completed", "Failed")
    assert listing.questions(WHOLE_EVERY, urgent=False) == FULL_LIST
    assert listing.questions(WHOLE_SOON - 1, urgent=True) == ("Completed", "Failed")
    assert listing.questions(WHOLE_SOON, urgent=True) == FULL_LIST


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("Succeeded", ("Succeeded", "Failed")),
        ("Error", ("Completed", "Error")),
        ("Failed (BackoffLimitExceeded)", ("Completed", "Failed (BackoffLimitExceeded)")),
    ],
)
def test_an_older_server_is_asked_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, word: str, asked: tuple[str, ...]
) -> None:
    monkeypatch.setattr(listing_module, "LARGE_LIST", 10)
    listing = SessionCache()
    shows(listing, described("a", word))
    assert listing.questions(1.0, urgent=False) == asked


def test_the_answer_to_one_question_is_not_taken_for_that_to_another() -> None:
    listing = SessionCache()
    shows(listing, described("a"))
    same = answer([described("a")])
    assert listing.reader(None)(same).rows is None
    assert listing.reader("Completed")(same).rows == {}
