"""Images that cannot be pulled, and events in another format, as they arrive on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.emulator.conftest import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller

RESOLVE = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}"'
HEAD = "unexpected status from HEAD request to"
MANIFEST = "https://images.canfar.net/v2/skaha/astroml/manifests/24.07"
REASONS = {
    "unavailable": f"{RESOLVE}: {HEAD} {MANIFEST}: 503 Service Unavailable",
    "too_many_requests": f"{RESOLVE}: {HEAD} {MANIFEST}: 429 Too Many Requests",
    "timeout": f'{RESOLVE}: failed to do request: Head "{MANIFEST}": dial tcp 192.0.2.1:443: i/o timeout',
    "quota": "pull QPS exceeded",
    "not_found": f'failed to pull and unpack image "{IMAGE}": not found',
    "manifest_unknown": "reading manifest 24.07 in images.canfar.net/skaha/astroml: manifest unknown",
    "denied": "insufficient_scope: authorization failed",
    "unsupported_platform": "no match for platform in manifest: not found",
}


def table(text: str) -> list[list[str]]:
    """Return the reason and the message of each event, from the columns' places in the header."""
    header, *lines = text.splitlines()
    reason, message, times = (header.index(word) for word in ("REASON", "MESSAGE", "FIRST-TIME"))
    return [[line[reason:message].strip(), line[message:times].strip()] for line in lines]


def test_a_failing_image_pull_leaves_sessions_pending_with_events(caller: Caller) -> None:
    caller.emulator.faults(pull={"image": "*/broken:*"})
    broken = caller.create(image="images.canfar.net/skaha/broken:1", cmd="true")
    good = caller.create(cmd="true")
    caller.until_status(good, "Completed")
    caller.until(lambda: "startTime" in caller.session(broken))
    events = caller.view(broken, "events")
    assert caller.session(broken)["status"] == "Pending"
    assert 'Failed to pull image "images.canfar.net/skaha/broken:1"' in events
    assert "Error: ErrImagePull" in events
    assert "Back-off pulling image" in events
    assert caller.view(broken, "logs") == ""
    caller.emulator.clear_faults()
    caller.until_status(broken, "Completed")


@pytest.mark.parametrize("reason", REASONS)
def test_a_pull_can_fail_for_each_reason(caller: Caller, reason: str) -> None:
    caller.emulator.faults(pull={"reason": reason})
    session = caller.create(cmd="true")
    caller.until(lambda: "startTime" in caller.session(session))
    assert caller.session(session)["status"] == "Pending"
    failed, *others = table(caller.view(session, "events"))[2:]
    assert failed[0] == "Failed"
    assert failed[1].startswith(f'Failed to pull image "{IMAGE}": ')
    assert REASONS[reason] in failed[1]
    assert others == [
        ["Failed", "Error: ErrImagePull"],
        ["BackOff", f'Back-off pulling image "{IMAGE}"'],
        ["Failed", "Error: ImagePullBackOff"],
    ]


def test_an_invalid_name_is_not_even_pulled(caller: Caller) -> None:
    caller.emulator.faults(pull={"reason": "invalid_name"})
    session = caller.create(cmd="true")
    caller.until(lambda: "startTime" in caller.session(session))
    why = f'couldn\'t parse image name "{IMAGE}": invalid reference format'
    assert table(caller.view(session, "events"))[2:] == [
        ["InspectFailed", f'Failed to apply default image tag "{IMAGE}": {why}'],
        ["Failed", "Error: InvalidImageName"],
    ]


def test_a_container_that_cannot_be_created_has_its_image(caller: Caller) -> None:
    caller.emulator.faults(pull={"reason": "config_error"})
    session = caller.create(cmd="true")
    caller.until(lambda: "startTime" in caller.session(session))
    assert caller.session(session)["status"] == "Pending"
    assert table(caller.view(session, "events"))[2:] == [
        ["Pulled", f'Successfully pulled image "{IMAGE}"'],
        ["Failed", f'Error: secret "skaha-headless-astronomer-{session}" not found'],
    ]


def test_a_pull_can_succeed_after_a_while(caller: Caller) -> None:
    caller.emulator.faults(pull={"reason": "unavailable", "succeeds_after": 0.3})
    session = caller.create(cmd="true")
    caller.until(lambda: "startTime" in caller.session(session))
    assert caller.session(session)["status"] == "Pending"
    caller.until_status(session, "Completed")
    reasons = [reason for reason, _ in table(caller.view(session, "events"))]
    assert reasons == [
        *("Scheduled", "Pulling", "Failed", "Failed", "BackOff", "Failed"),
        *("Pulled", "Created", "Started"),
    ]


def test_the_reason_of_a_failing_pull_can_change(caller: Caller) -> None:
    caller.emulator.faults(pull={"reason": "timeout"})
    session = caller.create(cmd="true")
    caller.until(lambda: "startTime" in caller.session(session))
    caller.emulator.faults(pull={"message": "the dog ate it"})
    caller.until(lambda: "the dog ate it" in caller.view(session, "events"))
    assert "i/o timeout" in caller.view(session, "events")
    caller.emulator.faults(pull=None)
    caller.until_status(session, "Completed")


def test_some_sessions_can_be_spared(caller: Caller) -> None:
    caller.emulator.faults(pull={"count": 1})
    first = caller.create(cmd="true")
    caller.until(lambda: "startTime" in caller.session(first))
    caller.until_status(caller.create(cmd="true"), "Completed")
    assert caller.session(first)["status"] == "Pending"


@pytest.fixture
def events(make_caller: Callable[..., Caller]) -> Callable[..., str]:
    """Return a function that returns the events of a session that has ended, in a format."""
    caller = make_caller()
    session = caller.create(cmd="true")
    caller.until_status(session, "Completed")

    def view(**event_format: Any) -> str:
        caller.emulator.faults(event_format=event_format)
        response = caller.http.get(f"/session/{session}", params={"view": "events"})
        caller.emulator.clear_faults()
        return response.raise_for_status().content.decode()

    return view


def test_events_can_have_any_line_ending(events: Callable[..., str]) -> None:
    assert "\r" not in events()
    assert events(line_ending="\r\n") == events().replace("\n", "\r\n")


def test_events_can_have_a_line_above(events: Callable[..., str]) -> None:
    warning = "Warning: v1 Event is deprecated"
    assert events(line_above=warning) == f"{warning}\n{events()}"


@pytest.mark.parametrize(
    ("at", "header"),
    [
        (0, ["COUNT", "TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME"]),
        (2, ["TYPE", "REASON", "COUNT", "MESSAGE", "FIRST-TIME", "LAST-TIME"]),
        (5, ["TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME", "COUNT"]),
    ],
)
def test_events_can_have_one_more_column(events: Callable[..., str], at: int, header: list[str]) -> None:
    first, *rows = events(column="COUNT", column_at=at, column_value="17").splitlines()
    assert first.split() == header
    place = first.index("COUNT")
    assert [row[place : place + 5].strip() for row in rows] == ["17"] * 5


def test_a_row_can_lack_its_times(events: Callable[..., str]) -> None:
    rows = events(without_times="Pull*", column="COUNT").splitlines()
    assert rows[2] == f'Normal   Pulling     Pulling image "{IMAGE}"'
    assert [len(row.split("   ")) > 3 and row.endswith("1") for row in rows[1:]] == [
        True,
        False,
        False,
        True,
        True,
    ]
    assert all(not row.endswith("Z") for row in events(without_times="*").splitlines())


def test_a_fault_in_the_format_makes_no_events(caller: Caller) -> None:
    caller.emulator.faults(event_format={"line_above": "above", "line_ending": "\r\n"})
    response = caller.http.get("/session/unknown1", params={"view": "events"})
    assert (response.status_code, response.text) == (404, "session unknown1 not found.\n")
