"""Choosing sessions: which are selected, and which selections are invalid."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.models import Kind, Session, Status
from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.skaha.polling.session_cache import Row
from airflow_provider_canfar.skaha.selection import Selection, session_ids, words

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC).timestamp()

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
IDS = st.from_regex(r"[a-z][a-z0-9]{7}", fullmatch=True)


def session(name: str = "survey-1", **fields: Any) -> Session:
    """Return a session as the platform reports it."""
    standard = {"id": "k3v9x2qa", "name": name, "type": "headless", "status": "Running"}
    return Session.model_validate(standard | fields)


def row(name: str = "survey-1", startTime: str = "") -> Row:  # noqa: N803 - as the server writes it
    """Return a session as a poll keeps it."""
    return Row("k3v9x2qa", name, "headless", "Running", startTime, "", "")


def chosen(selection: Selection, *sessions: Session) -> list[str]:
    return [one.name for one in selection.choose(sessions, NOW)]


def test_a_prefix_is_literal() -> None:
    assert chosen(Selection(prefix="a-"), session("a-1"), session("ab1"), session("b-a-1")) == ["a-1"]


@pytest.mark.parametrize("write", [session, row])
def test_only_sessions_that_start_after_a_moment_are_chosen(write: Callable[..., Any]) -> None:
    """One that has not started yet will."""
    selection = Selection(prefix="survey-", started_after=NOW)
    for started, is_chosen in (
        ("2026-03-04T11:59:59Z", False),
        ("2026-03-04T12:00:00Z", True),
        ("2026-03-04T12:00:01+00:00", True),
        ("", True),
    ):
        assert selection.matches(write(startTime=started)) is is_chosen
    assert not selection.matches(write("other", startTime="2026-03-05T12:00:00Z"))
    assert str(selection).endswith("start with 'survey-' that started after 2026-03-04 12:00:00 UTC")
    assert Selection.from_json(selection.to_json()) == selection


def test_a_regular_expression_is_searched_for_without_regard_to_case() -> None:
    assert chosen(Selection(regex="^A.1$"), session("a-1"), session("a-12")) == ["a-1"]


def test_ids_select_themselves_and_no_ids_select_none() -> None:
    first, second = session("a", id="k3v9x2qa"), session("b", id="m0d4tt7z")
    assert chosen(Selection(ids=("m0d4tt7z",)), first, second) == ["b"]
    assert chosen(Selection(ids=()), first, second) == []


def test_keys_select_the_sessions_of_a_task() -> None:
    name = str(Identity("stars", "k3v5x2qamd", 2).name(7, 3))
    assert chosen(Selection(keys=("k3v5x2qamd",)), session(name), session("stars")) == [name]
    assert chosen(Selection(keys=()), session(name)) == []


def test_all_criteria_must_hold() -> None:
    selection = Selection(prefix="a", kinds=("notebook", "carta"), statuses=("Error",))
    good = session("a-good", type="carta", status="Failed")
    others = [
        session("b", type="carta", status="Failed"),
        session("a-headless", status="Failed"),
        session("a-alive", type="carta"),
    ]
    assert chosen(selection, good, *others) == ["a-good"]


def test_the_age_of_a_session_counts_from_its_start() -> None:
    selection = Selection(older_than=3600)
    old = session("old", startTime="2026-03-04T11:00:00Z")
    young = session("young", startTime="2026-03-04T11:00:01Z")
    assert chosen(selection, old, young, session("pending")) == ["old"]


def test_no_selection_includes_an_unknown_status() -> None:
    assert chosen(Selection(statuses=tuple(set(Status) - {Status.UNKNOWN})), session(status="Frozen")) == []


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(kinds=("headless",), statuses=("Failed",), older_than=60),
        Selection(prefix=""),
        *(
            Selection(regex=regex)
            for regex in [
                "",
                "^",
                "$",
                ".",
                ".*",
                ".+",
                "[a-z]",
                "^[a-z][a-z0-9-]*$",
                r"\w",
                "^.{8,}",
                "-",
                "[0-9]",
                "-[0-9]+$",
                "-[0-9]+-[0-9]+$",
            ]
        ),
    ],
)
def test_a_selection_of_every_session_is_refused_with_the_reason(selection: Selection) -> None:
    assert selection.reason_to_refuse()


@pytest.mark.parametrize(
    "selection",
    [
        Selection(prefix="a"),
        Selection(regex="survey|pilot"),
        Selection(regex="stars-.*-[0-9]+$"),
        Selection(regex="^[a-m]"),
        Selection(ids=()),
        Selection(keys=()),
    ],
)
def test_a_selection_that_depends_on_the_name_is_accepted(selection: Selection) -> None:
    assert selection.reason_to_refuse() is None


@given(NAMES, NAMES)
def test_a_prefix_selects_the_names_that_start_with_it(prefix: str, name: str) -> None:
    selection = Selection(prefix=prefix)
    assert selection.reason_to_refuse() is None
    assert chosen(selection, session(name)) == ([name] if name.startswith(prefix) else [])


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), NAMES)
def test_a_regular_expression_of_names_selects_only_them(wanted: list[str], name: str) -> None:
    selection = Selection(regex=f"^({'|'.join(map(re.escape, wanted))})$")
    assert selection.reason_to_refuse() is None
    assert chosen(selection, session(name)) == ([name] if name in wanted else [])


@given(st.lists(IDS, max_size=5, unique=True))
def test_ids_are_parsed_in_any_form(ids: list[str]) -> None:
    wanted = tuple(ids)
    assert session_ids(ids) == wanted
    assert session_ids(str(ids)) == wanted
    assert session_ids(" , ".join(ids)) == wanted
    rows = [{"replica": number, "session_id": one} for number, one in enumerate(ids)]
    assert session_ids(rows) == wanted
    assert session_ids(str(rows)) == wanted
    assert session_ids([rows, rows]) == wanted


@pytest.mark.parametrize("value", [[None], [7], [{"id": "k3v9x2qa"}], "[oops", 7, [["k3v9x2qa", 7]]])
def test_an_invalid_id_is_rejected(value: Any) -> None:
    with pytest.raises(SpecError, match="Invalid"):
        session_ids(value)


def test_an_empty_list_of_ids_is_not_the_same_as_no_list() -> None:
    assert session_ids(None) is None
    assert session_ids("") == ()


@given(
    st.builds(
        Selection,
        prefix=st.none() | NAMES,
        kinds=st.lists(st.sampled_from([kind.value for kind in Kind]), max_size=2).map(tuple),
        statuses=st.lists(st.sampled_from(["Completed", "Error", "Pending"]), max_size=2).map(tuple),
        older_than=st.none() | st.floats(0, 1e6),
    )
)
def test_a_selection_comes_back_from_json(selection: Selection) -> None:
    assert Selection.from_json(selection.to_json() | {"added_later": 1}) == selection


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prefix": "a", "regex": "a"}, "must use only one of them"),
        ({"ids": ("a b",)}, "session id 'a b'"),
        ({"prefix": "a_"}, "must have only letters, digits"),
        ({"regex": "("}, "regex"),
        ({"kinds": ("Notebook",)}, "kind 'Notebook'"),
        ({"statuses": ("Unknown",)}, "status 'Unknown'"),
        ({"older_than": -1.0}, "must be 0 or more"),
        ({"ids": ("k3v9x2qa",), "started_after": 0.0}, "started_after with ids"),
    ],
)
def test_an_invalid_selection_is_rejected_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=re.escape(reason)):
        Selection(**fields)


@pytest.mark.parametrize(
    ("selection", "text"),
    [
        (Selection(), "all sessions"),
        (Selection(ids=("k3v9x2qa",)), "the sessions k3v9x2qa"),
        (Selection(ids=()), "the sessions (none)"),
        (Selection(keys=("a", "b")), "the sessions of 2 task instances"),
        (Selection(regex="x"), "the sessions whose names match 'x'"),
        (
            Selection(prefix="a", kinds=("carta",), statuses=("Failed",), older_than=60),
            "the sessions whose names start with 'a' of kind carta that are Failed and older than 60 s",
        ),
    ],
)
def test_a_selection_describes_itself(selection: Selection, text: str) -> None:
    assert str(selection) == text


def test_one_word_is_not_its_letters() -> None:
    assert words("carta") == ("carta",)
    assert words(iter(string.ascii_lowercase[:2])) == ("a", "b")


def test_a_session_stands_for_its_id() -> None:
    first, second = Session(id="k3v9x2qa"), Session(id="m0d4tt7z")
    assert session_ids(first) == ("k3v9x2qa",)
    assert session_ids([first, "z1x7c3vb", [second]]) == ("k3v9x2qa", "z1x7c3vb", "m0d4tt7z")
