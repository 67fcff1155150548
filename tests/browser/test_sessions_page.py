"""A user watches the sessions of a task in Airflow's own page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from dev.waiting import wait_until
from tests.browser.emulator_page import EmulatorPage
from tests.browser.sessions_page import SessionsPage

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from dev.airflow_rest import Run
    from dev.local_airflow import LocalAirflow
    from dev.platforms import Emulator
    from tests.browser.airflow_pages import AirflowPages

#: As many replicas in as many states as a picture of them must show.
MANY = "s" * 6_000 + "f" * 17 + "s" * 3_983


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of the task that runs until there is a file in it."""
    folder = tmp_path_factory.mktemp("moving")
    yield folder
    (folder / "stop").touch()


@pytest.fixture(name="made_up", scope="module")
def _made_up(local_airflow: LocalAirflow, folder: Path) -> Run:
    """Run the tasks with made-up XComs; one of them keeps running during the tests."""
    run = local_airflow.rest.trigger("made_up", {"states": MANY, "folder": str(folder)})
    for task_id in ("many", "hostile", "other"):
        assert run.wait_for(task_id, timeout=180) == "success"
    return run


@pytest.fixture(name="requests")
def _requests(context: BrowserContext) -> list[str]:
    """Record the addresses of all requests; Airflow's page makes workers of its own blobs."""
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url.removeprefix("blob:")))
    return requests


def test_the_tab_fills_while_eight_replicas_run_one_fails_and_a_retry_runs_one(
    airflow: AirflowPages,
    local_airflow: LocalAirflow,
    connection: str,
    emulator: Emulator,
    tmp_path: Path,
    requests: list[str],
    screenshot: Callable[[Page, str], None],
) -> None:
    run = local_airflow.rest.trigger("eight", {"folder": str(tmp_path)})
    run.wait_for("detect_stars", "deferred", timeout=180)
    tab = airflow.open_sessions(run, "detect_stars")
    expect(tab.cells).to_have_count(8)
    expect(tab.headline).to_contain_text("8 replicas: ")
    assert "succeeded" not in tab.headline.inner_text()

    (tmp_path / "1").touch()
    expect(tab.cells.nth(0)).to_have_attribute("data-state", "succeeded")
    later = "The task's log gets its lines when the task resumes; Open session shows them now."
    expect(tab.open(1)).to_contain_text(later)
    expect(tab.open(3).get_by_role("heading", name="Replica 3")).to_be_visible()

    for replica in range(1, 9):
        (tmp_path / str(replica)).touch()
    failed = re.compile(r"detect-stars-.*-3-1")
    wait_until(
        lambda: any(
            failed.fullmatch(one["name"]) and one["status"] == "Failed" for one in emulator.all_sessions()
        ),
        description="the failure of replica 3",
        timeout=120,
    )
    (tmp_path / "mended").touch()
    assert run.wait(timeout=300) == "success"
    expect(tab.headline).to_have_text("8 replicas: 8 succeeded")
    expect(tab.tries).to_have_count(2)
    expect(tab.tries.nth(0)).to_contain_text("8 ran: 7 succeeded, 1 failed")
    expect(tab.tries.nth(1)).to_contain_text("1 ran again, 7 kept: 8 succeeded")
    expect(tab.details).to_contain_text("Replica 3 has finished")
    expect(tab.details).to_contain_text("try 2")
    expect(airflow.page.get_by_text("Success", exact=True).first).to_be_visible()
    airflow.page.set_viewport_size({"width": 1280, "height": 860})
    screenshot(airflow.page, "sessions-retry")

    expect(tab.open(5)).to_contain_text("Replica 5 has finished")
    with airflow.page.context.expect_page() as opened:
        tab.details.get_by_role("link", name="Open session").click()
    EmulatorPage(opened.value).log_in(emulator.token)
    expect(opened.value.get_by_text("Replica 5 has finished")).to_be_visible()
    assert {url for url in requests if not url.startswith((airflow.url, emulator.root))} <= {"about:blank"}


def test_the_grid_moves_while_a_task_keeps_twenty_four_of_its_replicas_running(
    airflow: AirflowPages,
    local_airflow: LocalAirflow,
    connection: str,
    screenshot: Callable[[Page, str], None],
) -> None:
    """The picture in the README."""
    run = local_airflow.rest.trigger("survey")
    run.wait_for("detect_stars", "deferred", timeout=180)
    tab = airflow.open_sessions(run, "detect_stars")
    half = re.compile(r"not launched.* running, (?:[4-9]\d) succeeded, 1 failed")
    expect(tab.headline).to_contain_text(half, timeout=240_000)
    tab.open(29)
    expect(tab.details).to_contain_text("tile 29: no such plate")
    airflow.page.set_viewport_size({"width": 1280, "height": 710})
    screenshot(airflow.page, "sessions-live")

    assert run.wait(timeout=300) == "success"
    expect(tab.headline).to_have_text("120 replicas: 119 succeeded, 1 failed")


def test_a_running_task_shows_its_counts_pace_and_expected_end_in_airflow_s_theme(
    airflow: AirflowPages, made_up: Run, requests: list[str], screenshot: Callable[[Page, str], None]
) -> None:
    made_up.wait_for("moving", "running", timeout=120)
    airflow.page.emulate_media(color_scheme="light")
    tab = airflow.open_sessions(made_up, "moving")
    counts = "61 not launched, 12 pending, 96 running, 328 succeeded, 3 failed"
    expect(tab.headline).to_have_text(f"500 replicas: {counts}")
    expect(tab.frame.get_by_text(re.compile(r"^Since .+ · 166 per hour · Expected end .+"))).to_be_visible()
    expect(tab.cells).to_have_count(500)
    screenshot(airflow.page, "sessions-running")
    airflow.page.emulate_media(color_scheme="dark")
    expect(tab.frame.locator("html")).to_have_attribute("data-theme", "dark")
    screenshot(airflow.page, "sessions-running-dark")
    for width in (1400, 800):
        airflow.page.set_viewport_size({"width": width, "height": 800})
        expect(tab.filter("Not launched")).to_be_in_viewport(ratio=1)
        assert tab.evaluate("(root) => root.scrollWidth <= root.clientWidth")
        screenshot(airflow.page, f"sessions-running-{width}")
    airflow.page.set_viewport_size({"width": 1280, "height": 800})

    tab.filter("Failed").click()
    expect(tab.cells).to_have_count(3)
    expect(tab.cells.first).to_have_attribute("aria-label", "Replica 288, failed")
    tab.frame.get_by_role("button", name="Table").click()
    expect(tab.frame.get_by_role("row")).to_have_count(4)
    tab.filter("Failed").click()
    expect(tab.frame.get_by_role("row")).to_have_count(101)
    tab.frame.get_by_role("button", name="Next").click()
    expect(tab.frame.get_by_text("101 to 200 of 500")).to_be_visible()
    assert not [url for url in requests if not url.startswith(airflow.url)]


def test_the_keyboard_reaches_each_replica(airflow: AirflowPages, made_up: Run) -> None:
    tab = airflow.open_sessions(made_up, "moving")
    tab.cells.first.focus()
    airflow.page.keyboard.press("ArrowRight")
    expect(tab.cells.nth(1)).to_be_focused()
    airflow.page.keyboard.press("End")
    airflow.page.keyboard.press("Enter")
    expect(tab.details.get_by_role("heading", name="Replica 500")).to_be_visible()
    expect(tab.details).to_contain_text("no session yet")
    airflow.page.keyboard.press("Escape")
    expect(tab.details).to_be_hidden()


def test_ten_thousand_replicas_are_drawn_and_scroll(
    airflow: AirflowPages, made_up: Run, screenshot: Callable[[Page, str], None]
) -> None:
    """How long it took is printed, and not judged: another program may have the processor."""
    tab = airflow.open_sessions(made_up, "many")
    expect(tab.headline).to_have_text("10,000 replicas: 9,983 succeeded, 17 failed")
    expect(tab.grid.locator("canvas")).to_be_visible()
    (drawn,) = tab.evaluate(
        "() => performance.getEntriesByName('draw replicas').map((one) => [one.detail, one.duration])"
    )
    print(f"drawing {drawn[0]:,} replicas took {drawn[1]:.1f} ms")
    assert drawn[0] == 10_000
    screenshot(airflow.page, "sessions-10000")

    tab.grid.focus()
    airflow.page.keyboard.press("End")
    expect(tab.grid.get_by_role("option", name="Replica 10000, succeeded")).to_be_in_viewport()
    frames = tab.evaluate(
        """async () => {
            const times = [];
            for (let at = 0; at < 60; at++) {
                scrollTo(0, at * 10);
                times.push(await new Promise(requestAnimationFrame));
            }
            return times.slice(1).map((time, at) => time - times[at]);
        }"""
    )
    print(f"60 frames of scrolling: {sum(frames) / len(frames):.0f} ms each, {max(frames):.0f} ms at most")
    assert len(frames) == 59
    airflow.page.keyboard.press("Enter")
    expect(tab.details.get_by_role("heading", name="Replica 10000")).to_be_visible()


def test_names_and_log_lines_are_text(airflow: AirflowPages, made_up: Run) -> None:
    tab = airflow.open_sessions(made_up, "hostile")
    details = tab.open(1)
    markup = "<img src=x onerror=document.title='hacked'>"
    expect(details.get_by_text(markup, exact=True)).to_have_count(2)
    expect(details.get_by_role("link")).to_have_count(0)
    assert tab.evaluate("() => document.images.length + parent.document.title.includes('hacked')") == 0


def test_a_task_of_another_operator_gets_one_line(airflow: AirflowPages, made_up: Run) -> None:
    tab = airflow.open_sessions(made_up, "other")
    expect(tab.notice).to_have_text(
        re.compile(r"This task \(.+\) has no sessions on the CANFAR Science Platform\.")
    )
    expect(tab.headline).to_be_hidden()


def test_the_tab_of_a_run_lists_its_tasks_with_sessions(airflow: AirflowPages, made_up: Run) -> None:
    airflow.page.goto(f"{made_up.page_url}/plugin/canfar-run-sessions")
    tab = SessionsPage(airflow.page)
    expect(tab.headline).to_have_text("3 tasks with sessions")
    expect(tab.frame.get_by_text("10,000 replicas: 9,983 succeeded, 17 failed")).to_be_visible()
    tab.frame.get_by_role("link", name="many").click()
    airflow.page.wait_for_url("**/tasks/many/plugin/canfar-sessions")
    expect(airflow.tab("Sessions")).to_have_attribute("aria-current", "page")
    expect(tab.headline).to_contain_text("10,000 replicas")


def test_a_person_without_permission_for_the_dag_sees_nothing(
    airflow: AirflowPages, local_airflow: LocalAirflow
) -> None:
    run = local_airflow.rest.trigger("hidden")
    assert run.wait(timeout=180) == "success"
    query = f"dag_id=hidden&run_id={run.run_id}&task_id=secret&map_index=%7BMAP_INDEX%7D"
    for name in ("task", "run"):
        airflow.page.goto(f"{airflow.url}/canfar/sessions/{name}.html?{query}")
        expect(airflow.page.get_by_role("status")).to_contain_text("Airflow does not let you see this task.")
        expect(airflow.page.get_by_role("option")).to_have_count(0)
        assert "secret-star" not in airflow.page.content()
