"""The files on the emulator's page, and those that a browser opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.api.home_files import MAX_FILES, home_files
from tests.emulator.browser import from_page

if TYPE_CHECKING:
    import httpx

    from tests.emulator.conftest import Caller


def listing(browser: httpx.Client) -> dict[str, Any]:
    data: dict[str, Any] = browser.get("/emulator/files").raise_for_status().json()
    return data


def test_the_page_lists_the_home_with_sizes_and_times(browser: httpx.Client) -> None:
    home = Path(listing(browser)["folder"])
    (home / "a").mkdir()
    (home / "a" / "<b>&x.fits").write_bytes(b"12345")
    os.utime(home / "a" / "<b>&x.fits", (0, 1_700_000_000))
    (home / "link").symlink_to("/etc")
    (home / os.fsdecode(b"\xff")).touch()
    files = listing(browser)["files"]
    assert [each["name"] for each in files] == ["a/", "a/<b>&x.fits", "link", "\ufffd"]
    assert [files[0]["size"], files[1]["size"], files[1]["modified"]] == [None, 5, 1_700_000_000]


def test_many_files_are_counted_but_not_all_listed(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 5):
        (tmp_path / str(number)).touch()
    found = home_files(tmp_path)
    assert (len(found["files"]), found["count"]) == (MAX_FILES, MAX_FILES + 5)


def test_a_stranger_sees_no_files(stranger: httpx.Client) -> None:
    assert stranger.get("/emulator/files").status_code == 401


def test_a_browser_that_has_logged_in_opens_a_file_whose_scripts_do_not_run(
    browser: httpx.Client, caller: Caller
) -> None:
    path = "/arc/files/home/astronomer/page.html"
    headers = {"Authorization": f"Bearer {caller.emulator.token}", "Content-Type": "text/html"}
    browser.put(path, content=b"<script>alert(1)</script>", headers=headers).raise_for_status()
    opened = browser.get(path)
    assert opened.content == b"<script>alert(1)</script>"
    assert opened.headers["content-security-policy"] == "sandbox"


def test_a_browser_without_the_cookie_is_sent_to_the_login(stranger: httpx.Client) -> None:
    opened = stranger.get("/arc/files/home/astronomer/x")
    assert (opened.status_code, opened.headers["location"]) == (
        303,
        "/?next=%2Farc%2Ffiles%2Fhome%2Fastronomer%2Fx",
    )


def test_another_origin_changes_nothing_with_the_cookie(browser: httpx.Client) -> None:
    path = "/arc/files/home/astronomer/x"
    elsewhere = {"Origin": "http://127.0.0.1:1", "Accept": "*/*"}
    assert browser.put(path, content=b"x", headers=elsewhere).status_code == 403
    assert browser.request("DELETE", "/arc/nodes/home/astronomer/x", headers=elsewhere).status_code == 403
    assert browser.put(path, content=b"x", headers=from_page(browser)).status_code == 201
