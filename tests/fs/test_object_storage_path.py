"""Each method of Airflow's ObjectStoragePath, on the emulator's storage."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_canfar.fs._files import ArcWriter
from airflow_provider_canfar.fs._filesystem import ArcFileSystem
from airflow_provider_canfar.skaha.errors import SpecError, Unreachable
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator
from tests.airflow_versions import IS_AIRFLOW_3_1


@pytest.fixture(name="path")
def _path(base: str) -> ObjectStoragePath:
    return ObjectStoragePath(f"arc://canfar_default@{base}")


def test_a_path_is_made_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONNECTION_VARIABLE, raising=False)
    path = ObjectStoragePath("arc://no_such_connection@home/jdoe/m13") / "tiles.json"
    assert str(path) == "arc://no_such_connection@/home/jdoe/m13/tiles.json"
    assert (path.path, path.name, path.stem, path.suffix) == (
        "/home/jdoe/m13/tiles.json",
        "tiles.json",
        "tiles",
        ".json",
    )
    assert path.parent.path == "/home/jdoe/m13"
    assert ObjectStoragePath(str(path)) == path
    assert ObjectStoragePath("arc:///home/jdoe/x").path == ObjectStoragePath("arc://home/jdoe/x").path


def test_files_are_written_and_read(path: ObjectStoragePath) -> None:
    file = path / "m13.fits"
    assert not file.exists()
    file.write_bytes(b"SIMPLE  =")
    (path / "é: a+b,c.txt".replace(" ", "")).write_text("für\nalle\n")
    assert file.read_bytes() == b"SIMPLE  ="
    assert file.exists()
    assert file.is_file()
    assert not file.is_dir()
    assert path.is_dir()
    assert sorted(one.name for one in path.iterdir()) == ["m13.fits", "é:a+b,c.txt"]
    assert file.stat().st_size == 9
    assert abs(file.stat().st_mtime - datetime.now(UTC).timestamp()) < 60
    assert file.size() == 9
    assert file.samefile(path / "m13.fits")
    assert not file.samefile(path / "é:a+b,c.txt")
    with file.open("rb") as stream:
        assert stream.seek(4) == 4
        assert stream.read(2) == b"LE"
    assert file.read_block(2, 3) == b"MPL"
    with (path / "é:a+b,c.txt").open() as lines:
        assert lines.readlines() == ["für\n", "alle\n"]


def test_an_empty_file_is_a_file(path: ObjectStoragePath) -> None:
    (path / "done").touch()
    assert (path / "done").read_bytes() == b""
    (path / "done").touch()
    with pytest.raises(FileExistsError):
        (path / "done").touch(exist_ok=False)


def test_a_checksum_changes_with_the_file(path: ObjectStoragePath) -> None:
    file = path / "x"
    file.write_bytes(b"one")
    checksum, key = file.checksum(), file.ukey()
    assert (file.checksum(), file.ukey()) == (checksum, key)
    file.write_bytes(b"three")
    assert file.checksum() != checksum
    assert file.ukey() != key


def test_folders_are_made_walked_and_removed(arc: ArcFileSystem, path: ObjectStoragePath) -> None:
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b").mkdir(exist_ok=True)
    with pytest.raises(FileExistsError):
        (path / "a").mkdir()
    with pytest.raises(FileNotFoundError):
        (path / "x" / "y").mkdir()
    (path / "a" / "b" / "1.csv").write_text("1")
    (path / "a" / "2.csv").write_text("2")
    assert sorted(one.name for one in path.glob("a/*.csv")) == ["2.csv"]
    assert sorted(one.name for one in path.rglob("*.csv")) == ["1.csv", "2.csv"]
    assert [files for _, _, files in arc.walk(path.path)] == [[], ["2.csv"], ["1.csv"]]
    with pytest.raises(OSError, match="not empty"):
        (path / "a").rmdir(recursive=False)
    with pytest.raises(IsADirectoryError):
        (path / "a").unlink()
    (path / "a").rmdir()
    assert not (path / "a").exists()
    (path / "empty").mkdir()
    if IS_AIRFLOW_3_1:  # Its paths cannot remove an empty folder in this way, in any store.
        arc.rmdir(f"{path.path}/empty")
    else:
        (path / "empty").rmdir(recursive=False)
    with pytest.raises(FileNotFoundError):
        (path / "empty").unlink()
    (path / "empty").unlink(missing_ok=True)


@pytest.mark.parametrize("allocation", ["/", "/home", "/home/jdoe", "/projects/m13"])
def test_an_allocation_is_never_removed_or_moved(
    arc: ArcFileSystem, connection: str, allocation: str
) -> None:
    for remove in (
        partial(arc.rm, allocation, recursive=True),
        partial(arc.rm, [allocation], recursive=True),
        partial(arc.rmdir, allocation),
        partial(arc.rm_file, allocation),
        partial(arc.mv, allocation, "/home/jdoe/elsewhere"),
    ):
        # A list is expanded first, and so must exist.
        with pytest.raises((SpecError, FileNotFoundError), match=r"never removed|/projects/m13"):
            remove()
    assert arc.exists("/home/jdoe")


def test_a_pattern_cannot_remove_an_allocation_either(arc: ArcFileSystem, connection: str) -> None:
    with pytest.raises(SpecError, match="never removed"):
        arc.rm("/home/*", recursive=True)


def test_a_file_is_renamed_only_to_where_nothing_is(path: ObjectStoragePath, emulator: Emulator) -> None:
    (path / "a").write_text("a")
    (path / "b").write_text("b")
    emulator.forget_requests()
    (path / "a").rename(path / "c")
    assert not [one for one in emulator.requests() if "/arc/files" in one]
    assert (path / "c").read_text() == "a"
    for rename in (path / "b").rename, (path / "b").replace:
        with pytest.raises(FileExistsError):
            rename(path / "c")
    (path / "b").move(path / "new" / "folder" / "b")
    assert (path / "new" / "folder" / "b").read_text() == "b"
    assert not (path / "b").exists()


@pytest.mark.parametrize("name", ["a*b", "a**b"])
def test_a_name_that_is_also_a_pattern_stands_for_its_own_file(path: ObjectStoragePath, name: str) -> None:
    for one in (name, "axb"):
        (path / one).write_text(one)
    (path / name).rename(path / f"moved{name}")
    assert sorted(one.name for one in path.iterdir()) == ["axb", f"moved{name}"]
    (path / f"moved{name}").rename(path / name)
    (path / name).unlink()
    assert [one.name for one in path.iterdir()] == ["axb"]


def test_files_are_copied_between_stores(path: ObjectStoragePath, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "tile").write_bytes(b"tile")
    local = ObjectStoragePath(f"file://{tmp_path}")
    (local / "in").copy(path / "in", recursive=True)
    assert (path / "in" / "deep" / "tile").read_bytes() == b"tile"
    (path / "in" / "deep" / "tile").copy(path / "copies" / "tile")
    (path / "in").copy(local / "out", recursive=True)
    assert (tmp_path / "out" / "deep" / "tile").read_bytes() == b"tile"
    attach("memory", fs=MemoryFileSystem())
    other = ObjectStoragePath(f"memory://stars{path.path}")
    (path / "copies" / "tile").copy(other / "tile")
    assert (other / "tile").read_bytes() == b"tile"
    (other / "tile").copy(path / "back" / "tile")
    assert (path / "back" / "tile").read_bytes() == b"tile"


class Boom(Exception):
    """Something in a task."""


@pytest.mark.parametrize(("mode", "data"), [("wb", b"half"), ("w", "half")])
def test_an_exception_in_the_block_writes_nothing(path: ObjectStoragePath, mode: str, data: Any) -> None:
    file = path / "result"
    file.write_text("whole")

    def fail() -> None:
        with file.open(mode) as stream:
            stream.write(data)
            raise Boom

    with pytest.raises(Boom):
        fail()
    assert file.read_text() == "whole"


@pytest.mark.parametrize(("mode", "data"), [("wb", b"half"), ("w", "half")])
def test_a_file_that_is_never_closed_is_not_written(
    arc: ArcFileSystem, base: str, mode: str, data: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stream = arc.open(f"{base}/result", mode)
    stream.write(data)
    with caplog.at_level(logging.WARNING):
        del stream
    assert "was not closed, so it was not written" in caplog.text
    assert not arc.exists(f"{base}/result")


def test_a_failed_upload_is_not_tried_again_by_a_second_close() -> None:
    tries = []

    def upload(_: object) -> None:
        tries.append(1)
        raise Unreachable("no response")

    file = ArcWriter("/home/jdoe/x", upload)
    with pytest.raises(Unreachable):
        file.close()
    file.close()
    assert len(tries) == 1


@pytest.mark.parametrize("mode", ["ab", "a", "r+b", "r+"])
def test_what_the_storage_cannot_do_is_refused(path: ObjectStoragePath, mode: str) -> None:
    with pytest.raises(ValueError, match=r"cannot append to a file|Invalid mode"):
        (path / "x").open(mode)


def test_a_name_that_the_storage_would_cut_is_refused(path: ObjectStoragePath, emulator: Emulator) -> None:
    emulator.forget_requests()
    for name in ("a#b", "a b", "50%", "what?"):
        with pytest.raises(SpecError, match="Choose another name"):
            (path / name).write_text("x")
    assert not emulator.requests()


def test_an_outage_is_not_a_missing_file(
    arc: ArcFileSystem, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``exists()`` of fsspec says False after any error."""
    monkeypatch.setattr("airflow_provider_canfar.hooks._settings.RETRY_FOR", 0)
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", f"canfar://:{emulator.token}@127.0.0.1:9")
    down = ArcFileSystem("down")
    for ask in (down.exists, down.isdir, down.isfile):
        with pytest.raises(Unreachable):
            ask("/home/jdoe")


def test_a_session_sees_what_is_written_and_the_other_way_round(path: ObjectStoragePath, mount: Path) -> None:
    (path / "in").write_text("from Airflow")
    folder = mount / path.path[1:]
    assert (folder / "in").read_text() == "from Airflow"
    (folder / "in").write_text("rewritten by a session")
    (folder / "out").write_text("from a session")
    (folder / "link").symlink_to("out")
    assert (path / "in").read_text() == "rewritten by a session"
    assert (path / "out").read_text() == "from a session"
    assert (path / "link").read_text() == "from a session"


async def test_an_event_loop_is_not_blocked(path: ObjectStoragePath) -> None:
    with pytest.raises(RuntimeError, match="inside a running event loop"):
        path.exists()
    assert await asyncio.to_thread(path.exists)


def test_a_transaction_writes_all_or_nothing(arc: ArcFileSystem, base: str) -> None:
    def fail() -> None:
        with arc.transaction:
            arc.pipe_file(f"{base}/x", b"x")
            raise Boom

    with pytest.raises(Boom):
        fail()
    assert not arc.exists(f"{base}/x")
    with arc.transaction, arc.open(f"{base}/x", "wb") as file:
        file.write(b"x")
    assert arc.cat_file(f"{base}/x") == b"x"


def test_what_is_written_after_a_failed_transaction_is_uploaded(
    arc: ArcFileSystem, base: str, emulator: Emulator
) -> None:
    """Airflow keeps a connection's file system for as long as its process lives."""

    def fail() -> None:
        with arc.transaction:
            arc.pipe_file(f"{base}/x", b"x")
            arc.pipe_file(f"{base}/y", b"y")
            emulator.faults(forbidden={"path": "/x$", "message": "permission denied"})

    with pytest.raises(PermissionError):
        fail()
    emulator.clear_faults()
    assert not arc.exists(f"{base}/x")
    assert not arc.exists(f"{base}/y")
    arc.pipe_file(f"{base}/z", b"z")
    assert arc.cat_file(f"{base}/z") == b"z"
