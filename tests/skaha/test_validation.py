"""What the platform takes, and what it would refuse, drop or mangle."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha import validation as rules
from airflow_provider_canfar.skaha.errors import SpecError


@given(st.from_regex(r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", fullmatch=True))
def test_a_name_of_the_servers_alphabet_is_kept_in_lower_case(name: str) -> None:
    assert rules.session_name(name) == name.lower()


@given(st.text(max_size=70))
def test_what_is_taken_as_a_name_the_server_takes_too(name: str) -> None:
    """The server's own rule, and Kubernetes' for the host name that is made of it."""
    try:
        taken = rules.host_name(rules.session_name(name))
    except SpecError:
        return
    assert re.fullmatch(r"[A-Za-z0-9\-]+", name)
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", taken)
    assert taken not in {"y", "n"}


@pytest.mark.parametrize("name", ["my_stars", "7th", "-a", "a-", "a.b", "a b", "", "étoile", "a\n", "___"])
def test_a_refused_name_comes_with_one_that_is_taken(name: str) -> None:
    with pytest.raises(SpecError, match="Try") as refusal:
        rules.session_name(name)
    offered = re.findall(r"Try '([^']*)'", str(refusal.value))
    assert [rules.session_name(one) for one in offered] == offered
    assert repr(name) in str(refusal.value)


@pytest.mark.parametrize("name", ["y", "n", "a" * 64])
def test_a_name_that_kubernetes_would_not_start_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=name):
        rules.host_name(name)


@pytest.mark.parametrize(
    "image",
    [
        "astroml",
        "astroml:24.07",
        "a/b/c/d",
        "images.canfar.net/astroml:1",
        "Skaha/astroml",
        "a/b:",
        "a/b c",
        "",
        "/b",
    ],
)
def test_an_image_without_project_or_tag_rule_is_refused_with_an_example(image: str) -> None:
    with pytest.raises(SpecError, match=r"images\.canfar\.net/skaha/astroml:24\.07"):
        rules.image_reference(image)


def test_numbers_of_an_environment_are_written_as_python_does() -> None:
    assert rules.environment({"TILE": 7, "SEEING": 0.8, "BAND": "r"}) == {
        "TILE": "7",
        "SEEING": "0.8",
        "BAND": "r",
    }


@pytest.mark.parametrize(
    "env", [{"REPLICA_ID": "1"}, {"REPLICA_COUNT": "1"}, {"A": True}, {"A": None}, {"A": ["x"]}, {7: "x"}]
)
def test_a_variable_that_would_not_arrive_is_refused_by_its_name(env: dict[object, object]) -> None:
    with pytest.raises(SpecError, match=str(next(iter(env)))):
        rules.environment(env)


@pytest.mark.parametrize("session_id", ["", ".", "..", "a/b", "a?b", "../context", "a b", "é", "{'id': 'a'}"])
def test_what_is_no_id_never_becomes_part_of_a_path(session_id: str) -> None:
    """An empty id would ask for the list of all, or for any session; some pass what fetch() lists."""
    with pytest.raises(SpecError, match="is refused"):
        rules.session_id(session_id)
