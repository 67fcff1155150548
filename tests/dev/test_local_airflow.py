from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from dev.local_airflow import LocalAirflow
from dev.programs import Programs
from dev.waiting import Interrupted, wait_until


@pytest.mark.airflow
def test_a_failed_migration_raises_with_airflow_s_output(tmp_path: Path) -> None:
    env = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/at/all.db"}
    with Programs() as programs, pytest.raises(RuntimeError, match="unable to open database file"):
        LocalAirflow(tmp_path, [tmp_path], programs=programs, env=env).__enter__()


@pytest.mark.airflow
def test_stopping_during_the_start_leaves_nothing_running(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with Programs() as programs:
        with pytest.raises(Interrupted):
            LocalAirflow(tmp_path, [tmp_path], programs=programs, stop=stop).__enter__()
        assert programs.running == []


@pytest.mark.airflow
@pytest.mark.long
def test_an_airflow_that_answers_to_foreign_names_is_stopped(tmp_path: Path) -> None:
    env = {"AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path / "no-plugins")}
    with Programs() as programs:
        with pytest.raises(RuntimeError, match="answers to foreign names"):
            LocalAirflow(tmp_path, [tmp_path], programs=programs, env=env).__enter__()
        assert programs.running == []


@pytest.mark.airflow
@pytest.mark.parametrize("restart", [False, True])
def test_a_component_that_exits_is_an_error_or_started_again(tmp_path: Path, restart: bool) -> None:
    components = {"one": ("version",)}
    with Programs() as programs:
        airflow = LocalAirflow(
            tmp_path, [tmp_path], programs=programs, components=components, restart=restart
        )
        airflow.start_component("one")
        (first,) = airflow.processes("one")
        wait_until(lambda: not airflow.processes("one"), description="the end", timeout=120)
        if restart:
            airflow.check_components()
            assert first not in airflow.processes("one")
            assert [program.name for program in programs.running] == ["one"]
        else:
            with pytest.raises(RuntimeError, match=r"The one has exited:\n.*\d"):
                airflow.check_components()


@pytest.mark.airflow
def test_a_component_that_was_killed_is_not_started_again(tmp_path: Path) -> None:
    components = {"one": ("version",)}
    with Programs() as programs:
        airflow = LocalAirflow(tmp_path, [tmp_path], programs=programs, components=components, restart=True)
        airflow.start_component("one")
        airflow.kill_component("one", include_children=True)
        airflow.check_components()
        assert programs.running == []
