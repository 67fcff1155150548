"""The DAGs of the docs about files and functions run as they stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dev.airflow_rest import AirflowRest
    from dev.platforms import Emulator

pytestmark = [pytest.mark.airflow, pytest.mark.long, pytest.mark.timeout(400)]


def test_a_file_goes_to_a_session_and_its_result_comes_back(airflow: AirflowRest) -> None:
    run = airflow.trigger("count_lines")
    assert run.wait(timeout=300) == "success", run.states()
    assert "2" in run.log("read")


def test_functions_return_large_results_as_files(airflow: AirflowRest) -> None:
    run = airflow.trigger("large_results")
    assert run.wait(timeout=300) == "success", run.states()
    assert run.xcom("add_up") == 4 * sum(range(1_000_000))
    names = [path.rpartition("/")[2] for path in run.xcom("simulate")]
    assert names == ["1.json", "2.json", "3.json", "4.json"]


def test_each_item_of_a_mapped_function_has_its_own_memory(airflow: AirflowRest, emulator: Emulator) -> None:
    run = airflow.trigger("cubes")
    assert run.wait(timeout=300) == "success", run.states()
    for map_index, memory in enumerate((8, 32)):
        (session,) = run.xcom("moments", key="sessions", map_index=map_index)
        assert [one["ram"] for one in emulator.all_sessions() if one["id"] == session["session_id"]] == [
            memory
        ]
