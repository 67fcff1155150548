"""The emulator's page as a browser requests it: its files, its login, and what its cookie can do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from airflow_provider_canfar.emulator.web.assets import PAGE_FILES, SCRIPTS, asset
from tests.emulator.browser import browser_of, from_page, log_in, overview, root_of
from tests.emulator.conftest import IMAGE, PASSWORD

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

PATHS = ("/", *(f"/emulator/page/{name}" for name in PAGE_FILES))
ALL_SCRIPTS = "\n".join(asset(name) for name in SCRIPTS)


class TestThePage:
    @pytest.mark.parametrize(
        ("path", "media_type"), [*zip(PATHS, ("text/html", *PAGE_FILES.values()), strict=True)]
    )
    def test_it_and_its_files_need_no_credential(
        self, stranger: httpx.Client, path: str, media_type: str
    ) -> None:
        response = stranger.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert response.headers["x-content-type-options"] == "nosniff"

    def test_it_loads_nothing_from_elsewhere_and_runs_nothing_inline(self, stranger: httpx.Client) -> None:
        response = stranger.get("/")
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        linked = re.findall(r"(?:src|href)=\"(?!data:)([^\"]*)", response.text)
        assert linked == ["/emulator/page/page.css", "/emulator/page/page.js"]
        assert not re.search(r"<script>|<style|\bstyle=|\bon[a-z]+=", response.text)

    @pytest.mark.parametrize("name", ["index.html", "page.py", "..%2Fassets.py", "session.html"])
    def test_other_files_are_not_served(self, stranger: httpx.Client, name: str) -> None:
        assert stranger.get(f"/emulator/page/{name}").status_code == 404

    def test_its_scripts_import_only_files_that_are_served(self) -> None:
        imported = set(re.findall(r"^import .* from \"\./([a-z.]+)\";$", ALL_SCRIPTS, re.MULTILINE))
        assert imported == {*SCRIPTS} - {"page.js"}
        assert ALL_SCRIPTS.count("import ") == len(re.findall("^import ", ALL_SCRIPTS, re.MULTILINE))

    def test_no_file_of_it_contains_the_token(self, make_caller: Callable[..., Caller]) -> None:
        caller = make_caller(token="sesame-7")
        with browser_of(caller) as browser:
            log_in(browser, "sesame-7").raise_for_status()
            assert all("sesame-7" not in browser.get(path).text for path in (*PATHS, "/emulator/overview"))

    def test_its_scripts_make_no_html_out_of_text(self) -> None:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|localStorage",
            ALL_SCRIPTS,
        )

    def test_each_element_that_its_scripts_look_up_exists(self) -> None:
        looked_up = set(re.findall(r"(?:\$|setStatus)\(\"([a-z-]+)\"", ALL_SCRIPTS))
        assert len(looked_up) > 20
        assert looked_up <= set(re.findall(r"\bid=\"([a-z-]+)\"", asset("index.html")))

    def test_each_fault_that_it_offers_can_be_switched_on(self, caller: Caller) -> None:
        offered = re.findall(r"^  \[\"[^\"]+\", \"[^\"]+\", (\{.*\})\],$", asset("faults.js"), re.MULTILINE)
        assert len(offered) == 7
        for fault in offered:
            in_json = re.sub(r"(\w+):", r'"\1":', fault)
            response = httpx.put(
                f"{root_of(caller)}/emulator/faults",
                content=in_json,
                headers={"Authorization": f"Bearer {caller.emulator.token}"},
                trust_env=False,
            )
            assert response.status_code == 200, response.text

    def test_faults_and_request_counts_leave_it_out(self, caller: Caller, browser: httpx.Client) -> None:
        caller.emulator.faults(outage={"mode": "close"})
        assert all(browser.get(path).status_code == 200 for path in PATHS)
        assert overview(browser)["faults"]["outage"]["fired"] == 0
        assert caller.emulator.requests() == {}


class TestTheLogin:
    def test_a_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(
        self, shared_caller: Caller, stranger: httpx.Client
    ) -> None:
        response = log_in(stranger, shared_caller.emulator.token)
        assert response.json() == {}
        assert response.headers["set-cookie"] == (
            f"CADC_SSO={shared_caller.emulator.token}; HttpOnly; Path=/; SameSite=strict"
        )

    @pytest.mark.parametrize("token", ["wrong", "Token", "token2"])
    def test_another_token_gets_no_cookie(self, stranger: httpx.Client, token: str) -> None:
        response = log_in(stranger, token)
        assert response.status_code == 401
        assert "set-cookie" not in response.headers

    def test_a_form_on_another_site_cannot_log_in(
        self, shared_caller: Caller, stranger: httpx.Client
    ) -> None:
        """It can send a body, but it cannot set a header."""
        response = stranger.post("/emulator/login", data={"token": shared_caller.emulator.token})
        assert (response.status_code, "set-cookie" in response.headers) == (401, False)

    def test_a_token_that_a_cookie_has_to_quote_works(self, make_caller: Callable[..., Caller]) -> None:
        caller = make_caller(token='a=b; "c", d\\/+')
        with browser_of(caller) as browser:
            assert log_in(browser, caller.emulator.token).status_code == 200
            assert overview(browser)["user"] == "astronomer"

    def test_logging_out_takes_the_access_away(self, browser: httpx.Client) -> None:
        assert browser.delete("/emulator/login", headers=from_page(browser)).status_code == 200
        assert browser.get("/emulator/overview").status_code == 401


class TestACookie:
    def test_opens_the_platform_s_own_calls(self, caller: Caller, browser: httpx.Client) -> None:
        session = caller.shell("echo\thi")
        caller.until_status(session, "Completed")
        response = browser.get(f"/skaha/v1/session/{session}", params={"view": "logs"})
        assert (response.status_code, response.text) == (200, "hi\n")
        assert response.headers["x-vo-authenticated"] == "astronomer"

    def test_is_as_valid_as_the_token_in_it(self, shared_caller: Caller, stranger: httpx.Client) -> None:
        """That includes a token from the platform's login, and a wrong token is refused."""
        login = {"username": "astronomer", "password": PASSWORD}
        for value, status in ((stranger.post("/ac/login", data=login).text, 200), ("wrong", 401)):
            headers = {"Cookie": f"CADC_SSO={value}", "Accept": "*/*"}
            assert (
                httpx.get(
                    f"{shared_caller.emulator.url}/session", headers=headers, trust_env=False
                ).status_code
                == status
            )

    def test_yields_to_a_token_in_the_header(self, caller: Caller) -> None:
        caller.http.cookies.set("CADC_SSO", "wrong")
        assert caller.http.get("/session").status_code == 200

    @pytest.mark.parametrize("origin", [None, "null", "http://127.0.0.1:1", "https://example.org"])
    def test_cannot_change_anything_for_a_page_of_another_origin(
        self, caller: Caller, browser: httpx.Client, origin: str | None
    ) -> None:
        """A browser treats another port of this host as the same site, so that origin is tried, too."""
        session = caller.shell("sleep\t60")
        headers = {} if origin is None else {"Origin": origin}
        attempts = [
            browser.post("/skaha/v1/session", data={"name": "x", "image": IMAGE}, headers=headers),
            browser.delete(f"/skaha/v1/session/{session}", headers=headers),
            browser.put("/emulator/faults", json={"latency": {}}, headers=headers),
            browser.post("/emulator/token", json={"token": "mine"}, headers=headers),
        ]
        assert {response.status_code for response in attempts} == {403}
        assert [live["id"] for live in caller.emulator.live()] == [session]
        assert overview(browser)["faults"] == {}

    def test_can_change_anything_for_the_page_itself(self, caller: Caller, browser: httpx.Client) -> None:
        switched = browser.put("/emulator/faults", json={"pull": {"image": "*"}}, headers=from_page(browser))
        assert switched.json()["pull"]["image"] == "*"
        browser.delete("/emulator/faults", headers=from_page(browser)).raise_for_status()
        session = caller.shell("sleep\t60")
        response = browser.delete(f"/skaha/v1/session/{session}", headers=from_page(browser))
        assert (response.status_code, response.text) == (200, "")
        (line,) = overview(browser)["sessions"]
        assert (line["id"], line["live"]) == (session, False)
        assert line["deleted"] is not None


class TestABrowserThatOpensALog:
    LOG = "/skaha/v1/session/k3v9x2qa?view=logs"
    TO_LOGIN = "/?next=%2Fskaha%2Fv1%2Fsession%2Fk3v9x2qa%3Fview%3Dlogs"

    def test_is_redirected_to_the_page_and_can_come_back(self, stranger: httpx.Client) -> None:
        response = stranger.get(self.LOG)
        assert (response.status_code, response.headers["location"]) == (303, self.TO_LOGIN)
        assert stranger.get(self.TO_LOGIN).text == asset("index.html")

    def test_is_redirected_there_with_another_emulator_s_cookie_too(self, stranger: httpx.Client) -> None:
        stranger.cookies.set("CADC_SSO", "of-another-one")
        assert stranger.get(self.LOG).headers["location"] == self.TO_LOGIN

    def test_is_not_redirected_in_a_loop_when_its_token_has_expired(
        self, caller: Caller, browser: httpx.Client
    ) -> None:
        caller.emulator.rotate_token("new")
        response = browser.get(self.LOG)
        assert (response.status_code, response.text) == (401, "token is invalid or has expired\n")

    @pytest.mark.parametrize("accept", ["*/*", "application/json"])
    @pytest.mark.parametrize(
        ("headers", "status", "sentence"),
        [
            ({}, 400, "cannot get group memberships for anonymous\n"),
            ({"Authorization": "Bearer wrong"}, 401, "token is invalid or has expired\n"),
        ],
    )
    def test_a_program_gets_the_server_s_own_error(
        self, stranger: httpx.Client, accept: str, headers: dict[str, str], status: int, sentence: str
    ) -> None:
        response = stranger.get(self.LOG, headers={"Accept": accept, **headers})
        assert (response.status_code, response.text) == (status, sentence)
        assert "ivoa_bearer" in response.headers["www-authenticate"]

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_is_not_redirected_when_it_would_change_something(
        self, stranger: httpx.Client, method: str
    ) -> None:
        response = stranger.request(method, self.LOG, headers={"Content-Type": "text/plain"})
        assert (response.status_code, response.text) == (400, "cannot get group memberships for anonymous\n")
