"""The cache of listed sessions: what to query, how a list is parsed, and what has changed."""

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
from airflow_provider_canfar.skaha.polling import session_cache
from airflow_provider_canfar.skaha.polling.session_cache import (
    FULL_LIST,
    FULL_LIST_INTERVAL,
    URGENT_FULL_LIST_INTERVAL,
    SessionCache,
    parse_list,
)

KEYS = ["k3v5x2qamd", "m0d4tt7zzz".replace("0", "2")]


def response(sessions: Any) -> ApiResponse:
    body = sessions if isinstance(sessions, bytes) else json.dumps(sessions, indent=2).encode()
    return ApiResponse("GET", "session", "https://skaha.test/skaha/v1", 200, {}, body)


def described(session_id: str, status: str = "Running", **more: Any) -> dict[str, Any]:
    standard = {"id": session_id, "name": f"name-of-{session_id}", "type": "headless", "status": status}
    return standard | more


def update(
    cache: SessionCache, *sessions: dict[str, Any], at: float = 0.0, status: str | None = None
) -> set[str]:
    """Add a list of these, and return the ids of those that are new or have changed."""
    result = cache.parser(status)(response(list(sessions)))
    cache.update(result, at)
    return set(result.changed)


# Parsing.


def test_a_recorded_list_is_parsed_into_the_same_fields_as_the_whole_model(sample: Any) -> None:
    sessions = [
        json.loads(sample(f"session_{name}.json")) for name in ("running", "pending", "notebook", "legacy")
    ]
    cache = SessionCache()
    update(cache, *sessions)
    for session in sessions:
        full = Session.model_validate(session)
        cached = cache.session(full.id)
        for field in (
            "id", "name", "kind", "status", "status_word", "start_time", "expiry_time", "connect_url"
        ):  # fmt: skip
            assert getattr(cached, field) == getattr(full, field)


def test_an_unchanged_list_is_not_parsed_again() -> None:
    first = parse_list(None, response([described("a")]))
    broken = response(b"not even JSON")
    assert parse_list(None, response([described("a")]), known_digest=first.digest).rows is None
    with pytest.raises(ServerError):
        parse_list(None, broken, known_digest=first.digest)


@pytest.mark.parametrize("body", [b"", b"[", b'{"id": "a"}', b'["a"]', b"[1]", b"null", b"<html></html>"])
def test_anything_but_a_list_of_sessions_is_a_server_error(body: bytes) -> None:
    with pytest.raises(ServerError):
        parse_list(None, response(body))


def test_omitted_fields_are_not_an_error() -> None:
    cache = SessionCache()
    update(cache, {"id": "a"}, {"status": "Running"}, described("b", startTime=None))
    assert cache.rows.keys() == {"a", "b"}
    assert cache.session("a").kind == ""
    assert cache.session("b").kind is Kind.HEADLESS


# Changes.


def test_only_new_and_changed_sessions_are_reported() -> None:
    cache = SessionCache()
    assert update(cache, described("a"), described("b")) == {"a", "b"}
    assert update(cache, described("a"), described("b", "Completed")) == {"b"}
    assert update(cache, described("a", cpuCoresInUse="0.9"), described("b", "Completed")) == set()
    assert update(cache, described("b", "Completed"), described("a", "Failed"), status="Failed") == {"a"}
    assert cache.session("a").status_word == "Failed"


def test_sessions_that_have_not_ended_are_ignored_in_a_list_of_ended_ones() -> None:
    """Some servers ignore the status in the query."""
    cache = SessionCache()
    update(cache, described("a"))
    assert update(cache, described("a", "Pending"), described("b"), status="Completed") == set()
    assert cache.session("a").status_word == "Running"


def test_a_session_that_a_full_list_omits_is_missing_unless_it_has_ended_or_is_unknown() -> None:
    cache = SessionCache()
    wanted = dict.fromkeys(["runs", "ended", "vanished", "unknown", "new"])
    update(cache, *map(described, ["runs", "ended", "vanished", "unknown"]))
    update(cache, described("ended", "Completed"), status="Completed")
    update(cache, described("runs"))
    assert cache.missing(wanted.keys(), {"unknown"}) == {"vanished", "new"}


def test_ended_sessions_that_no_subscription_wants_are_forgotten_with_the_platform() -> None:
    cache = SessionCache()
    update(cache, *(described(one, "Failed") for one in "abc"))
    update(cache, described("c", "Failed"))
    cache.forget_ended({"a": None}.keys())
    assert cache.ended == {"a", "c"}


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
def test_after_any_lists_each_session_is_found_by_its_key(
    lists: list[dict[str, tuple[str, str]]],
) -> None:
    cache, names = SessionCache(), dict[str, str]()
    for rows in lists:
        # A session never changes its name.
        names = {one: names.get(one, name) for one, (name, _) in rows.items()}
        before = {one: row.status for one, row in cache.rows.items()}
        changed = update(
            cache, *(described(one, status, name=names[one]) for one, (_, status) in rows.items())
        )
        assert changed == {one for one, (_, status) in rows.items() if before.get(one) != status}
        expected = defaultdict(set)
        for session_id, name in names.items():
            if parsed := SessionName.parse(name):
                expected[parsed.key].add(session_id)
        assert cache.by_key == expected


# One session, listed several times: servers before 1.0.0 list pods.


@pytest.mark.parametrize("statuses", [("Terminating", "Running"), ("Running", "Terminating")])
def test_of_several_rows_of_one_session_the_live_one_counts(statuses: tuple[str, str]) -> None:
    cache = SessionCache()
    assert update(cache, *(described("a", status) for status in statuses)) == {"a"}
    assert cache.session("a").status_word == "Running"
    assert update(cache, *(described("a", status) for status in reversed(statuses))) == set()


def test_a_list_of_ended_sessions_does_not_end_a_session_that_has_a_live_row() -> None:
    cache = SessionCache()
    update(cache, described("a", "Completed"), described("a"), described("b"))
    ended = [described("a", "Completed"), described("b", "Completed")]
    assert update(cache, *ended, status="Completed") == {"b"}
    assert cache.session("a").status_word == "Running"
    update(cache, *ended)
    assert cache.session("a").status_word == "Completed"
    assert update(cache, described("a", "Failed"), status="Failed") == {"a"}


# Queries.


def test_a_small_account_gets_a_full_list_each_time() -> None:
    cache = SessionCache()
    for at in range(5):
        assert cache.query(float(at), urgent=False) == FULL_LIST
        update(cache, described("a"), at=float(at))


def test_a_large_account_gets_lists_of_ended_sessions_and_a_full_list_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_cache, "LARGE_LIST_BYTES", 10)
    cache = SessionCache()
    assert cache.query(0.0, urgent=False) == FULL_LIST
    update(cache, described("a"))
    assert cache.query(FULL_LIST_INTERVAL - 1, urgent=False) == ("Completed", "Failed")
    assert cache.query(FULL_LIST_INTERVAL, urgent=False) == FULL_LIST
    assert cache.query(URGENT_FULL_LIST_INTERVAL - 1, urgent=True) == ("Completed", "Failed")
    assert cache.query(URGENT_FULL_LIST_INTERVAL, urgent=True) == FULL_LIST


@pytest.mark.parametrize(
    ("word", "query"),
    [
        ("Succeeded", ("Succeeded", "Failed")),
        ("Error", ("Completed", "Error")),
        ("Failed (BackoffLimitExceeded)", ("Completed", "Failed (BackoffLimitExceeded)")),
    ],
)
def test_the_query_uses_an_older_servers_own_words(
    monkeypatch: pytest.MonkeyPatch, word: str, query: tuple[str, ...]
) -> None:
    monkeypatch.setattr(session_cache, "LARGE_LIST_BYTES", 10)
    cache = SessionCache()
    update(cache, described("a", word))
    assert cache.query(1.0, urgent=False) == query


def test_the_response_to_one_query_is_not_mistaken_for_that_to_another() -> None:
    cache = SessionCache()
    update(cache, described("a"))
    same = response([described("a")])
    assert cache.parser(None)(same).rows is None
    assert cache.parser("Completed")(same).rows == {}
