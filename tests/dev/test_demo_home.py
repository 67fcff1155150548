from __future__ import annotations

import ast
import fcntl
import runpy
import stat
from pathlib import Path

import pytest

from dev.demo_home import FIRST_DAG, LOCK, DemoFailed, create_dag_folder, exclusive_home, main


def test_only_its_owner_enters_a_home_and_what_is_in_it_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with exclusive_home(home):
        (home / "airflow.db").write_text("runs")
    home.chmod(0o755)
    with exclusive_home(home):
        assert (home / "airflow.db").read_text() == "runs"
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_home_in_use_cannot_be_used_or_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive_home(tmp_path):
        (tmp_path / "airflow.db").touch()
        with pytest.raises(DemoFailed, match="`make up` or `make demo` is running"), exclusive_home(tmp_path):
            pass
        assert main([str(tmp_path)]) == 1
        assert "`make up` or `make demo` is running" in capsys.readouterr().err
    assert (tmp_path / "airflow.db").exists()


def test_make_clean_deletes_homes_and_no_other_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    with exclusive_home(home):
        (home / "logs").mkdir()
    other.mkdir()
    (other / "thesis.tex").touch()
    assert main([str(home), str(tmp_path / "missing")]) == 0
    assert not home.exists()
    assert main([str(other)]) == 1
    assert "files that do not belong to a demo" in capsys.readouterr().err
    assert (other / "thesis.tex").exists()


def test_a_lock_of_an_ended_demo_is_no_obstacle(tmp_path: Path) -> None:
    with (tmp_path / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    with exclusive_home(tmp_path):
        pass


def test_a_missing_dag_folder_gets_a_first_dag_of_five_lines(tmp_path: Path) -> None:
    create_dag_folder(tmp_path / "dags")
    (file,) = (tmp_path / "dags").iterdir()
    runpy.run_path(str(file))
    code = [node for node in ast.walk(ast.parse(FIRST_DAG)) if isinstance(node, ast.stmt)]
    assert len(code) - 1 == 5, "besides the docstring"


def test_an_existing_dag_folder_is_left_alone(tmp_path: Path) -> None:
    create_dag_folder(tmp_path)
    assert [*tmp_path.iterdir()] == []
