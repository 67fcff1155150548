"""Sensors in each of their modes, interactive sessions and cleanup, on a real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.testing import Emulator as Admin
from dev.platforms import TOKEN
from dev.waiting import until
from tests.parity.official_client import official_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.airflow_rest import AirflowRest
    from dev.platforms import Emulator

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(400)]

IMAGE = "images.canfar.net/skaha/astroml:24.07"
MODES = ("deferred", "poked", "rescheduled")

AssignedSession = Callable[..., list[str]]


@pytest.fixture(name="admin")
def _admin(emulator: Emulator) -> Iterator[Admin]:
    """Switch the emulator's faults on; all are off again afterwards."""
    admin = Admin(emulator.url, TOKEN)
    yield admin
    admin.clear_faults()


@pytest.fixture(name="launch", scope="module")
def _launch(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AssignedSession]:
    """Launch sessions as a colleague does: with the platform's own client."""
    platform = Admin(emulator.url, TOKEN)
    with official_client(tmp_path_factory.mktemp("home")) as client:

        def launch(name: str, cmd: str = "sleep", args: str = "60", **fields: Any) -> list[str]:
            command = {"cmd": cmd, "args": args} if fields.get("kind", "headless") == "headless" else {}
            ids: list[str] = client.call(platform, "create", name=name, image=IMAGE, **command, **fields)
            return ids

        yield launch


def live(admin: Admin, prefix: str) -> list[str]:
    """Return the names of live sessions that start like this."""
    return sorted(session["name"] for session in admin.live() if session["name"].startswith(prefix))


def test_each_mode_waits_for_what_somebody_else_has_launched(
    airflow: AirflowRest, launch: AssignedSession
) -> None:
    """And fails, or skips, when one of all has failed."""
    run = airflow.trigger("waits", {"prefix": "theirs-"})
    failing = airflow.trigger("waits_for_all", {"prefix": "failing-"})
    run.wait_for("deferred", "deferred", seconds=90)
    failing.wait_for("deferred", "deferred", seconds=90)
    ids = launch("theirs-a", "true", "") + launch("theirs-b", args="15")
    launch("failing-a", "false", "")

    assert run.wait(seconds=150) == "success", run.states()
    for mode in MODES:
        seen = {row["session_id"]: row["status"] for row in run.xcom(mode)}
        assert seen == dict.fromkeys(ids, "Completed")
        assert run.xcom(f"room_{mode}")["cores"] > 1

    assert failing.wait(seconds=150) == "failed"
    expected = dict.fromkeys(MODES, "failed") | {f"softly_{mode}": "skipped" for mode in MODES}
    assert failing.states() == expected
    for mode in MODES:
        assert any("1 Failed" in line for line in failing.log(mode)), "\n".join(failing.log(mode))


def test_a_cleanup_destroys_what_is_chosen_and_no_more(
    airflow: AirflowRest, admin: Admin, launch: AssignedSession
) -> None:
    """What would destroy too much is refused; other kinds, and other names, are left alone."""
    refused: dict[str, dict[str, Any]] = {
        "{{ params.prefix }} rendered to nothing": {"prefix": ""},
        "is found in every name": {"regex": ".*"},
        "The kind 'somebody-s' is refused": {"prefix": "clean-", "kind": "somebody-s"},
    }
    others = launch("clean-notebook", kind="notebook") + launch("keep")
    ids = launch("clean-by-id", replicas=2)
    launch("clean-by-prefix", replicas=2)
    launch("clean-by-regex-7", "true", "")
    chosen: dict[str, dict[str, Any]] = {
        "clean-by-prefix-1 clean-by-prefix-2": {"prefix": "clean-by-p"},
        "clean-by-regex-7": {"regex": "^clean.*-[7-9]$"},
        "clean-by-id-1": {"ids": ids[:1]},
    }
    runs = {
        words: airflow.trigger(f"cleans_by_{'_and_'.join(conf)}", conf)
        for words, conf in (refused | chosen).items()
    }

    for reason in refused:
        assert runs[reason].wait(seconds=120) == "failed"
        log = runs[reason].log("clean")
        assert any(reason in line for line in log), "\n".join(log)
    for names in chosen:
        assert runs[names].wait(seconds=120) == "success", "\n".join(runs[names].log("clean"))
        assert sorted(row["name"] for row in runs[names].xcom("clean")) == names.split()
    assert live(admin, "") == ["clean-by-id-2", "clean-notebook", "keep"]
    for session_id in (*others, ids[1]):
        admin.vanish(session_id)


def test_a_session_that_a_person_uses_outlives_its_task_until_that_is_cleared(
    airflow: AirflowRest, admin: Admin
) -> None:
    run = airflow.trigger("opens")
    assert run.wait(seconds=90) == "success", "\n".join(run.log("open"))
    (first,) = admin.live()
    links = run.links("open")
    assert first["id"] in run.xcom("open")
    assert links["Open session"] == run.xcom("open")
    assert links["Science Portal"] == admin.url.removesuffix("skaha/v1")

    run.clear("open")
    until(lambda: run.task("open")["try_number"] == 2, for_what="the second try", seconds=60)
    assert run.wait(seconds=90) == "success"
    (second,) = admin.live()
    assert second["name"] != first["name"]
    admin.vanish(second["id"])


def test_a_session_does_not_outlive_a_task_that_is_killed_while_it_waits(
    airflow: AirflowRest, admin: Admin
) -> None:
    admin.faults(pull={"image": "*/killed:*"})
    run = airflow.trigger("opens", {"image": "images.canfar.net/skaha/killed:1"})
    run.wait_for("open", "deferred", seconds=60)
    (session,) = admin.live()
    assert session["id"] in str(run.links("open")["Open session"])
    # Before a triggerer has taken the wait over, Airflow tells nobody of a kill.
    until(
        lambda: any(line.endswith(f"{session['id']}: Pending") for line in run.log("open")),
        for_what="a trigger that looks",
        seconds=60,
    )
    run.mark_task("open", "failed")
    until(lambda: not admin.live(), for_what="the end of the session", seconds=60)
