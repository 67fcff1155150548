"""The data of the emulator's page: a table of all sessions, and a panel with one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Token
from airflow_provider_canfar.skaha.models import SessionSpec
from tests.emulator.browser import browser_of, details, log_in, overview, root_of
from tests.emulator.conftest import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.emulator.conftest import Caller


class TestTheTable:
    def test_has_a_row_for_each_session(self, caller: Caller, browser: httpx.Client) -> None:
        failed = caller.shell("exit\t3", name="broken", env=["REPLICA_ID=2", "REPLICA_COUNT=4"])
        caller.until_status(failed, "Failed")
        notebook = caller.create(type="notebook", name="look")
        caller.until_status(notebook, "Running")
        shown = overview(browser)
        first, second = shown["sessions"]
        assert (shown["user"], shown["faults"]) == ("astronomer", {})
        assert shown["now"] >= second["created"] >= first["ended"] >= first["started"]
        assert (first["id"], first["status"], first["exit_code"]) == (failed, "Failed", 3)
        assert (first["replica_id"], first["replica_count"]) == ("2", "4")
        assert first["command"] == "/bin/sh -c 'exit\t3'"
        assert first["connect_url"] == ""
        assert second["connect_url"].startswith(f"{root_of(caller)}/session/notebook/{notebook}/")

    def test_tells_which_task_a_session_is_of(self, caller: Caller, browser: httpx.Client) -> None:
        caller.create(name="find-stars-k3v5x2qamd-0-7-2")
        caller.create(name="my-notebook")
        task, nothing = (row["task"] for row in overview(browser)["sessions"])
        assert (task["name"], task["replica"], task["try"]) == ("find-stars", 7, 2)
        assert nothing is None

    def test_has_what_a_session_uses_in_the_unit_of_what_it_asked_for(
        self, make_caller: Callable[..., Caller]
    ) -> None:
        caller = make_caller(metrics_interval=0.1)
        caller.shell("sleep\t60", cores=2, ram=8)
        with browser_of(caller) as browser:
            log_in(browser, caller.emulator.token)
            caller.until(lambda: overview(browser)["sessions"][0]["ram_in_use"] is not None)
            (row,) = overview(browser)["sessions"]
        assert (row["cores"], row["ram"]) == (2, 8)
        assert 0 <= row["cores_in_use"] < 1
        assert 0 <= row["ram_in_use"] < 0.1

    def test_keeps_a_forgotten_session_and_its_log(self, caller: Caller, browser: httpx.Client) -> None:
        session = caller.shell("echo\thi")
        caller.until_status(session, "Completed")
        caller.emulator.configure(retention=0)
        assert caller.view(session, "logs") == ""
        (row,) = overview(browser)["sessions"]
        assert row["forgotten"] is not None
        assert details(browser, session)["log"] == "hi\n"

    def test_contains_no_environment_variables(self, caller: Caller, browser: httpx.Client) -> None:
        session = caller.create(cmd="true", env="PASSWORD=sesame-7")
        for path in ("/emulator/overview", f"/emulator/sessions/{session}"):
            assert "sesame-7" not in browser.get(path).raise_for_status().text

    async def test_decodes_a_command_that_the_client_has_encoded(
        self, caller: Caller, browser: httpx.Client
    ) -> None:
        argv = ("sh", "-c", 'echo "$WHO" <script>')
        spec = SessionSpec(name="encoded", image=IMAGE, command=argv, env={"WHO": "a=b"})
        async with SkahaClient(caller.emulator.url, Token(caller.emulator.token)) as client:
            await client.create(spec)
        (row,) = overview(browser)["sessions"]
        assert row["command"] == """sh -c 'echo "$WHO" <script>'"""
        shown = details(browser, row["id"])
        assert shown["argv"] == [*argv]
        assert shown["container_argv"][:2] == ["/bin/sh", "-c"]

    @pytest.mark.parametrize(
        "args", ["-c true sh", "-c true sh no-base64!", "-c true sh 3q2+7w==", "-c true sh Zm9v"]
    )
    def test_shows_a_command_as_it_is_that_only_looks_encoded(
        self, caller: Caller, browser: httpx.Client, args: str
    ) -> None:
        session = caller.create(cmd="/bin/sh", args=args)
        shown = details(browser, session)
        assert shown["argv"] == shown["container_argv"] == ["/bin/sh", *args.split()]


class TestThePanel:
    def test_has_the_log_so_far_and_the_events(self, caller: Caller, browser: httpx.Client) -> None:
        session = caller.shell("echo\t'<b>hi</b>';sleep\t60", cores=2, ram=8)
        caller.until(lambda: caller.view(session, "logs") != "")
        shown = details(browser, session)
        assert shown["log"] == "<b>hi</b>\n"
        assert shown["events"] == caller.view(session, "events")
        assert (shown["cores"], shown["ram"], shown["gpus"]) == (2, 8, 0)

    def test_has_the_last_whole_lines_of_a_long_log(self, caller: Caller, browser: httpx.Client) -> None:
        session = caller.create(cmd="seq", args="1 20000")
        caller.until_status(session, "Completed")
        first, *lines = details(browser, session)["log"].splitlines()
        assert first == "\N{HORIZONTAL ELLIPSIS} earlier lines are omitted"
        assert [int(line) for line in lines] == [*range(int(lines[0]), 20001)]
        assert 5000 < len(lines) < 20000

    def test_has_no_log_before_there_is_output(self, caller: Caller, browser: httpx.Client) -> None:
        caller.emulator.configure(start_delay=60)
        shown = details(browser, caller.create())
        assert (shown["log"], shown["events"], shown["argv"]) == ("", "", [])

    def test_needs_a_session_that_was_created(self, browser: httpx.Client) -> None:
        response = browser.get("/emulator/sessions/k3v9x2qa")
        assert (response.status_code, response.json()["error"]) == (
            404,
            "session k3v9x2qa was never created",
        )

    @pytest.mark.parametrize("path", ["/emulator/overview", "/emulator/sessions/k3v9x2qa"])
    def test_needs_the_token(self, stranger: httpx.Client, path: str) -> None:
        assert stranger.get(path).status_code == 401
