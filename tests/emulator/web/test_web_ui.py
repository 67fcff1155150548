"""The emulator's page, as a browser would ask for it: what is on it, who may, and what it can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_provider_canfar.emulator.web.assets import asset
from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Token
from airflow_provider_canfar.skaha.models import SessionSpec
from tests.emulator.conftest import IMAGE

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

#: What Chromium sends when a person opens an address.
OPENS = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PATHS = ("/", "/emulator/page.css", "/emulator/page.js")


def root_of(caller: Caller) -> str:
    return caller.emulator.url.removesuffix("/skaha/v1")


def browser_of(caller: Caller) -> httpx.Client:
    """Return a browser that has never been here; it keeps cookies, and follows no redirect by itself."""
    return httpx.Client(base_url=root_of(caller), headers=OPENS, timeout=60, trust_env=False)


def log_in(browser: httpx.Client, token: str) -> httpx.Response:
    """Log in as the page does."""
    headers = {"Authorization": f"Bearer {token}", **from_page(browser)}
    return browser.post("/emulator/login", headers=headers)


def from_page(browser: httpx.Client) -> dict[str, str]:
    """Return what a browser adds when a page of the emulator changes something."""
    return {"Origin": str(browser.base_url).rstrip("/"), "Accept": "*/*"}


@pytest.fixture(name="stranger")
def _stranger(shared_caller: Caller) -> Iterator[httpx.Client]:
    """Return a browser without a cookie; what it may do leaves no trace, so the emulator is shared."""
    with browser_of(shared_caller) as browser:
        yield browser


@pytest.fixture(name="browser")
def _browser(caller: Caller) -> Iterator[httpx.Client]:
    """Return a browser that has logged in on the page."""
    with browser_of(caller) as browser:
        log_in(browser, caller.emulator.token).raise_for_status()
        yield browser


def overview(browser: httpx.Client) -> dict[str, Any]:
    shown: dict[str, Any] = browser.get("/emulator/overview").raise_for_status().json()
    return shown


def opened(browser: httpx.Client, session: str) -> dict[str, Any]:
    shown: dict[str, Any] = browser.get(f"/emulator/sessions/{session}").raise_for_status().json()
    return shown


class TestThePage:
    @pytest.mark.parametrize(
        ("path", "kind"), [*zip(PATHS, ("text/html", "text/css", "text/javascript"), strict=True)]
    )
    def test_anybody_may_have_it_and_its_parts(self, stranger: httpx.Client, path: str, kind: str) -> None:
        answer = stranger.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_nothing_on_it_comes_from_elsewhere_or_runs_inline(self, stranger: httpx.Client) -> None:
        answer = stranger.get("/")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert [*re.findall(r"(?:src|href)=\"(?!data:)([^\"]*)", answer.text)] == [*PATHS[1:]]
        assert not re.search(r"<script>|<style|\bstyle=|\bon[a-z]+=", answer.text)

    def test_no_part_of_it_has_the_token(self, make_caller: Callable[..., Caller]) -> None:
        caller = make_caller(token="sesame-7")
        with browser_of(caller) as browser:
            log_in(browser, "sesame-7").raise_for_status()
            assert all("sesame-7" not in browser.get(path).text for path in (*PATHS, "/emulator/overview"))

    def test_its_script_makes_no_html_out_of_text(self) -> None:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|localStorage",
            asset("page.js"),
        )

    def test_each_element_that_its_script_looks_for_is_there(self) -> None:
        wanted = set(re.findall(r"(?:\$|show)\(\"([a-z-]+)\"", asset("page.js")))
        assert wanted
        assert wanted <= set(re.findall(r"\bid=\"([a-z-]+)\"", asset("index.html")))

    def test_each_fault_that_it_offers_can_be_switched_on(self, caller: Caller) -> None:
        offered = re.findall(r"^  \[\"[^\"]+\", \"[^\"]+\", (\{.*\})\],$", asset("page.js"), re.MULTILINE)
        assert len(offered) == 6
        for fault in offered:
            in_json = re.sub(r"(\w+):", r'"\1":', fault)
            answer = httpx.put(
                f"{root_of(caller)}/emulator/faults",
                content=in_json,
                headers={"Authorization": f"Bearer {caller.emulator.token}"},
                trust_env=False,
            )
            assert answer.status_code == 200, answer.text

    def test_no_fault_strikes_it_and_no_count_knows_it(self, caller: Caller, browser: httpx.Client) -> None:
        caller.emulator.faults(outage={"mode": "close"})
        assert all(browser.get(path).status_code == 200 for path in PATHS)
        assert overview(browser)["faults"]["outage"]["struck"] == 0
        assert caller.emulator.requests() == {}


class TestTheLogin:
    def test_a_token_becomes_a_cookie_that_no_script_and_no_other_site_can_use(
        self, shared_caller: Caller, stranger: httpx.Client
    ) -> None:
        answer = log_in(stranger, shared_caller.emulator.token)
        assert answer.json() == {}
        assert answer.headers["set-cookie"] == "CADC_SSO=token; HttpOnly; Path=/; SameSite=strict"

    @pytest.mark.parametrize("token", ["wrong", "Token", "token2"])
    def test_another_token_becomes_none(self, stranger: httpx.Client, token: str) -> None:
        answer = log_in(stranger, token)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers

    def test_a_form_of_another_site_cannot_log_in(self, stranger: httpx.Client) -> None:
        """It can send a body, but no header of its own."""
        answer = stranger.post("/emulator/login", data={"token": "token"})
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)

    def test_a_token_that_a_cookie_has_to_quote_is_as_good(self, make_caller: Callable[..., Caller]) -> None:
        caller = make_caller(token='a=b; "c", d\\/+')
        with browser_of(caller) as browser:
            assert log_in(browser, caller.emulator.token).status_code == 200
            assert overview(browser)["user"] == "astronomer"

    def test_who_logs_out_is_a_stranger_again(self, browser: httpx.Client) -> None:
        assert browser.delete("/emulator/login", headers=from_page(browser)).status_code == 200
        assert browser.get("/emulator/overview").status_code == 401


class TestACookie:
    def test_opens_the_platforms_own_calls(self, caller: Caller, browser: httpx.Client) -> None:
        session = caller.shell("echo\thi")
        caller.until_shown(session, "Completed")
        answer = browser.get(f"/skaha/v1/session/{session}", params={"view": "logs"})
        assert (answer.status_code, answer.text) == (200, "hi\n")
        assert answer.headers["x-vo-authenticated"] == "astronomer"

    def test_is_as_good_as_the_token_in_it(self, shared_caller: Caller, stranger: httpx.Client) -> None:
        """Any token, one from the platform's login among them; and one that is wrong is as bad."""
        login = {"username": "astronomer", "password": "password"}
        for value, status in ((stranger.post("/ac/login", data=login).text, 200), ("wrong", 401)):
            headers = {"Cookie": f"CADC_SSO={value}", "Accept": "*/*"}
            assert (
                httpx.get(
                    f"{shared_caller.emulator.url}/session", headers=headers, trust_env=False
                ).status_code
                == status
            )

    def test_gives_way_to_a_token_in_the_header(self, caller: Caller) -> None:
        caller.http.cookies.set("CADC_SSO", "wrong")
        assert caller.http.get("/session").status_code == 200

    @pytest.mark.parametrize("origin", [None, "null", "http://127.0.0.1:1", "https://example.org"])
    def test_changes_nothing_for_a_page_of_another_origin(
        self, caller: Caller, browser: httpx.Client, origin: str | None
    ) -> None:
        """Neither of another site, nor of another port of this host, which is no other site to a browser."""
        session = caller.shell("sleep\t60")
        headers = {} if origin is None else {"Origin": origin}
        attempts = [
            browser.post("/skaha/v1/session", data={"name": "x", "image": IMAGE}, headers=headers),
            browser.delete(f"/skaha/v1/session/{session}", headers=headers),
            browser.put("/emulator/faults", json={"latency": {}}, headers=headers),
            browser.post("/emulator/token", json={"token": "mine"}, headers=headers),
        ]
        assert {answer.status_code for answer in attempts} == {403}
        assert [shown["id"] for shown in caller.emulator.live()] == [session]
        assert overview(browser)["faults"] == {}

    def test_changes_what_the_page_wants(self, caller: Caller, browser: httpx.Client) -> None:
        switched = browser.put("/emulator/faults", json={"pull": {"image": "*"}}, headers=from_page(browser))
        assert switched.json()["pull"]["image"] == "*"
        browser.delete("/emulator/faults", headers=from_page(browser)).raise_for_status()
        session = caller.shell("sleep\t60")
        answer = browser.delete(f"/skaha/v1/session/{session}", headers=from_page(browser))
        assert (answer.status_code, answer.text) == (200, "")
        (line,) = overview(browser)["sessions"]
        assert (line["id"], line["live"]) == (session, False)
        assert line["deleted"] is not None


class TestABrowserThatOpensALog:
    LOG = "/skaha/v1/session/k3v9x2qa?view=logs"
    TO_LOGIN = "/?next=%2Fskaha%2Fv1%2Fsession%2Fk3v9x2qa%3Fview%3Dlogs"

    def test_is_sent_to_the_page_and_can_come_back(self, stranger: httpx.Client) -> None:
        answer = stranger.get(self.LOG)
        assert (answer.status_code, answer.headers["location"]) == (303, self.TO_LOGIN)
        assert stranger.get(self.TO_LOGIN).text == asset("index.html")

    def test_is_sent_there_with_the_cookie_of_another_emulator_too(self, stranger: httpx.Client) -> None:
        stranger.cookies.set("CADC_SSO", "of-another-one")
        assert stranger.get(self.LOG).headers["location"] == self.TO_LOGIN

    def test_is_not_sent_in_circles_when_its_token_has_ended(
        self, caller: Caller, browser: httpx.Client
    ) -> None:
        caller.emulator.rotate_token("new")
        answer = browser.get(self.LOG)
        assert (answer.status_code, answer.text) == (401, "token is invalid or has expired\n")

    @pytest.mark.parametrize("accept", ["*/*", "application/json"])
    @pytest.mark.parametrize(
        ("headers", "status", "sentence"),
        [
            ({}, 400, "cannot get group memberships for anonymous\n"),
            ({"Authorization": "Bearer wrong"}, 401, "token is invalid or has expired\n"),
        ],
    )
    def test_a_program_is_refused_in_the_servers_words(
        self, stranger: httpx.Client, accept: str, headers: dict[str, str], status: int, sentence: str
    ) -> None:
        answer = stranger.get(self.LOG, headers={"Accept": accept, **headers})
        assert (answer.status_code, answer.text) == (status, sentence)
        assert "ivoa_bearer" in answer.headers["www-authenticate"]

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_is_sent_nowhere_when_it_would_change_something(
        self, stranger: httpx.Client, method: str
    ) -> None:
        answer = stranger.request(method, self.LOG, headers={"Content-Type": "text/plain"})
        assert (answer.status_code, answer.text) == (400, "cannot get group memberships for anonymous\n")


class TestTheList:
    def test_has_a_line_for_each_session_with_its_end(self, caller: Caller, browser: httpx.Client) -> None:
        failed = caller.shell("exit\t3", name="broken", env=["REPLICA_ID=2", "REPLICA_COUNT=4"])
        caller.until_shown(failed, "Failed")
        notebook = caller.create(type="notebook", name="look")
        caller.until_shown(notebook, "Running")
        shown = overview(browser)
        first, second = shown["sessions"]
        assert (shown["user"], shown["faults"]) == ("astronomer", {})
        assert shown["now"] >= second["created"] >= first["ended"] >= first["started"]
        assert (first["id"], first["status"], first["exit_code"]) == (failed, "Failed", 3)
        assert (first["replica_id"], first["replica_count"]) == ("2", "4")
        assert first["command"] == "/bin/sh -c 'exit\t3'"
        assert first["connect_url"] == ""
        assert second["connect_url"].startswith(f"{root_of(caller)}/session/notebook/{notebook}/")

    def test_keeps_what_the_platform_has_forgotten_with_its_log(
        self, caller: Caller, browser: httpx.Client
    ) -> None:
        session = caller.shell("echo\thi")
        caller.until_shown(session, "Completed")
        caller.emulator.configure(retention=0)
        assert caller.view(session, "logs") == ""
        (line,) = overview(browser)["sessions"]
        assert line["forgotten"] is not None
        assert opened(browser, session)["log"] == "hi\n"

    def test_has_no_environment(self, caller: Caller, browser: httpx.Client) -> None:
        session = caller.create(cmd="true", env="PASSWORD=sesame-7")
        for path in ("/emulator/overview", f"/emulator/sessions/{session}"):
            assert "sesame-7" not in browser.get(path).raise_for_status().text

    async def test_a_command_that_was_carried_is_read_as_what_it_becomes(
        self, caller: Caller, browser: httpx.Client
    ) -> None:
        argv = ("sh", "-c", 'echo "$WHO" <script>')
        spec = SessionSpec(name="carried", image=IMAGE, command=argv, env={"WHO": "a=b"})
        async with SkahaClient(caller.emulator.url, Token(caller.emulator.token)) as client:
            await client.create(spec)
        (line,) = overview(browser)["sessions"]
        assert line["command"] == """sh -c 'echo "$WHO" <script>'"""
        shown = opened(browser, line["id"])
        assert shown["program"] == [*argv]
        assert shown["words"][:2] == ["/bin/sh", "-c"]

    @pytest.mark.parametrize(
        "args", ["-c true sh", "-c true sh no-base64!", "-c true sh 3q2+7w==", "-c true sh Zm9v"]
    )
    def test_a_command_that_only_looks_carried_is_shown_as_it_is(
        self, caller: Caller, browser: httpx.Client, args: str
    ) -> None:
        session = caller.create(cmd="/bin/sh", args=args)
        shown = opened(browser, session)
        assert shown["program"] == shown["words"] == ["/bin/sh", *args.split()]


class TestTheSessionThatIsOpen:
    def test_has_its_log_so_far_and_its_events(self, caller: Caller, browser: httpx.Client) -> None:
        session = caller.shell("echo\t'<b>hi</b>';sleep\t60", cores=2, ram=8)
        caller.until(lambda: caller.view(session, "logs") != "")
        shown = opened(browser, session)
        assert shown["log"] == "<b>hi</b>\n"
        assert shown["events"] == caller.view(session, "events")
        assert shown["resources"] == {"cores": 2, "ram": 8, "gpus": 0}

    def test_has_the_end_of_a_long_log_from_a_whole_line_on(
        self, caller: Caller, browser: httpx.Client
    ) -> None:
        session = caller.create(cmd="seq", args="1 20000")
        caller.until_shown(session, "Completed")
        first, *lines = opened(browser, session)["log"].splitlines()
        assert first == "\N{HORIZONTAL ELLIPSIS} earlier lines are left out"
        assert [int(line) for line in lines] == [*range(int(lines[0]), 20001)]
        assert 5000 < len(lines) < 20000

    def test_may_not_have_written_anything(self, caller: Caller, browser: httpx.Client) -> None:
        caller.emulator.configure(start_delay=60)
        shown = opened(browser, caller.create())
        assert (shown["log"], shown["events"], shown["program"]) == ("", "", [])

    def test_must_have_been_there_once(self, browser: httpx.Client) -> None:
        answer = browser.get("/emulator/sessions/k3v9x2qa")
        assert (answer.status_code, answer.json()["error"]) == (
            404,
            "there has never been a session k3v9x2qa",
        )

    @pytest.mark.parametrize("path", ["/emulator/overview", "/emulator/sessions/k3v9x2qa"])
    def test_is_for_those_with_the_token(self, stranger: httpx.Client, path: str) -> None:
        assert stranger.get(path).status_code == 401
