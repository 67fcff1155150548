"""What the platform accepts, and what it would reject, drop or mangle."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.kubectl import JobRejectedError, check_hostname
from airflow_provider_canfar.skaha import validation
from airflow_provider_canfar.skaha.errors import SpecError


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", fullmatch=True))
def test_a_name_in_the_servers_alphabet_is_kept_in_lower_case(name: str) -> None:
    assert validation.session_name(name) == name.lower()


@given(st.text(max_size=70))
def test_the_server_accepts_every_name_that_we_accept(name: str) -> None:
    """The server's own rule, and Kubernetes' for the host name that is made of it."""
    try:
        accepted = validation.host_name(validation.session_name(name))
    except SpecError:
        return
    assert re.fullmatch(r"[A-Za-z0-9\-]+", name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", accepted)
    check_hostname(accepted)


NAMES = st.text("01789abeoxyn-", min_size=1, max_size=6) | st.text(
    "0123456789abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=64
)


@given(NAMES)
def test_we_refuse_no_name_that_the_platform_can_start(name: str) -> None:
    """Its rule is that of the server, and what kubectl makes of the YAML: not a stricter one of ours."""
    try:
        check_hostname(name)
    except JobRejectedError:
        with pytest.raises(SpecError):
            validation.host_name(validation.session_name(name))
    else:
        assert validation.host_name(validation.session_name(name)) == name


@pytest.mark.parametrize("name", ["3c273", "2mass", "47tuc", "2026", "1e3", "007", "0x1f", "2026-03-04", "7"])
def test_a_name_may_begin_with_a_digit(name: str) -> None:
    check_hostname(name)
    assert validation.host_name(validation.session_name(name)) == name


@pytest.mark.parametrize("name", ["my_stars", "-7", "-a", "a-", "a.b", "a b", "", "étoile", "a\n", "___"])
def test_a_rejected_name_comes_with_a_valid_one(name: str) -> None:
    with pytest.raises(SpecError, match="Try") as rejection:
        validation.session_name(name)
    offered = re.findall(r"Try '([^']*)'", str(rejection.value))
    assert [validation.session_name(one) for one in offered] == offered
    assert repr(name) in str(rejection.value)


@pytest.mark.parametrize("name", ["y", "n", "0o17", "0b-1", "a" * 64])
def test_a_name_that_kubernetes_would_not_start_is_rejected(name: str) -> None:
    with pytest.raises(SpecError, match=name):
        validation.host_name(name)


@given(st.text(max_size=40), st.sampled_from(["session", "task"]))
def test_a_slug_of_any_text_is_a_valid_name(text: str, prefix: str) -> None:
    slug = validation.slug(text, prefix)
    assert validation.session_name(slug) == slug


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
def test_an_incomplete_or_misspelt_image_is_rejected_with_an_example(image: str) -> None:
    with pytest.raises(SpecError, match=r"images\.canfar\.net/skaha/astroml:24\.07"):
        validation.image_reference(image)


def test_numbers_in_an_environment_are_written_as_python_does() -> None:
    assert validation.environment({"TILE": 7, "SEEING": 0.8, "BAND": "r"}) == {
        "TILE": "7",
        "SEEING": "0.8",
        "BAND": "r",
    }


@pytest.mark.parametrize(
    "env", [{"REPLICA_ID": "1"}, {"REPLICA_COUNT": "1"}, {"A": True}, {"A": None}, {"A": ["x"]}, {7: "x"}]
)
def test_a_variable_that_would_not_arrive_is_rejected_by_its_name(env: dict[object, object]) -> None:
    with pytest.raises(SpecError, match=str(next(iter(env)))):
        validation.environment(env)


@pytest.mark.parametrize("session_id", ["", ".", "..", "a/b", "a?b", "../context", "a b", "é", "{'id': 'a'}"])
def test_an_invalid_id_never_becomes_part_of_a_path(session_id: str) -> None:
    """An empty id would request the list, or an arbitrary session; some pass what fetch() lists."""
    with pytest.raises(SpecError, match="Invalid session id"):
        validation.session_id(session_id)
