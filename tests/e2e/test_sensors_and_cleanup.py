"""Sensors in each of their modes, interactive sessions and cleanup, on a real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.testing import Emulator as Admin
from dev.waiting import wait_until
from tests.parity.official_client import official_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.airflow_rest import AirflowRest
    from dev.platforms import Emulator

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(400)]

IMAGE = "images.canfar.net/skaha/astroml:24.07"
MODES = ("deferred", "poked", "rescheduled")

LaunchFunction = Callable[..., list[str]]


@pytest.fixture(name="admin")
def _admin(emulator: Emulator) -> Iterator[Admin]:
    """Return the emulator's admin API, and switch all faults off afterwards."""
    admin = Admin(emulator.url, emulator.token)
    yield admin
    admin.clear_faults()


@pytest.fixture(name="launch", scope="module")
def _launch(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaunchFunction]:
    """Launch sessions as a colleague would: with the platform's own client."""
    platform = Admin(emulator.url, emulator.token)
    with official_client(tmp_path_factory.mktemp("home")) as client:

        def launch(name: str, cmd: str = "sleep", args: str = "60", **fields: Any) -> list[str]:
            command = {"cmd": cmd, "args": args} if fields.get("kind", "headless") == "headless" else {}
            ids: list[str] = client.call(platform, "create", name=name, image=IMAGE, **command, **fields)
            return ids

        yield launch


def live(admin: Admin, prefix: str) -> list[str]:
    """Return the names of the live sessions with a prefix."""
    return sorted(session["name"] for session in admin.live() if session["name"].startswith(prefix))


def test_sensors_wait_in_each_mode_for_sessions_that_others_launched(
    airflow: AirflowRest, launch: LaunchFunction
) -> None:
    """A sensor for all sessions fails, or skips with soft_fail, when one of them has failed."""
    run = airflow.trigger("waits", {"prefix": "theirs-"})
    failing = airflow.trigger("waits_for_all", {"prefix": "failing-"})
    run.wait_for("deferred", "deferred", timeout=90)
    failing.wait_for("deferred", "deferred", timeout=90)
    ids = launch("theirs-a", "true", "") + launch("theirs-b", args="15")
    launch("failing-a", "false", "")

    assert run.wait(timeout=150) == "success", run.states()
    for mode in MODES:
        seen = {row["session_id"]: row["status"] for row in run.xcom(mode)}
        assert seen == dict.fromkeys(ids, "Completed")
        assert run.xcom(f"room_{mode}")["cores"] > 1

    assert failing.wait(timeout=150) == "failed"
    expected = dict.fromkeys(MODES, "failed") | {f"softly_{mode}": "skipped" for mode in MODES}
    assert failing.states() == expected
    for mode in MODES:
        assert any("1 Failed" in line for line in failing.log(mode)), "\n".join(failing.log(mode))


def test_a_cleanup_destroys_only_the_selected_sessions(
    airflow: AirflowRest, admin: Admin, launch: LaunchFunction
) -> None:
    """A selection that is too broad is rejected; other kinds, and other names, are left alone."""
    rejected: dict[str, dict[str, Any]] = {
        "{{ params.prefix }} rendered to nothing": {"prefix": ""},
        "matches every name": {"regex": ".*"},
        "Invalid kind 'somebody-s'": {"prefix": "clean-", "kind": "somebody-s"},
    }
    others = launch("clean-notebook", kind="notebook") + launch("keep")
    ids = launch("clean-by-id", replicas=2)
    launch("clean-by-prefix", replicas=2)
    launch("clean-by-regex-7", "true", "")
    selected: dict[str, dict[str, Any]] = {
        "clean-by-prefix-1 clean-by-prefix-2": {"prefix": "clean-by-p"},
        "clean-by-regex-7": {"regex": "^clean.*-[7-9]$"},
        "clean-by-id-1": {"ids": ids[:1]},
    }
    runs = {
        words: airflow.trigger(f"cleans_by_{'_and_'.join(conf)}", conf)
        for words, conf in (rejected | selected).items()
    }

    for reason in rejected:
        assert runs[reason].wait(timeout=120) == "failed"
        log = runs[reason].log("clean")
        assert any(reason in line for line in log), "\n".join(log)
    for names in selected:
        assert runs[names].wait(timeout=120) == "success", "\n".join(runs[names].log("clean"))
        assert sorted(row["name"] for row in runs[names].xcom("clean")) == names.split()
    assert live(admin, "") == ["clean-by-id-2", "clean-notebook", "keep"]
    for session_id in (*others, ids[1]):
        admin.vanish(session_id)


def test_an_interactive_session_outlives_its_task_until_the_task_is_cleared(
    airflow: AirflowRest, admin: Admin
) -> None:
    run = airflow.trigger("opens")
    assert run.wait(timeout=90) == "success", "\n".join(run.log("open"))
    (first,) = admin.live()
    links = run.links("open")
    assert first["id"] in run.xcom("open")
    assert links["Open session"] == run.xcom("open")
    assert links["Science Portal"] == admin.url.removesuffix("skaha/v1")

    run.clear("open")
    wait_until(lambda: run.task("open")["try_number"] == 2, description="the second try", timeout=60)
    assert run.wait(timeout=90) == "success"
    (second,) = admin.live()
    assert second["name"] != first["name"]
    admin.vanish(second["id"])


def test_killing_a_deferred_task_destroys_its_interactive_session(airflow: AirflowRest, admin: Admin) -> None:
    admin.faults(pull={"image": "*/killed:*"})
    run = airflow.trigger("opens", {"image": "images.canfar.net/skaha/killed:1"})
    run.wait_for("open", "deferred", timeout=60)
    (session,) = admin.live()
    assert session["id"] in str(run.links("open")["Open session"])
    # Until a triggerer runs the task's trigger, Airflow notifies no one of a kill.
    wait_until(
        lambda: any(line.endswith(f"{session['id']}: Pending") for line in run.log("open")),
        description="the trigger's first poll",
        timeout=60,
    )
    run.mark_task("open", "failed")
    wait_until(lambda: not admin.live(), description="the end of the session", timeout=60)
