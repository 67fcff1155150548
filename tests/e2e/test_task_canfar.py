"""Functions that run in sessions of a real Airflow, end to end."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_canfar.decorators._function_runner import RESULT_PREFIX
from airflow_provider_canfar.skaha.naming import SessionName
from tests.decorators.image import interpreters
from tests.m13 import stars_of_m13

if TYPE_CHECKING:
    from dev.airflow_rest import AirflowRest, Run
    from dev.platforms import Emulator

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(400)]


DAGS = Path(__file__).parent / "dags" / "functions.py"


def line_of(text: str) -> int:
    """Return the number of the DAG file's line that contains a text."""
    (number,) = [number for number, line in enumerate(DAGS.read_text().splitlines(), 1) if text in line]
    return number


def created(emulator: Emulator, run: Run, task_id: str, map_index: int = -1) -> Counter[str]:
    """Count the sessions that were ever created for each replica of a task."""
    launched = run.xcom(task_id, key="sessions", map_index=map_index)
    (key,) = {key_in(one["name"]) for one in launched}
    assert key is not None
    return Counter(one["replica_id"] for one in emulator.all_sessions() if key_in(one["name"]) == key)


def key_in(name: str) -> str | None:
    """Return the key in a session's name; None for a session that another test named itself."""
    parsed = SessionName.parse(name)
    return None if parsed is None else parsed.key


def test_sixty_four_replicas_share_the_work_and_return_their_results_in_order(
    airflow: AirflowRest, emulator: Emulator
) -> None:
    run = airflow.trigger("shares", {"replicas": 64})
    assert run.wait(timeout=300) == "success", run.log("square")

    results = run.xcom("square")
    assert [result["replica"] for result in results] == list(range(1, 65))
    assert [square for result in results for square in result["squares"]] == [n**2 for n in range(1000)]
    assert sum(result["striped"] for result in results) == 1000
    assert run.xcom("total") == sum(number**2 for number in range(1000))
    assert created(emulator, run, "square") == {str(replica): 1 for replica in range(1, 65)}

    log = run.log("square")
    assert f"INFO squares: replica 7 of 64 of {run.run_id}" in log
    assert log.count("without a newline") == 64
    assert not [line for line in log if RESULT_PREFIX in line]


def test_an_image_may_have_an_older_python(airflow: AirflowRest) -> None:
    version, python = next(iter(interpreters().items()))
    if version == f"3.{sys.version_info.minor}":
        pytest.skip("This machine has no older Python.")
    run = airflow.trigger("shares", {"replicas": 2, "python": python})
    assert run.wait(timeout=300) == "success", run.log("square")
    assert [f"3.{result['python'][1]}" for result in run.xcom("square")] == [version, version]
    assert run.xcom("total") == sum(number**2 for number in range(1000))


def test_a_retry_reruns_failed_replicas_and_keeps_the_other_results(
    airflow: AirflowRest, emulator: Emulator, tmp_path: Path
) -> None:
    run = airflow.trigger("fails_once", {"marker": str(tmp_path / "marker")})
    assert run.wait(timeout=300) == "success", run.log("measure", try_number=2)

    results = run.xcom("measure")
    assert [result[0] for result in results] == [1, 2, 3, 4]
    first, second, third, fourth = (result[1] for result in results)
    assert max(first, fourth) < min(second, third)
    assert created(emulator, run, "measure") == {"1": 1, "2": 2, "3": 2, "4": 1}

    log = run.log("measure", try_number=1)
    place = f'File "{DAGS}", line {line_of("no such plate")}, in measure'
    assert any(place in line for line in log), "the traceback shows the original line"
    assert "ValueError: no such plate" in log
    assert any("Completed without a result" in line for line in log)


def test_each_mapped_task_has_its_own_result_and_exit_code(airflow: AirflowRest, emulator: Emulator) -> None:
    run = airflow.trigger("maps")
    run.wait(timeout=300)
    states = run.states()
    assert [states[f"measure_each[{index}]"] for index in range(3)] == ["success", "failed", "success"]
    assert run.xcom("collect") == [["m13.fits", 5.0], ["m92.fits", 5.0]]
    failed = run.xcom("measure_each", key="sessions", map_index=1)[0]["session_id"]
    assert [one["exit_code"] for one in emulator.all_sessions() if one["id"] == failed] == [3]


def test_the_command_that_a_function_returns_runs(airflow: AirflowRest) -> None:
    run = airflow.trigger("commands")
    assert run.wait(timeout=300) == "success", run.log("greet")
    log = run.log("greet")
    assert "Hello, 'M13' {{ ds }} from 1" in log
    assert "Hello, 'M13' {{ ds }} from 2" in log
    assert [outcome["status"] for outcome in run.xcom("greet")] == ["Completed", "Completed"]


def test_eight_functions_find_the_stars_of_m13(airflow: AirflowRest) -> None:
    run = airflow.trigger("find_stars_taskflow")
    assert run.wait(timeout=300) == "success", run.states()
    assert run.xcom("brightest")["stars"] == len(stars_of_m13())
