"""Specs to requests, responses to models."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.errors import ServerError, SpecError
from airflow_provider_canfar.skaha.http.response import ApiResponse
from airflow_provider_canfar.skaha.models import SessionSpec

Sample = Callable[[str], bytes]


def response(body: bytes, **headers: str) -> ApiResponse:
    return ApiResponse("GET", "session", "https://skaha.test/skaha/v1", 200, headers, body)


def spec(**fields: object) -> SessionSpec:
    return SessionSpec(**({"name": "stars", "image": "skaha/astroml:24.07"} | fields))


def test_the_form_of_a_flexible_session_has_its_kind_and_no_resources() -> None:
    assert wire.create_form(spec(), 1) == [
        ("name", "stars"),
        ("image", "images.canfar.net/skaha/astroml:24.07"),
        ("type", "headless"),
        ("env", "REPLICA_ID=1"),
        ("env", "REPLICA_COUNT=1"),
    ]


def test_a_plain_command_is_sent_unchanged_with_the_replica_last() -> None:
    form = wire.create_form(
        spec(
            command=["python", "stars.py", "--tile=7"],
            env={"BAND": "r"},
            cores=2,
            ram=4.5,
            gpus=1,
            replicas=8,
        ),
        3,
    )
    assert form == [
        ("name", "stars-3"),
        ("image", "images.canfar.net/skaha/astroml:24.07"),
        ("type", "headless"),
        ("cores", "2"),
        ("ram", "4.5"),
        ("gpus", "1"),
        ("cmd", "python"),
        ("args", "stars.py --tile=7"),
        ("env", "BAND=r"),
        ("env", "REPLICA_ID=3"),
        ("env", "REPLICA_COUNT=8"),
    ]


def test_the_form_of_an_interactive_session_has_no_command_and_no_environment() -> None:
    """The server's templates for them ignore both."""
    names = [name for name, _ in wire.create_form(spec(kind="notebook"), 1)]
    assert names == ["name", "image", "type"]


def test_a_name_of_the_callers_own_is_sent_in_lower_case() -> None:
    assert ("name", "mine-7-2") in wire.create_form(spec(replicas=9), 7, "Mine-7-2")


@pytest.mark.parametrize("name", ["my_stars", "a" * 64, "n"])
def test_a_name_of_the_callers_own_must_be_valid_too(name: str) -> None:
    with pytest.raises(SpecError, match="Invalid name"):
        wire.create_form(spec(), 1, name)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ENVIRONMENTS = st.dictionaries(
    TEXTS.filter(lambda name: name not in ("", "REPLICA_ID", "REPLICA_COUNT") and "=" not in name), TEXTS
)


@given(st.lists(TEXTS, min_size=1).filter(lambda argv: bool(argv[0])), ENVIRONMENTS, st.integers(1, 9))
def test_a_body_is_ascii_and_decodes_to_the_form(argv: list[str], env: dict[str, str], replica: int) -> None:
    try:
        requested = spec(command=argv, env=env, replicas=9)
    except SpecError:
        assume(False)
    body = wire.create_body(requested, replica)
    assert body.isascii()
    form = parse_qsl(body, keep_blank_values=True, strict_parsing=True)
    assert sorted(form) == sorted(wire.create_form(requested, replica))


def test_the_body_of_an_interactive_session_has_no_command() -> None:
    requested = spec(kind="notebook", cores=2)
    assert parse_qsl(wire.create_body(requested, 1)) == wire.create_form(requested, 1)


def test_the_id_of_a_created_session_is_one_word() -> None:
    assert wire.created_id(response(b"k3v9x2qa\n")) == "k3v9x2qa"


@pytest.mark.parametrize("body", [b"", b"\n", b"two words", b"<html>", b'{"id": "k3v9x2qa"}'])
def test_anything_else_is_unreadable_and_may_have_been_applied(body: bytes) -> None:
    with pytest.raises(ServerError, match="Could not read the response") as raised:
        wire.created_id(response(body))
    assert raised.value.maybe_applied


def test_lists_are_parsed_including_empty_ones(sample: Sample) -> None:
    body = b"[" + sample("session_running.json") + b"," + sample("session_legacy.json") + b"]"
    assert [session.id for session in wire.sessions(response(body))] == ["h4c0w7ts", "o1d7s3rv"]
    assert wire.sessions(response(b"[]\n")) == []


@pytest.mark.parametrize(
    ("body", "quote"),
    [
        (b'[{"id": "k3v9x2qa", "sta', "k3v9x2qa"),
        (b"", "empty"),
        (b"<html><body>Please log in</body></html>", "Please log in"),
        (b'{"id": "k3v9x2qa"}', "k3v9x2qa"),
        (b"[1, 2]", "[1, 2]"),
        (b"\xff\xfe", "\ufffd"),
    ],
)
def test_the_error_about_an_unreadable_list_has_its_first_line(body: bytes, quote: str) -> None:
    with pytest.raises(ServerError, match="Could not read the response") as raised:
        wire.sessions(response(body))
    assert quote in str(raised.value)


@pytest.mark.parametrize("parse", [wire.session, wire.context, wire.stats, wire.images, wire.repositories])
def test_a_response_of_another_shape_is_unreadable(parse: Callable[[ApiResponse], object]) -> None:
    with pytest.raises(ServerError, match="Could not read the response"):
        parse(response(b'"a word"'))


def test_the_other_responses_of_the_platform_are_parsed(sample: Sample) -> None:
    assert wire.session(response(sample("session_notebook.json"))).id == "n2b6k9oo"
    assert wire.context(response(sample("context_file.json"))).cores.default == 2
    assert wire.stats(response(sample("stats.json"))).available.cores == 1800
    assert [image.types for image in wire.images(response(sample("images.json")))] == [
        ("headless", "notebook"),
        ("carta",),
    ]
    assert wire.repositories(response(sample("repositories.json"))) == ["images.canfar.net"]
