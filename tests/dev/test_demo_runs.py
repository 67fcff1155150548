"""``make demo`` and ``make up`` on a real Airflow."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from dev.airflow_rest import Run
from dev.demo_home import FIRST_DAG
from dev.platforms import Emulator
from dev.programs import Programs
from dev.stars import DAG
from dev.waiting import wait_until
from tests.dev.demo_process import demo, empty

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(400)]


def test_the_stars_are_found_where_airflow_cannot_read_the_sessions_files(tmp_path: Path) -> None:
    """As on a real platform, which this machine does not mount."""
    if shutil.which("unshare") is None or subprocess.run([*empty(tmp_path), "true"], check=False).returncode:
        pytest.skip("This machine lets us make no mount namespace.")
    with Programs() as programs:
        emulator = Emulator(programs, tmp_path / "emulator", "--start-delay", "2")
        connection = json.dumps(emulator.connection)
        sessions = tmp_path / "emulator" / "state"
        assert [*sessions.rglob("home")]
        with demo(tmp_path, without=sessions, AIRFLOW_CONN_CANFAR_DEFAULT=connection) as process:
            assert process.process.wait(300) == 0, process.output
            assert "8 Completed" in process.output
            assert "stars; the brightest" in process.output
        assert [*sessions.rglob("catalogues/*")]


@pytest.mark.timeout(900)
def test_make_up_prints_the_stars_and_runs_until_ctrl_c(tmp_path: Path) -> None:
    """``make demo`` does the same, except that it stops at the end."""
    with demo(tmp_path, "--stay") as process:
        process.wait_until_it_prints("Press Ctrl-C to stop everything", timeout=300)
        assert "deferred, holding no worker slot" in process.output
        assert "8 Completed" in process.output
        assert "stars; the brightest" in process.output
        sessions = process.output.partition("its page")[2].split()[0]
        assert "CANFAR emulator" in httpx.get(sessions, timeout=60, trust_env=False).text
        with process.airflow() as airflow:
            assert airflow.refuses_foreign_names()
            airflow.add_connection("mine", conn_type="canfar", host="x.test")
            own_run = airflow.trigger("my_first_dag")
            assert own_run.wait(timeout=120) == "success"
            (tmp_path / "dags" / "new.py").write_text(FIRST_DAG.replace("my_first_dag", "new"))
            # Five seconds on an idle machine.
            wait_until(lambda: airflow.has_dag("new"), description="a new file", timeout=20)
        (picture,) = (tmp_path / "home" / "stars").glob("*/stars.png")
        assert process.press_ctrl_c() == 0
        assert process.left_over() == []
    (tmp_path / "dags" / "new.py").write_text("from airflow.sdk import dag\nimport not_installed")
    with demo(tmp_path, "--stay") as process:
        process.wait_until_it_prints("Press Ctrl-C to stop everything", timeout=300)
        assert "stars; the brightest" in process.output, "despite a broken file of the user's"
        with process.airflow() as airflow:
            assert airflow.request("GET", "/connections/mine")["host"] == "x.test"
            assert Run(airflow, "my_first_dag", own_run.run_id).log("greet")
        assert picture.exists()
        assert process.press_ctrl_c() == 0


def test_ctrl_c_during_the_run_stops_all_processes_and_destroys_all_sessions(tmp_path: Path) -> None:
    """Even on a platform that the demo has not started."""
    with Programs() as programs:
        # The sessions stay in the queue until the demo is interrupted.
        emulator = Emulator(programs, tmp_path / "emulator", "--start-delay", "600")
        connection = json.dumps({"host": emulator.url, "password": emulator.token})
        with demo(tmp_path, AIRFLOW_CONN_CANFAR_DEFAULT=connection) as process:
            process.wait_until_it_prints("8 Pending", timeout=240)
            assert process.press_ctrl_c() == 130
            assert process.left_over() == []
        sessions = emulator.all_sessions()
    assert len(sessions) == 8
    assert [session for session in sessions if session["live"]] == []


def test_make_up_on_an_account_has_a_login_and_keeps_the_token_to_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Programs() as programs:
        emulator = Emulator(programs, tmp_path / "emulator", "--user", "jdoe")
        connection = json.dumps(emulator.connection)
        with demo(tmp_path, "--stay", AIRFLOW_CONN_CANFAR_DEFAULT=connection) as process:
            process.wait_until_it_prints("Press Ctrl-C to stop everything", timeout=240)
            assert "jdoe (the bearer token)" in process.output
            assert "The stars are left out" in process.output
            assert process.output.count("with the password ") == 1
            password = process.output.partition("with the password ")[2].split()[0]
            with process.airflow() as airflow:
                assert airflow.refuses_foreign_names()
                for path in ("/api/v2/dags", "/auth/token", "/auth/token/login"):
                    response = httpx.get(f"{airflow.url}{path}", timeout=60, trust_env=False)
                    assert response.status_code in (401, 403)
                airflow.log_in("admin", password)
                # A user of Airflow's page cannot send the token elsewhere.
                elsewhere = "http://127.0.0.1:9/skaha/v1"
                airflow.add_connection("canfar_default", conn_type="canfar", host=elsewhere)
                assert airflow.request("GET", "/dags/asset_driven")["is_paused"]
                run = airflow.trigger("my_first_dag")
                airflow.unpause("my_first_dag")
                assert run.wait(timeout=120) == "success"
            assert [session["exit_code"] for session in emulator.all_sessions()] == [0, 0]
            files = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}
            assert [file for file, content in files.items() if emulator.token.encode() in content] == []
            passwords = home / "passwords.json"
            assert [file for file, content in files.items() if password.encode() in content] == [passwords]
            assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
            assert process.press_ctrl_c() == 0
            assert process.left_over() == []
        assert not passwords.exists()


def test_a_killed_demo_s_run_does_not_go_on_beside_the_next_one(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        process.wait_until_it_prints("8 Pending", timeout=240)
        process.process.kill()
    with demo(tmp_path, "--stay") as process:
        process.wait_until_it_prints("Press Ctrl-C to stop everything", timeout=300)
        with process.airflow() as airflow:
            runs = airflow.request("GET", f"/dags/{DAG}/dagRuns", params={"order_by": "id"})["dag_runs"]
        assert [run["state"] for run in runs] == ["failed", "success"]
        assert process.press_ctrl_c() == 0
