"""Requests out of specs, models out of answers."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha import wire
from airflow_provider_canfar.skaha.errors import ServerError, SpecError
from airflow_provider_canfar.skaha.http.response import ApiResponse
from airflow_provider_canfar.skaha.models import SessionSpec

Sample = Callable[[str], bytes]


def answer(body: bytes, **headers: str) -> ApiResponse:
    return ApiResponse("GET", "session", "https://skaha.test/skaha/v1", 200, headers, body)


def spec(**fields: object) -> SessionSpec:
    return SessionSpec(**({"name": "stars", "image": "skaha/astroml:24.07"} | fields))


def test_a_flexible_session_names_no_resources_and_always_its_kind() -> None:
    assert wire.create_form(spec(), 1) == [
        ("name", "stars"),
        ("image", "images.canfar.net/skaha/astroml:24.07"),
        ("type", "headless"),
        ("env", "REPLICA_ID=1"),
        ("env", "REPLICA_COUNT=1"),
    ]


def test_what_is_plain_is_sent_plainly_and_the_replica_last() -> None:
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


def test_an_interactive_session_has_neither_command_nor_environment() -> None:
    """The server's templates for them ignore it."""
    names = [name for name, _ in wire.create_form(spec(kind="notebook"), 1)]
    assert names == ["name", "image", "type"]


def test_a_name_of_the_callers_own_is_sent_in_lower_case() -> None:
    assert ("name", "mine-7-2") in wire.create_form(spec(replicas=9), 7, "Mine-7-2")


@pytest.mark.parametrize("name", ["my_stars", "a" * 64, "n"])
def test_a_name_of_the_callers_own_follows_the_rules_too(name: str) -> None:
    with pytest.raises(SpecError, match="is refused"):
        wire.create_form(spec(), 1, name)


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_a_form_is_ascii_and_reads_back_as_utf_8(form: list[tuple[str, str]]) -> None:
    form = [(name, value.encode("utf-8", "replace").decode()) for name, value in form]
    form = [(name.encode("utf-8", "replace").decode(), value) for name, value in form]
    body = wire.form_body(form)
    assert body.isascii()
    assert parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(form)) == form


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ws-uv.canfar.net/skaha/v1", "https://ws-uv.canfar.net/skaha/v1"),
        (" https://ws-uv.canfar.net/skaha/v1/ ", "https://ws-uv.canfar.net/skaha/v1"),
        ("http://127.0.0.1:8099/skaha/v1", "http://127.0.0.1:8099/skaha/v1"),
        ("http://localhost:8099/skaha/v1", "http://localhost:8099/skaha/v1"),
        ("http://[::1]:8099/skaha/v1", "http://[::1]:8099/skaha/v1"),
    ],
)
def test_a_url_is_taken_where_a_credential_is_safe(url: str, kept: str) -> None:
    assert wire.service_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ws-uv.canfar.net/skaha/v1",
        "ftp://ws-uv.canfar.net",
        "https:///skaha/v1",
        "http://ws-uv.canfar.net/skaha/v1",
        "http://127.0.0.1.evil.test/skaha/v1",
        "http://localhost.evil.test/skaha/v1",
        "https://user:s3cr3t@ws-uv.canfar.net/skaha/v1",
        "https://ws-uv.canfar.net/skaha/v1?token=s3cr3t",
        "https://ws-uv.canfar.net/skaha/v1#token=s3cr3t",
        "https://ws-uv.canfar.net:0/skaha/v1",
        "https://ws-uv.canfar.net:port/skaha/v1",
        "https://ws-uv.canfar.net /skaha/v1",
        "https://ws-uv.canfar.net/ska\x01ha/v1",
        "https://-é_.test/skaha/v1",
    ],
)
def test_a_url_that_would_show_the_credential_is_refused(url: str) -> None:
    with pytest.raises(SpecError, match="is refused") as refusal:
        wire.service_url(url)
    assert "s3cr3t" not in str(refusal.value)


def test_a_created_sessions_id_is_one_word() -> None:
    assert wire.created_id(answer(b"k3v9x2qa\n")) == "k3v9x2qa"


@pytest.mark.parametrize("body", [b"", b"\n", b"two words", b"<html>", b'{"id": "k3v9x2qa"}'])
def test_anything_else_is_no_id_and_leaves_a_doubt(body: bytes) -> None:
    with pytest.raises(ServerError, match="cannot be read") as fault:
        wire.created_id(answer(body))
    assert fault.value.maybe_applied


def test_a_list_is_read_and_so_is_an_empty_one(sample: Sample) -> None:
    body = b"[" + sample("session_running.json") + b"," + sample("session_legacy.json") + b"]"
    assert [session.id for session in wire.sessions(answer(body))] == ["h4c0w7ts", "o1d7s3rv"]
    assert wire.sessions(answer(b"[]\n")) == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'[{"id": "k3v9x2qa", "sta', "k3v9x2qa"),
        (b"", "nothing at all"),
        (b"<html><body>Please log in</body></html>", "Please log in"),
        (b'{"id": "k3v9x2qa"}', "k3v9x2qa"),
        (b"[1, 2]", "[1, 2]"),
        (b"\xff\xfe", "\ufffd"),
    ],
)
def test_what_is_no_list_is_told_by_its_first_line(body: bytes, told: str) -> None:
    with pytest.raises(ServerError, match="cannot be read") as fault:
        wire.sessions(answer(body))
    assert told in str(fault.value)


@pytest.mark.parametrize("read", [wire.session, wire.context, wire.stats, wire.images, wire.repositories])
def test_no_answer_of_another_shape_is_taken(read: Callable[[ApiResponse], object]) -> None:
    with pytest.raises(ServerError, match="cannot be read"):
        read(answer(b'"a word"'))


def test_the_rest_of_what_the_platform_reports_is_read(sample: Sample) -> None:
    assert wire.session(answer(sample("session_notebook.json"))).id == "n2b6k9oo"
    assert wire.context(answer(sample("context_file.json"))).cores.default == 2
    assert wire.stats(answer(sample("stats.json"))).available.cores == 1800
    assert [image.types for image in wire.images(answer(sample("images.json")))] == [
        ("headless", "notebook"),
        ("carta",),
    ]
    assert wire.repositories(answer(sample("repositories.json"))) == ["images.canfar.net"]


def test_events_are_read_from_their_columns(sample: Sample) -> None:
    scheduling, _, pulling, started = wire.events(sample("events.txt").decode())
    assert (scheduling.type, scheduling.reason) == ("Warning", "FailedScheduling")
    assert scheduling.message == "0/17 nodes are available: 17 Insufficient cpu."
    assert scheduling.first_time is None
    assert pulling.message == 'Pulling image "images.canfar.net/skaha/astroml:24.07"'
    assert str(started) == "Normal Started: Started container skaha-headless-mcurie-h4c0w7ts"
    assert started.last_time is not None
    assert started.last_time.isoformat() == "2026-02-11T07:30:05+00:00"


@pytest.mark.parametrize("text", ["", "<none>\n", "TYPE   REASON   MESSAGE   FIRST-TIME   LAST-TIME\n"])
def test_no_events_are_an_empty_list(text: str) -> None:
    assert wire.events(text) == []


TIMES = st.sampled_from(["<none>", "2026-02-11T07:30:05Z", "2025-12-31T23:59:59Z"])
MESSAGES = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).filter(
        lambda word: word != "<none>" and "T" not in word
    ),
    min_size=1,
).flatmap(lambda words: st.sampled_from([" ", "  ", "\n"]).map(lambda gap: gap.join(words)))
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["Normal", "Warning"]),
        st.from_regex(r"[A-Z][a-zA-Z]+", fullmatch=True),
        MESSAGES,
        TIMES,
        TIMES,
    )
)


@given(ROWS)
def test_events_read_back_as_kubectl_printed_them(rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as their widest row and three spaces more; a message may have line ends in it."""
    table = [("TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME"), *rows]
    widths = [max(len(row[column]) for row in table) + 3 for column in range(5)]
    printed = "".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
        for row in table
    )
    events = wire.events(printed)
    assert [(event.type, event.reason, event.message) for event in events] == [row[:3] for row in rows]
    assert [event.first_time is None for event in events] == [row[3] == "<none>" for row in rows]
