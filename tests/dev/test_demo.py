from __future__ import annotations

import fcntl
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_canfar.testing import running_emulator
from dev.demo import main


def test_a_second_demo_in_the_same_folder_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["--home", str(tmp_path)]) == 1
    assert "`make up` or `make demo` is running" in capsys.readouterr().err


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("Chapter 1")
    assert main(["--home", str(tmp_path)]) == 1
    assert "files that do not belong to a demo" in capsys.readouterr().err
    assert thesis.read_text() == "Chapter 1"


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:9/arc", "127.0.0.1:9"), ("{root}/emulator", "Could not read|failed|not a storage")],
)
def test_an_account_without_a_storage_is_reported_before_anything_starts(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    reason: str,
) -> None:
    """The sessions get their input through it."""
    with running_emulator() as emulator:
        extra = {"storage_url": url.format(root=emulator.url.removesuffix("/skaha/v1"))}
        monkeypatch.setenv("AIRFLOW_CONN_CANFAR_DEFAULT", json.dumps(emulator.connection | {"extra": extra}))
        assert main(["--home", str(tmp_path / "home")]) == 1
    error = capsys.readouterr().err
    assert "AIRFLOW_CONN_CANFAR_DEFAULT does not work" in error
    assert re.search(reason, error)
    assert [*tmp_path.iterdir()] == []


def test_a_broken_connection_is_rejected_without_showing_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CANFAR_DEFAULT", '{"password": "hunter2"')
    assert main(["--home", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "AIRFLOW_CONN_CANFAR_DEFAULT is not a valid connection" in error
    assert "hunter2" not in error


@pytest.mark.parametrize("options", [[], ["--stay"]])
def test_a_connection_that_does_not_work_is_reported_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    home, dags = tmp_path / "home", tmp_path / "dags"
    with running_emulator() as emulator:
        connection = emulator.connection | {"password": "hunter2"}
        monkeypatch.setenv("AIRFLOW_CONN_CANFAR_DEFAULT", json.dumps(connection))
        assert main(["--home", str(home), "--dags", str(dags), *options]) == 1
    error = capsys.readouterr().err
    assert "AIRFLOW_CONN_CANFAR_DEFAULT does not work" in error
    assert "token is invalid or has expired" in error
    assert "hunter2" not in error
    assert [*tmp_path.iterdir()] == []


@pytest.fixture(autouse=True)
def restored_signal_handlers() -> Iterator[None]:
    """Restore the handlers that main replaces; usually main runs in its own process."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
