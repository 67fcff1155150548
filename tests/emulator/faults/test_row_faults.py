"""Odd lists, as they arrive on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller


@pytest.fixture
def pair(make_caller: Callable[..., Caller]) -> tuple[Caller, str, str]:
    """Return a caller of an emulator, and the ids of its two sessions in the list's order."""
    caller = make_caller(start_delay=60)
    first, second = sorted([caller.create(), caller.create()])
    assert listed(caller) == [(first, "Pending"), (second, "Pending")]
    return caller, first, second


def rows(caller: Caller, **query: str) -> list[Any]:
    found: list[Any] = caller.http.get("/session", params=query).raise_for_status().json()
    return found


def listed(caller: Caller, **query: str) -> list[tuple[str, str]]:
    return [(row["id"], row["status"]) for row in rows(caller, **query)]


def test_a_session_can_have_any_status(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(status={"session": second, "status": "Hibernating"})
    assert listed(caller) == [(first, "Pending"), (second, "Hibernating")]
    assert caller.session(second)["status"] == "Hibernating"
    assert caller.session(first)["status"] == "Pending"
    assert listed(caller, status="hibernating") == [(second, "Hibernating")]
    assert [row["status"] for row in rows(caller, view="all")] == ["Pending", "Hibernating"]


@pytest.mark.parametrize("statuses", [["Terminating", "Running"], ["Running", "Terminating"]])
def test_a_session_can_be_listed_twice(pair: tuple[Caller, str, str], statuses: list[str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(duplicate={"session": first, "statuses": statuses})
    assert listed(caller) == [*((first, status) for status in statuses), (second, "Pending")]
    assert listed(caller, status="Running") == [(first, "Running")]
    assert caller.session(first)["status"] == statuses[0]


def test_one_of_two_rows_can_have_the_session_s_own_status(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(duplicate={"statuses": [None, "Terminating"]})
    assert listed(caller) == [
        *((first, "Pending"), (first, "Terminating")),
        *((second, "Pending"), (second, "Terminating")),
    ]


def test_a_list_can_be_short_for_some_requests(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(short_list={"session": first, "count": 2})
    assert caller.session(first)["status"] == "Pending"
    assert [listed(caller), listed(caller, type="headless")] == [[(second, "Pending")]] * 2
    assert listed(caller) == [(first, "Pending"), (second, "Pending")]


def test_a_list_can_lack_a_number_of_rows_or_all(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(short_list={"rows": 1})
    assert listed(caller) == [(second, "Pending")]
    caller.emulator.faults(short_list={})
    assert listed(caller) == []
    assert caller.session(first)["id"] == first


def test_a_fault_counts_only_responses_that_it_changes(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(short_list={"session": "later*", "count": 1})
    assert len(listed(caller)) == 2
    third = caller.create(name="later-1")
    assert {session for session, _ in listed(caller)} == {first, second}
    assert {session for session, _ in listed(caller)} == {first, second, third}


ODD_CELLS: list[dict[str, Any]] = [
    {"isFixedResources": "<none>"},
    {"isFixedResources": ""},
    {"supplementalGroups": [None]},
    {"supplementalGroups": ["astronomers", 30123]},
    {"name": 47},
    {"id": 12345678},
    {"requestedRAM": "<none>", "ramInUse": "<none>", "requestedCPUCores": "<none>"},
    {"status": None},
    {"type": ["headless"]},
    {"startTime": "yesterday", "expiryTime": "<none>"},
    {"gpuUtilization": {"nested": True}},
]


@pytest.mark.parametrize("cells", ODD_CELLS)
def test_a_row_can_have_odd_cells(pair: tuple[Caller, str, str], cells: dict[str, Any]) -> None:
    caller, first, second = pair
    good, before = rows(caller)
    caller.emulator.faults(odd_cells={"session": second, "cells": cells})
    assert rows(caller) == [good, before | cells]
    assert caller.http.get(f"/session/{second}").json() == before | cells
    assert caller.session(first) == good


def test_a_row_can_lack_cells_or_be_null(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(odd_cells={"session": second, "without": ["id", "status"]})
    good, odd = rows(caller)
    assert {*good} - {*odd} == {"id", "status"}
    caller.emulator.faults(odd_cells={"session": second, "null": True})
    assert rows(caller) == rows(caller, type="headless", status="Pending") == [good, None]
    assert rows(caller, view="all")[1] is None
    assert caller.http.get(f"/session/{first}").json() == good


def test_a_row_can_lack_what_its_session_uses(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller()
    notebook = caller.create(type="notebook")
    usage = {"ramInUse", "cpuCoresInUse"}
    assert usage <= {*caller.until_status(notebook, "Running")}
    caller.emulator.faults(no_metrics={"count": 2})
    assert not usage & {*rows(caller)[0]}
    assert not usage & {*caller.session(notebook)}
    assert usage <= {*caller.session(notebook)}


def test_a_list_can_have_sessions_that_were_launched_elsewhere(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(foreign={"rows": [{}, {"isFixedResources": "<none>", "type": "notebook"}]})
    one, other, *own = rows(caller)
    assert [row["id"] for row in own] == [first, second]
    assert (one["id"], one["userid"], one["type"], one["status"]) == (
        *("foreign1", "astronomer", "headless", "Running"),
    )
    assert (other["id"], other["isFixedResources"]) == ("foreign2", "<none>")
    assert rows(caller, type="notebook") == [other]
    assert caller.session("foreign1") == one
    assert caller.http.get("/session/foreign3").status_code == 404
    assert {row["id"] for row in caller.emulator.all_sessions()} == {first, second}


def test_a_list_can_have_rows_that_are_no_sessions(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(
        foreign={"rows": [None, "row", {"name": 3}], "without": ["id", "supplementalGroups"]}
    )
    nothing, text, row, *own = rows(caller)
    assert (nothing, text, row["name"]) == (None, "row", 3)
    assert not {"id", "supplementalGroups"} & {*row}
    assert [each["id"] for each in own] == [first, second]
    assert caller.session(first)["id"] == first


def test_a_call_for_another_session_uses_up_no_foreign_row(pair: tuple[Caller, str, str]) -> None:
    caller, first, _ = pair
    caller.emulator.faults(foreign={"count": 1})
    assert caller.http.get("/session/unknown1").status_code == 404
    assert caller.session(first)["id"] == first
    assert caller.session("foreign1")["name"] == "foreign-1"
    assert caller.http.get("/session/foreign1").status_code == 404


def test_row_faults_can_be_combined(pair: tuple[Caller, str, str]) -> None:
    caller, first, second = pair
    caller.emulator.faults(
        status={"session": first, "status": "Paused"},
        duplicate={"session": second},
        short_list={"session": first},
        odd_cells={"session": second, "without": ["id"]},
        foreign={"rows": [None]},
    )
    nothing, one, other = rows(caller)
    assert nothing is None
    assert [one["status"], other["status"]] == ["Terminating", "Running"]
    assert "id" not in one
    assert caller.session(first)["status"] == "Paused"
