"""Switching faults on and off."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.emulator.faults.fault import Fault
from airflow_provider_canfar.emulator.faults.request_faults import Busy
from airflow_provider_canfar.emulator.faults.switched import KINDS, Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller


def test_the_same_seed_affects_the_same_requests() -> None:
    def fired(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.update({"busy": {"rate": 0.5}})
        return [faults.fire(Busy, "GET", "/") is not None for _ in range(200)]

    assert fired(7) == fired(7)
    assert fired(7) != fired(8)
    assert 60 < sum(fired(7)) < 140


def test_a_fault_affects_only_matching_requests_up_to_its_count() -> None:
    faults = Faults()
    faults.update({"busy": {"method": "POST", "path": "/session$", "count": 2}})
    requests = [("GET", "/session"), ("POST", "/session"), ("POST", "/session/x"), ("POST", "/session")] * 2
    assert [faults.fire(Busy, *each) is not None for each in requests] == [False, True, False, True] + [
        False
    ] * 4
    assert faults.as_json()["busy"]["fired"] == 2


def test_an_invalid_fault_or_option_is_reported(shared_caller: Caller) -> None:
    emulator = shared_caller.emulator
    with pytest.raises(ValueError, match=r"Unknown fault 'earthquake'; expected one of latency, outage"):
        emulator.faults(earthquake={})
    with pytest.raises(ValueError, match=r"Invalid arguments for fault 'busy': .*'often'"):
        emulator.faults(busy={"often": True})
    with pytest.raises(ValueError, match=r"Unknown outage mode 'total'"):
        emulator.faults(outage={"mode": "total"})
    with pytest.raises(ValueError, match=r"needs seconds"):
        emulator.faults(outage={"mode": "refuse"})
    with pytest.raises(ValueError, match=r"Unknown option 'volume'; expected one of start_delay"):
        emulator.configure(volume=11)
    with pytest.raises(ValueError, match=r"must be a number of 0 or more, not -1"):
        emulator.configure(retention=-1)


def test_faults_can_be_listed_switched_and_cleared(caller: Caller) -> None:
    url = caller.emulator.url.replace("/skaha/v1", "/emulator/faults")
    caller.emulator.faults(busy={"count": 1}, latency={"seconds": 0.01})
    caller.emulator.faults(latency=None, html={})
    assert caller.http.get("/session").status_code == 503
    listed = caller.http.get(url).json()
    assert {kind: fault["fired"] for kind, fault in listed.items()} == {"busy": 1, "html": 0}
    caller.emulator.clear_faults()
    assert caller.http.get(url).json() == {}


def test_a_seeded_emulator_fails_the_same_requests_twice(make_caller: Callable[..., Caller]) -> None:
    def outcomes() -> list[int]:
        caller = make_caller(seed=3)
        caller.emulator.faults(busy={"rate": 0.5})
        return [caller.http.get("/context").status_code for _ in range(20)]

    first = outcomes()
    assert first == outcomes()
    assert {200, 503} == {*first}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_s_docstring_explains_each_of_its_arguments(kind: str) -> None:
    explained = "".join(cls.__doc__ or "" for cls in KINDS[kind].__mro__ if issubclass(cls, Fault))
    for field in fields(KINDS[kind]):
        assert f":param {field.name}:" in explained


@pytest.mark.parametrize(
    ("kind", "arguments", "reason"),
    [
        (
            "busy",
            {"retry_after_form": "hours"},
            "'retry_after_form' must be one of seconds, date, not 'hours'",
        ),
        ("busy", {"retry_after": "soon"}, "'retry_after' must be a number of seconds or None, not 'soon'"),
        ("busy", {"path": "("}, "'path' must be a regular expression: "),
        ("busy", {"count": "one"}, "'count' must be a number of requests or None, not 'one'"),
        (
            "latency",
            {"mode": "busy"},
            "'argument' must be one of rate, count, method, path, seconds, not 'mode'",
        ),
        ("duplicate", {"statuses": "Running"}, "'statuses' must be a list with a status for each row"),
        ("short_list", {"rows": "all"}, "'rows' must be a number of rows or None, not 'all'"),
        ("odd_cells", {"cells": ["id"]}, "'cells' must be an object with values by name of cell"),
        ("odd_cells", {"without": "id"}, "'without' must be a list of texts, not 'id'"),
        ("foreign", {"rows": None}, "'rows' must be a list of rows, not None"),
        ("foreign", {"without": [1]}, "'without' must be a list of texts, not 1"),
        ("pull", {"reason": "boredom"}, "'reason' must be one of unavailable, too_many_requests, "),
        ("pull", {"succeeds_after": "soon"}, "'succeeds_after' must be a number of seconds or None"),
        ("event_format", {"column_at": "end"}, "'column_at' must be a number of columns, not 'end'"),
        ("event_format", {"line_above": 1}, "'line_above' must be a text or None, not 1"),
    ],
)
def test_an_invalid_argument_is_reported(kind: str, arguments: dict[str, Any], reason: str) -> None:
    faults = Faults()
    faults.update({kind: {}})
    with pytest.raises(ValueError, match=f"^Invalid arguments for fault '{kind}': ") as error:
        faults.update({"html": {}, kind: arguments})
    assert reason in str(error.value)
    assert [*faults.as_json()] == [kind]


def test_faults_can_be_on_from_the_start(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(faults={"busy": {"count": 1}})
    assert [caller.http.get("/session").status_code for _ in range(2)] == [503, 200]
