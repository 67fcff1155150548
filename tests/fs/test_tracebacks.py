"""The traceback of a failed call shows the caller's line, and no call of this provider."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_canfar.fs.paths import home_path, storage_path
from airflow_provider_canfar.skaha.errors import CanfarError
from airflow_provider_canfar.skaha.storage.client import StorageClient
from tests.airflow_versions import IS_AIRFLOW_3_1
from tests.tracebacks import calls_of_ours

if TYPE_CHECKING:
    from airflow_provider_canfar.fs._filesystem import ArcFileSystem
    from airflow_provider_canfar.testing import Emulator

#: What a DAG may do with a path; each needs the storage.
CALLS: dict[str, Callable[[ObjectStoragePath], Any]] = {
    "exists": lambda path: path.exists(),
    "is_dir": lambda path: path.is_dir(),
    "is_file": lambda path: path.is_file(),
    "iterdir": lambda path: list(path.iterdir()),
    "stat": lambda path: path.stat(),
    "size": lambda path: path.size(),
    "checksum": lambda path: path.checksum(),
    "read_text": lambda path: path.read_text(),
    "read_bytes": lambda path: path.read_bytes(),
    "read_block": lambda path: path.read_block(0, 1),
    "open": lambda path: path.open("rb"),
    "open_text": lambda path: path.open(),
    "open_new": lambda path: path.open("x"),
    "write_text": lambda path: path.write_text("x"),
    "write_bytes": lambda path: path.write_bytes(b"x"),
    "with": lambda path: written(path, "wb", b"x"),
    "with_text": lambda path: written(path, "w", "x"),
    "close": lambda path: path.open("wb").close(),
    "close_text": lambda path: path.open("w").close(),
    "touch": lambda path: path.touch(),
    "mkdir": lambda path: path.mkdir(),
    "mkdir_parents": lambda path: path.mkdir(parents=True),
    "unlink": lambda path: path.unlink(),
    "rmdir": lambda path: path.rmdir(),
    "rename": lambda path: path.rename(path.parent / "y"),
    "move": lambda path: path.move(path.parent / "y"),
    "copy": lambda path: path.copy(path.parent / "y"),
    "fs.ls": lambda path: path.fs.ls(path.path),
    "fs.cat": lambda path: path.fs.cat(path.path),
    "fs.cat_file": lambda path: path.fs.cat_file(path.path, 1, 2),
    "fs.head": lambda path: path.fs.head(path.path),
    "fs.pipe": lambda path: path.fs.pipe(path.path, b"x"),
    "fs.get_file": lambda path: path.fs.get_file(path.path, "downloaded"),
    "fs.put_file": lambda path: path.fs.put_file(__file__, path.path),
    "fs.cp_file": lambda path: path.fs.cp_file(path.path, f"{path.path}2"),
    "fs.mv": lambda path: path.fs.mv(path.path, f"{path.path}2"),
    "fs.rm": lambda path: path.fs.rm(path.path),
    "fs.rm_tree": lambda path: path.fs.rm(path.path, recursive=True),
    "fs.rm_file": lambda path: path.fs.rm_file(path.path),
    "fs.rmdir": lambda path: path.fs.rmdir(path.path),
    "fs.makedirs": lambda path: path.fs.makedirs(path.path),
    "fs.modified": lambda path: path.fs.modified(path.path),
    "transaction": lambda path: written_at_once(path),
}

#: What makes each of them fail, as one of the emulator's faults.
FAULTS: dict[str, dict[str, Any]] = {
    "forbidden": {"message": "permission denied"},
    "expired_token": {},
    "server_error": {},
}


def written(path: ObjectStoragePath, mode: str, data: Any) -> None:
    with path.open(mode) as file:
        file.write(data)


def written_at_once(path: ObjectStoragePath) -> None:
    with path.fs.transaction:
        path.fs.pipe_file(path.path, b"x")


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("airflow_provider_canfar.hooks._settings.RETRY_FOR", 0)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(name="broken")
def _broken(emulator: Emulator) -> Iterator[Emulator]:
    yield emulator
    emulator.clear_faults()
    emulator.configure(storage_quota=200e9)


def error_of(call: Callable[..., Any], *arguments: Any) -> BaseException:
    with pytest.raises(Exception) as error:  # noqa: PT011 (the caller checks which)
        call(*arguments)
    return error.value


def check(error: BaseException) -> None:
    """Check that it shows a line of this file, and nothing of this provider."""
    assert calls_of_ours(error) == []
    assert __file__ in [call.filename for call in traceback.extract_tb(error.__traceback__)]
    text = "".join(traceback.format_exception(error))
    assert "asyncio" not in text
    assert "httpx" not in text


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_refused_or_failed_call_shows_none_of_ours(
    broken: Emulator, connection: str, base: str, fault: str, call: str
) -> None:
    path = ObjectStoragePath(f"arc://{connection}@{base}/x")
    broken.faults(**{fault: {"path": "^/arc"} | FAULTS[fault]})
    check(error_of(CALLS[call], path))


@pytest.mark.parametrize("call", CALLS)
def test_an_unreachable_host_shows_none_of_ours(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", "canfar://:token@127.0.0.1:9")
    check(error_of(CALLS[call], ObjectStoragePath("arc://down@home/jdoe/x")))


@pytest.mark.skipif(
    IS_AIRFLOW_3_1, reason="Airflow 3.1 looks for a connection only in a task that a supervisor runs"
)
@pytest.mark.parametrize("call", CALLS)
def test_an_undefined_connection_shows_none_of_ours(call: str) -> None:
    error = error_of(CALLS[call], ObjectStoragePath("arc://misspelt@home/jdoe/x"))
    assert "'misspelt' is not defined" in str(error)
    check(error)


@pytest.mark.parametrize("call", sorted(CALLS))
def test_a_name_that_cannot_be_stored_shows_none_of_ours(connection: str, call: str) -> None:
    check(error_of(CALLS[call], ObjectStoragePath(f"arc://{connection}@home/jdoe/a b")))


@pytest.mark.parametrize(
    "call",
    [
        *("stat", "size", "read_text", "read_bytes", "open", "unlink", "rename", "move", "copy"),
        *("fs.ls", "fs.cat", "fs.get_file", "fs.cp_file", "fs.mv", "fs.rm", "fs.rm_tree", "fs.rmdir"),
    ],
)
def test_a_missing_file_shows_none_of_ours(connection: str, base: str, call: str) -> None:
    error = error_of(CALLS[call], ObjectStoragePath(f"arc://{connection}@{base}/x"))
    assert isinstance(error, FileNotFoundError)
    check(error)


def test_what_exists_already_or_is_of_another_kind_shows_none_of_ours(arc: ArcFileSystem, base: str) -> None:
    arc.pipe_file(f"{base}/file", b"x")
    arc.pipe_file(f"{base}/folder/file", b"x")
    file, folder = f"{base}/file", f"{base}/folder"
    for kind, call, *arguments in (
        (FileExistsError, arc.open, file, "xb"),
        (FileExistsError, arc.mkdir, folder),
        (FileExistsError, arc.mkdir, folder, False),
        (FileExistsError, arc.makedirs, file, True),
        (FileExistsError, arc.mv, file, folder),
        (NotADirectoryError, arc.rmdir, file),
        (IsADirectoryError, arc.rm_file, folder),
        (IsADirectoryError, arc.cat_file, folder),
        (IsADirectoryError, arc.pipe_file, folder, b"x"),
        (OSError, arc.rmdir, folder),
        (NotImplementedError, arc.touch, file, False),
        (ValueError, arc.open, file, "ab"),
        (ValueError, lambda: arc.open(file, "wb", compression="gzip")),
        (CanfarError, arc.rm, "/home/jdoe", True),
    ):
        error = error_of(call, *arguments)
        assert isinstance(error, kind)
        check(error)


def test_a_full_quota_shows_none_of_ours(broken: Emulator, arc: ArcFileSystem, base: str) -> None:
    broken.configure(storage_quota=1000)
    check(error_of(arc.pipe_file, f"{base}/x", bytes(10_000)))


async def test_a_call_in_an_event_loop_shows_none_of_ours(arc: ArcFileSystem) -> None:
    error = error_of(arc.exists, "/home/jdoe")
    assert isinstance(error, RuntimeError)
    check(error)


@pytest.mark.parametrize("call", [home_path, lambda: storage_path("/elsewhere/x")])
def test_a_path_that_cannot_be_made_shows_none_of_ours(
    broken: Emulator, connection: str, call: Callable[[], Any]
) -> None:
    broken.faults(expired_token={"path": "/session"})
    check(error_of(call))


def test_a_bug_of_ours_shows_all_of_its_calls(
    arc: ArcFileSystem, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StorageClient, "node", lambda *_: 1 / 0)
    error = error_of(arc.exists, "/home/jdoe")
    assert isinstance(error, ZeroDivisionError)
    assert "use_client" in calls_of_ours(error)
