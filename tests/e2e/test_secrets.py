"""No secret is in anything that a real Airflow writes, at DEBUG: its logs, its database, its API.

Airflow masks the function's argument where it stores arguments, as its variable's name says that it is
secret; the values of ``env`` it would not mask. The output of sessions does not count: they print no secret.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trustme

from airflow_provider_canfar.emulator.faults.encodings import ENCODINGS
from dev.local_airflow import LocalAirflow
from dev.platforms import Emulator
from dev.waiting import wait_until
from tests.skaha.test_secrets import Canaries
from tests.test_secrets import Grants

if TYPE_CHECKING:
    from dev.airflow_rest import AirflowRest, Run
    from dev.programs import Programs

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(600)]

#: What encodings change.
TAIL = "&<é>\"'%"


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(scope="module")
def password(canaries: Canaries) -> str:
    return canaries.plant(TAIL)


@pytest.fixture(scope="module")
def emulator(
    programs: Programs, canaries: Canaries, password: str, tmp_path_factory: pytest.TempPathFactory
) -> Emulator:
    """Start an emulator with secrets of this test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANFAR_EMULATOR_PASSWORD", password)
        emulator = Emulator(programs, tmp_path_factory.mktemp("emulator"))
    canaries.planted.append(emulator.token)
    return emulator


@pytest.fixture(scope="module")
def grants(emulator: Emulator, canaries: Canaries) -> Iterator[Grants]:
    leaf = trustme.CA().issue_cert(common_name="mcurie")
    canaries.plant_text(leaf.private_key_pem.bytes().decode())
    with Grants(canaries, emulator.token, leaf.private_key_and_cert_chain_pem.bytes().decode()) as server:
        thread = Thread(target=partial(server.serve_forever, poll_interval=0.02))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def local_airflow(
    programs: Programs,
    emulator: Emulator,
    grants: Grants,
    canaries: Canaries,
    password: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LocalAirflow]:
    """Start an Airflow at DEBUG, with a connection for each kind of credential."""
    registry = {"registry_username": "mcurie", "registry_secret": canaries.plant(TAIL)}
    login = {"login": "astronomer", "password": password}
    oidc = {
        "client_id": "a-client",
        "client_secret": canaries.plant(TAIL),
        "refresh_token": canaries.plant(),
        "oidc_url": f"{grants.url}/token",
    }
    host = {"conn_type": "canfar", "host": emulator.connection["host"]}
    connections: dict[str, dict[str, Any]] = {
        "token": {"password": emulator.token, "extra": registry},
        "in_a_hurry": {"password": emulator.token, "extra": {**registry, "create_timeout": 1}},
        "login": {**login, "extra": {"login_url": f"{emulator.root}/ac/login"}},
        "oidc": {"extra": oidc},
        "certificate": {"extra": {"proxy_certificate": grants.pem}},
    }
    env = {
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "SECRET_LITERAL": canaries.plant(f" = ${TAIL}"),
        "AIRFLOW_VAR_PLATE": canaries.plant(f" = ${TAIL}"),
        "AIRFLOW_VAR_PLATE_SECRET": canaries.plant(TAIL),
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(host | one) for name, one in connections.items()},
    }
    home = tmp_path_factory.mktemp("airflow")
    folders = [Path(__file__).parent / "dags"]
    with LocalAirflow(home, folders, programs=programs, env=env) as local_airflow:
        yield local_airflow


@pytest.fixture
def airflow(local_airflow: LocalAirflow, emulator: Emulator) -> Iterator[AirflowRest]:
    local_airflow.wait_until_healthy()
    yield local_airflow.rest
    inject(emulator)
    wait_until(
        lambda: not [one for one in emulator.all_sessions() if one["live"]],
        description="the end of all sessions",
        timeout=60,
    )


def inject(emulator: Emulator, **faults: Any) -> None:
    """Switch faults on, and all others off."""
    headers = {"Authorization": f"Bearer {emulator.token}"}
    with httpx.Client(base_url=f"{emulator.root}/emulator", headers=headers, trust_env=False) as client:
        client.delete("/faults").raise_for_status()
        client.put("/faults", json=faults).raise_for_status()


def assert_no_secret(local_airflow: LocalAirflow, canaries: Canaries) -> None:
    """Look for each secret in all files of Airflow, in each cell of its database, and in its API."""
    files = [file for file in local_airflow.home.rglob("*") if file.is_file()]
    assert {"scheduler.log", "triggerer.log", "api-server.log", "dag-processor.log", "airflow.db"} <= {
        file.name for file in files
    }
    tables = dumped(local_airflow.home / "airflow.db")
    assert {"dag_run", "task_instance", "xcom", "rendered_task_instance_fields"} <= tables.keys()
    texts = {str(file): file.read_bytes().decode("utf-8", "replace") for file in files}
    texts |= {f"the table {name}": text for name, text in tables.items()}
    every = "/dags/~/dagRuns/~/taskInstances"
    for path in (every, f"{every}/~/xcomEntries", "/connections", "/variables"):
        parameters = {"limit": 1000}
        if not path.endswith("/variables"):
            texts[path] = json.dumps(local_airflow.rest.request("GET", path, params=parameters))
    found = {where: hits for where, text in texts.items() if (hits := canaries.found_in(text))}
    assert found == {}


def dumped(database: Path) -> dict[str, str]:
    """Return the rows of each table as text, with what is compressed in them."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        names = [
            name.decode()
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        queries = {name: f'SELECT * FROM "{name}"' for name in names}  # noqa: S608 - its own tables
        return {
            name: "\n".join(text_of(cell) for row in connection.execute(query) for cell in row)
            for name, query in queries.items()
        }


def text_of(cell: Any) -> str:
    if not isinstance(cell, bytes):
        return str(cell)
    try:
        return zlib.decompress(cell).decode("utf-8", "replace")
    except zlib.error:
        return cell.decode("utf-8", "replace")


def log_of(run: Run, task_id: str = "program", try_number: int = 1) -> str:
    # A task has no log before the scheduler has seen it.
    has_begun = any(one["task_id"] == task_id and one["start_date"] for one in run.tasks())
    return "\n".join(run.log(task_id, try_number=try_number)) if has_begun else ""


def test_no_success_tells_a_secret(
    airflow: AirflowRest, local_airflow: LocalAirflow, canaries: Canaries
) -> None:
    # One after the other: at DEBUG, Airflow writes so much that its SQLite is soon busy.
    for dag_id, connection in (
        ("secret_values", "token"),
        ("secret_values", "login"),
        ("secret_values", "oidc"),
        ("secret_values_in_worker", "token"),
    ):
        run = airflow.trigger(dag_id, {"connection": connection})
        assert run.wait(timeout=240) == "success", log_of(run)
        length = len((canaries.planted[0] + f" = ${TAIL}").encode())  # The shell counts bytes.
        assert str(length) in log_of(run).replace(":", " ").split(), "the session has the value"
    functions = airflow.trigger("secret_arguments", {"connection": "oidc"})
    assert functions.wait(timeout=240) == "success", log_of(functions, "measured")
    assert functions.xcom("measured") == len(canaries.planted[0] + TAIL)
    assert "[debug " in (local_airflow.home / "scheduler.log").read_text() + log_of(functions, "measured")
    assert_no_secret(local_airflow, canaries)


@pytest.mark.parametrize("status", [400, 500])
def test_no_refusal_that_repeats_a_create_tells_a_secret(
    airflow: AirflowRest, emulator: Emulator, local_airflow: LocalAirflow, canaries: Canaries, status: int
) -> None:
    """One replica per encoding. The log has each error of the server, and of refusals the first."""
    count = len(ENCODINGS)
    inject(emulator, repeat={"status": status, "count": count, "method": "POST", "path": "session$"})
    run = airflow.trigger("secret_values", {"replicas": count})
    refused, told = f"failed with status {status}: ", count if status >= 500 else 1
    wait_until(lambda: log_of(run).count(refused) >= told, description="the refusals", timeout=120)
    run.mark("failed")
    inject(emulator, repeat={"status": status, "count": count, "method": "POST", "path": "session$"})
    function = airflow.trigger("secret_arguments")
    wait_until(lambda: refused in log_of(function, "measured"), description="a refusal", timeout=120)
    function.mark("failed")
    assert_no_secret(local_airflow, canaries)


def test_no_refused_credential_is_told(
    airflow: AirflowRest, emulator: Emulator, local_airflow: LocalAirflow, canaries: Canaries
) -> None:
    """Of a certificate, which the emulator takes from no one; and a login and a token that it repeats."""
    run = airflow.trigger("secret_values", {"connection": "certificate"})
    assert run.wait(timeout=240) == "failed"
    assert "AuthenticationError" in log_of(run)
    for connection in ("login", "token"):
        inject(emulator, repeat={"status": 401})
        run = airflow.trigger("secret_values", {"connection": connection})
        assert run.wait(timeout=240) == "failed"
        assert "401" in log_of(run)
    assert_no_secret(local_airflow, canaries)


def test_no_timeout_tells_a_secret(
    airflow: AirflowRest, emulator: Emulator, local_airflow: LocalAirflow, canaries: Canaries
) -> None:
    """Of the task, and of a create."""
    run = airflow.trigger("secret_values_in_time", {"script": "sleep 60"})
    assert run.wait(timeout=240) == "failed"
    inject(emulator, outage={"mode": "hang", "count": 1, "method": "POST"})
    run = airflow.trigger("secret_values", {"connection": "in_a_hurry"})
    wait_until(lambda: "within the timeout" in log_of(run), description="a time-out", timeout=120)
    run.mark("failed")
    assert_no_secret(local_airflow, canaries)


@pytest.mark.parametrize("dag_id", ["secret_values", "secret_values_in_worker"])
def test_no_kill_tells_a_secret(
    airflow: AirflowRest, emulator: Emulator, local_airflow: LocalAirflow, canaries: Canaries, dag_id: str
) -> None:
    run = airflow.trigger(dag_id, {"script": "sleep 60"})
    is_live = partial(lambda: [one for one in emulator.all_sessions() if one["live"]])
    wait_until(is_live, description="a session", timeout=120)
    if dag_id == "secret_values":
        # Airflow deletes a trigger that no triggerer has started, and nothing learns of the kill.
        wait_until(lambda: ": Running" in log_of(run), description="the trigger", timeout=60)
    else:
        run.wait_for("program", "running", timeout=60)
    run.mark_task("program", "failed")
    wait_until(lambda: not is_live(), description="the end of the session", timeout=60)
    assert_no_secret(local_airflow, canaries)


def test_no_retry_tells_a_secret(
    airflow: AirflowRest, local_airflow: LocalAirflow, canaries: Canaries, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    script = f"echo ${{#RENDERED}}; test -e {marker} || {{ touch {marker}; exit 3; }}"
    run = airflow.trigger("secret_values", {"script": script})
    function = airflow.trigger("secret_arguments", {"marker": str(tmp_path / "other")})
    assert run.wait(timeout=240) == "success", log_of(run, try_number=2)
    assert function.wait(timeout=240) == "success", log_of(function, "measured", 2)
    assert "no such plate" in log_of(function, "measured")
    assert_no_secret(local_airflow, canaries)
