"""The life of a session, and the statuses that the platform shows."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from airflow_provider_canfar.emulator.config import EmulatorConfig
from airflow_provider_canfar.emulator.faults.switched import Faults
from airflow_provider_canfar.emulator.images import SYSTEM_PATH, ImageLibrary
from airflow_provider_canfar.emulator.job_pipeline.kubectl import AcceptedContainer
from airflow_provider_canfar.emulator.runtime.lifecycle import Lifecycle
from airflow_provider_canfar.emulator.runtime.processes import Processes
from airflow_provider_canfar.emulator.runtime.sessions import Session, SessionRequest, State
from tests.emulator.conftest import IMAGE
from tests.emulator.runtime.test_processes import IGNORES_TERM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller


def test_a_session_that_succeeds_goes_through_the_states(make_caller: Callable[..., Caller]) -> None:
    """Between Running and its end it shows Pending for a moment, as on the platform."""
    caller = make_caller(start_delay=0.3, flicker=0.3)
    session = caller.shell("sleep\t0.3")
    statuses = [str(caller.session(session)["status"])]

    def is_over() -> bool:
        status = str(caller.session(session)["status"])
        if status != statuses[-1]:
            statuses.append(status)
        return status == "Completed"

    caller.until(is_over)
    assert statuses == ["Pending", "Running", "Pending", "Completed"]
    record = caller.record(session)
    assert record["created"] < record["started"] < record["ended"]
    assert (record["exit_code"], record["live"]) == (0, False)


@pytest.mark.parametrize("code", [1, 3, 255])
def test_a_session_that_fails_keeps_its_exit_code(caller: Caller, code: int) -> None:
    session = caller.shell(f"exit\t{code}")
    caller.until_status(session, "Failed")
    assert caller.record(session)["exit_code"] == code


def test_a_session_has_the_environment_of_a_container_and_nothing_of_the_host_s(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "canary")
    session = caller.create(
        name="Env", cmd="env", env=["REPLICA_ID=2", "REPLICA_COUNT=8", "HOME=/mine"], cores=2, ram=4
    )
    caller.until_status(session, "Completed")
    variables = dict(line.split("=", 1) for line in caller.view(session, "logs").splitlines())
    home = variables.pop("HOME")
    assert home.endswith("/arc/home/astronomer")
    assert variables == {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "HOSTNAME": "env",
        "REPLICA_ID": "2",
        "REPLICA_COUNT": "8",
        "skaha_hostname": "127.0.0.1",
        "skaha_username": "astronomer",
        "skaha_sessionid": session,
        "PWD": caller.record(session)["folder"],
        "OMP_NUM_THREADS": "2",
    }
    record = caller.record(session)
    assert (record["replica_id"], record["replica_count"]) == ("2", "8")


def test_each_session_has_its_own_working_directory_and_shares_its_home(caller: Caller) -> None:
    first = caller.shell("pwd;echo\thi>own;cd;echo\thi>shared")
    caller.until_status(first, "Completed")
    second = caller.shell("pwd;ls;cd;cat\tshared")
    caller.until_status(second, "Completed")
    folder = caller.record(first)["folder"]
    assert caller.view(first, "logs") == f"{folder}\n"
    assert (Path(folder) / "own").read_text() == "hi\n"
    assert caller.view(second, "logs") == f"{caller.record(second)['folder']}\nhi\n"


def test_an_image_runs_its_own_command_by_default(caller: Caller) -> None:
    default, given = caller.create(), caller.create(args="echo hi")
    assert caller.until_status(default, "Completed")
    assert caller.until_status(given, "Completed")
    assert (caller.view(default, "logs"), caller.view(given, "logs")) == ("", "hi\n")


def test_an_image_can_have_a_folder_that_comes_first_in_its_path(
    make_caller: Callable[..., Caller], tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho from the image\n")
    tool.chmod(0o755)
    caller = make_caller(images=ImageLibrary(folders=(("images.canfar.net/skaha/old:*", tmp_path),)))
    own = caller.create(image="images.canfar.net/skaha/old:1", cmd="tool")
    caller.until_status(own, "Completed")
    assert caller.view(own, "logs") == "from the image\n"
    caller.until_status(caller.create(image="images.canfar.net/skaha/new:1", cmd="tool"), "Failed")


def test_a_session_that_is_deleted_while_it_queues_never_starts(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(start_delay=60)
    session = caller.create(cmd="true")
    caller.http.delete(f"/session/{session}")
    caller.until(lambda: caller.record(session)["ended"] is not None)
    record = caller.record(session)
    assert (record["started"], record["starts"], record["live"]) == (None, 0, False)


def test_an_ended_session_is_forgotten_after_its_retention(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(retention=3600)
    session = caller.shell("echo\thi")
    caller.until_status(session, "Completed")
    assert caller.view(session, "logs") == "hi\n"
    caller.emulator.configure(retention=0)
    assert caller.http.get(f"/session/{session}").status_code == 404
    assert caller.http.get(f"/session/{session}", params={"view": "events"}).status_code == 404
    assert caller.view(session, "logs") == ""
    assert caller.http.get("/session").json() == []
    record = caller.record(session)
    assert (record["status"], record["exit_code"]) == ("Completed", 0)
    assert record["forgotten"] is not None


def test_a_session_past_its_deadline_is_terminated_and_fails(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(deadline=0.2, grace=0.5)
    session = caller.shell(IGNORES_TERM)
    caller.until_status(session, "Terminating")
    caller.until_status(session, "Failed")
    assert caller.record(session)["exit_code"] == 137


def test_an_interactive_session_past_its_deadline_fails(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(interactive_deadline=0.1)
    caller.until_status(caller.create(type="notebook"), "Failed")


def test_events_are_available_once_there_is_a_pod(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(start_delay=60)
    queued = caller.create()
    response = caller.http.get(f"/session/{queued}", params={"view": "events"})
    assert (response.status_code, response.text) == (404, f"session {queued} not found.\n")
    caller.emulator.configure(start_delay=0)
    session = caller.create()
    caller.until_status(session, "Completed")
    header, scheduled, *others = caller.view(session, "events").splitlines()
    assert header.split() == ["TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME"]
    assert re.fullmatch(r"Normal +Scheduled +Successfully assigned .* +<none> +<none>", scheduled)
    assert [line.split()[1] for line in others] == ["Pulling", "Pulled", "Created", "Started"]
    assert all(line.index("Z   ") for line in others)


def test_a_preempted_session_queues_again_and_starts_from_scratch(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller()
    session = caller.shell("echo\tbegun>>runs;cat\truns;sleep\t600")
    caller.until(lambda: caller.view(session, "logs") == "begun\n")
    caller.emulator.configure(start_delay=60)
    caller.emulator.preempt(session)
    shown = caller.until_status(session, "Pending")
    assert "startTime" not in shown
    assert caller.view(session, "logs") == ""
    with pytest.raises(ValueError, match="is not running"):
        caller.emulator.preempt(session)


def test_a_preempted_session_runs_again(caller: Caller) -> None:
    session = caller.shell("echo\tbegun>>runs;cat\truns;sleep\t600")
    caller.until(lambda: caller.view(session, "logs") == "begun\n")
    caller.emulator.preempt(session)
    caller.until(lambda: caller.view(session, "logs") == "begun\nbegun\n")
    assert caller.record(session)["starts"] == 2


async def test_an_error_in_the_emulator_fails_the_session_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    processes = mock.create_autospec(Processes)
    processes.start.side_effect = RuntimeError("broken")
    config = EmulatorConfig(start_delay=0)
    lifecycle = Lifecycle(processes, ImageLibrary(), Faults(), lambda: config, time.time)
    session = Session(
        id="a0000000",
        job="skaha-headless-jdoe-a0000000",
        user="jdoe",
        request=SessionRequest(name="test", image=IMAGE, kind="headless"),
        container=AcceptedContainer(("true",), None, ()),
        folder=tmp_path,
        log=tmp_path / "log",
        deadline=60,
        created=time.time(),
    )
    lifecycle.start(session)
    while session.is_live:  # noqa: ASYNC110 - no event announces a session's end
        await asyncio.sleep(0.01)
    assert session.state is State.FAILED
    assert "Unexpected error in the emulator; session a0000000 failed." in caplog.text
    await lifecycle.close()


def test_a_session_can_vanish(caller: Caller) -> None:
    session = caller.shell("sleep\t600")
    caller.until_status(session, "Running")
    caller.emulator.vanish(session)
    assert caller.http.get(f"/session/{session}").status_code == 404
    record = caller.record(session)
    assert (record["deleted"], record["live"]) == (None, False)
    assert record["forgotten"] is not None
    with pytest.raises(ValueError, match="not found"):
        caller.emulator.vanish(session)


def test_a_deleted_session_can_be_terminating_for_a_while(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(terminating_time=3600)
    runs, ended = caller.shell("sleep\t600"), caller.shell("echo\thi")
    caller.until_status(runs, "Running")
    caller.until_status(ended, "Completed")
    for session in (runs, ended, runs):
        assert caller.http.delete(f"/session/{session}").status_code == 200
    assert {row["id"]: row["status"] for row in caller.http.get("/session").json()} == {
        runs: "Terminating",
        ended: "Terminating",
    }
    assert caller.view(ended, "logs") == "hi\n"
    caller.until(lambda: caller.record(runs)["exit_code"] is not None)
    record = caller.record(runs)
    assert (record["status"], record["live"], record["forgotten"]) == ("Terminating", False, None)
    assert record["deleted"] is not None
    renewal = caller.http.post(f"/session/{runs}", data={"action": "renew"})
    assert renewal.status_code == 400
    caller.emulator.configure(terminating_time=0)
    assert caller.http.get("/session").json() == []
    assert caller.http.get(f"/session/{runs}").status_code == 404
    assert caller.record(runs)["forgotten"] == record["deleted"]


def test_a_terminating_session_is_no_longer_opened_or_counted(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(terminating_time=3600, max_interactive=1)
    notebook = caller.create(type="notebook")
    url = caller.until_status(notebook, "Running")["connectURL"]
    assert caller.http.get(url).status_code == 200
    caller.http.delete(f"/session/{notebook}")
    assert caller.http.get(url).status_code == 404
    assert caller.post(type="notebook").status_code == 200
