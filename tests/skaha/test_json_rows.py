"""The one reader of lists: what it cannot read, it skips, and shows the rest."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha import json_rows, wire
from airflow_provider_canfar.skaha.errors import ServerError
from airflow_provider_canfar.skaha.http.response import ApiResponse
from airflow_provider_canfar.skaha.models import Session, Status
from airflow_provider_canfar.skaha.polling.session_cache import SessionCache

GOOD = {"id": "k3v9x2qa", "name": "stars-1", "type": "headless", "status": "Running"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
CELLS = [
    "id", "userid", "runAsUID", "runAsGID", "supplementalGroups", "appid", "image", "type", "status", "name",
    "startTime", "expiryTime", "connectURL", "requestedRAM", "requestedCPUCores", "requestedGPUCores",
    "ramInUse", "cpuCoresInUse", "isFixedResources", "status_word", "kind", "app_id", "fixed",
]  # fmt: skip
WORDS = ["<none>", "", "not-applicable", "\ud800", "9" * 400, "1e400", "2026-03-04T18:22:10Z", "8G", "true"]
ROWS = JSON | st.dictionaries(st.sampled_from(CELLS), JSON | st.sampled_from(WORDS))


@pytest.fixture(autouse=True)
def _nothing_logged_yet() -> Iterator[None]:
    json_rows._log_once.cache_clear()
    yield
    json_rows._log_once.cache_clear()


def response(listed: Any, path: str = "session") -> ApiResponse:
    return ApiResponse("GET", path, "https://skaha.test/skaha/v1", 200, {}, json.dumps(listed).encode())


@given(st.lists(ROWS, max_size=4), st.integers(0, 4))
def test_no_row_of_another_session_hides_ours(others: list[Any], place: int) -> None:
    """In a list that is read once, and in one that every poll reads."""
    listed = [*others[:place], GOOD, *others[place:]]
    (session,) = [one for one in wire.sessions(response(listed)) if one.name == "stars-1"]
    assert (session.id, session.status, session.kind) == ("k3v9x2qa", Status.RUNNING, "headless")
    cache = SessionCache()
    cache.update(cache.parser(None)(response(listed)), 0.0)
    assert cache.session("k3v9x2qa").status is Status.RUNNING


@given(st.dictionaries(st.sampled_from(CELLS), JSON | st.sampled_from(WORDS)))
def test_both_readers_read_the_same_of_a_row(cells: dict[str, Any]) -> None:
    listed = response([cells | {"id": "k3v9x2qa"}])
    (session,) = wire.sessions(listed)
    cache = SessionCache()
    cache.update(cache.parser(None)(listed), 0.0)
    polled = cache.session("k3v9x2qa")
    ours = {"status_word", "kind", "app_id", "fixed"}  # Names of fields that no server has cells of.
    if not ours & cells.keys():
        for field in (
            "id",
            "name",
            "kind",
            "status",
            "status_word",
            "start_time",
            "expiry_time",
            "connect_url",
        ):
            assert getattr(polled, field) == getattr(session, field)


@given(st.dictionaries(st.sampled_from(CELLS), JSON | st.sampled_from(WORDS)))
def test_a_session_is_read_whatever_its_cells_hold(cells: dict[str, Any]) -> None:
    session = Session.model_validate(cells)
    assert session.status is Status.of(session.status_word)
    assert wire.session(response(cells, "session/k3v9x2qa")).id


@pytest.mark.parametrize(
    "odd",
    [None, "k3v9x2qa", 7, [GOOD], {}, {**GOOD, "id": None}, {**GOOD, "id": "<none>"}, {**GOOD, "id": "a b"}],
)
def test_a_row_that_cannot_be_read_is_skipped_and_logged_once(
    odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert [one.id for one in wire.sessions(response([odd, GOOD]))] == ["k3v9x2qa"]
    (line,) = caplog.messages
    assert line.startswith("Skipping rows ")
    assert "https://skaha.test/skaha/v1/session" in line


@pytest.mark.parametrize("listed", [{}, "a word", None, 7, ["a word"], [7], [[]]])
def test_what_is_no_list_of_objects_is_an_error(listed: Any) -> None:
    with pytest.raises(ServerError, match="Could not read the response"):
        wire.sessions(response(listed))


@pytest.mark.parametrize("listed", [[], [None], [{}], [None, {}]])
def test_a_list_without_a_row_that_can_be_read_is_empty(listed: Any) -> None:
    assert wire.sessions(response(listed)) == []


def test_json_that_is_nested_too_deep_is_an_error() -> None:
    deep = ApiResponse("GET", "session", "https://skaha.test/skaha/v1", 200, {}, b"[" * 100_000)
    with pytest.raises(ServerError):
        wire.sessions(deep)


def test_an_id_or_a_name_may_be_a_number() -> None:
    (session,) = wire.sessions(response([{**GOOD, "id": 12345678, "name": 20260304}]))
    assert (session.id, session.name) == ("12345678", "20260304")


@given(
    JSON | st.dictionaries(st.sampled_from(["cores", "ram", "gpus", "memoryGB", "gpu", "instances"]), JSON)
)
def test_any_object_can_stand_for_statistics_and_for_resources(listed: Any) -> None:
    for parse, path in ((wire.stats, "session"), (wire.context, "context")):
        try:
            parse(response(listed, path))
        except ServerError:
            assert not isinstance(listed, dict)


@given(st.lists(JSON | st.dictionaries(st.sampled_from(["id", "types", "digest"]), JSON), max_size=4))
def test_no_image_hides_another(others: list[Any]) -> None:
    image = {"id": "images.canfar.net/skaha/astroml:24.07", "types": ["headless", None]}
    images = wire.images(response([*others, image], "image"))
    assert (images[-1].id, images[-1].types) == (image["id"], ("headless",))


def test_registries_are_those_that_can_be_read() -> None:
    assert wire.repositories(response(["images.canfar.net", None, {}], "repository")) == ["images.canfar.net"]
