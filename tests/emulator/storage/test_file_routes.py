"""GET, HEAD and PUT of files, with the server's quirks."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulator.storage.conftest import Storage


def digest_of(content: bytes) -> str:
    return "md5=" + base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def test_what_is_put_is_seen_by_sessions_and_read_again(storage: Storage) -> None:
    put = storage.put("tiles.json", b"[1]", Content_Type="application/json", Digest=digest_of(b"[1]"))
    assert (put.status_code, put.content, put.headers["digest"]) == (201, b"", digest_of(b"[1]"))
    assert (storage.home / "tiles.json").read_bytes() == b"[1]"
    get = storage.get("tiles.json")
    assert (get.status_code, get.content) == (200, b"[1]")
    assert get.headers["content-type"] == "application/json"
    assert get.headers["content-disposition"] == 'inline; filename="tiles.json"'
    assert get.headers["digest"] == digest_of(b"[1]")
    assert get.headers["server"] == "OpenCADC/cadc-rest + vos/cavern-0.10"
    assert "accept-ranges" not in get.headers


def test_a_session_writes_what_is_read_here(storage: Storage) -> None:
    session = storage.caller.shell("echo\tstars\t>\tcatalogue.txt\n".replace("\n", ""), name="writer")
    storage.caller.until_status(session, "Completed")
    written = next(storage.mount.parent.rglob("catalogue.txt"))
    written.rename(storage.home / "catalogue.txt")
    get = storage.get("catalogue.txt")
    assert (get.content, "digest" in get.headers, "content-type" in get.headers) == (b"stars\n", False, False)


def test_an_empty_file_is_204_for_get_and_200_for_head(storage: Storage) -> None:
    assert storage.put("empty", b"").status_code == 201
    assert (storage.get("empty").status_code, storage.head("empty").status_code) == (204, 200)
    assert storage.head("empty").headers["content-length"] == "0"


def test_head_has_the_headers_of_get(storage: Storage) -> None:
    storage.put("x", b"12345", Content_Type="text/plain")
    head, get = storage.head("x").headers, storage.get("x").headers
    assert {**head, "date": ""} == {**get, "date": ""}
    assert head["content-length"] == "5"


def test_a_range_is_ignored(storage: Storage) -> None:
    storage.put("x", b"12345")
    get = storage.http.get("/files/home/astronomer/x", headers={"Range": "bytes=2-3"})
    assert (get.status_code, get.content) == (200, b"12345")


def test_folders_are_400_and_what_is_missing_is_404(storage: Storage) -> None:
    assert storage.get("").text == "GET for directories not supported\n"
    missing = storage.get("missing")
    assert (missing.status_code, missing.text) == (
        404,
        "NodeNotFound: vos://cadc.nrc.ca~arc/home/astronomer/missing\n",
    )
    assert missing.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_other_methods_are_405(storage: Storage, method: str) -> None:
    response = storage.http.request(method, "/files/home/astronomer/x")
    assert (response.status_code, response.text) == (405, f"unsupported: HTTP {method}\n")


def test_parents_are_not_created(storage: Storage) -> None:
    put = storage.put("a/b", b"x")
    assert (put.status_code, put.text) == (404, "not found: parent container /home/astronomer/a\n")
    assert list(storage.home.iterdir()) == []


def test_a_file_is_no_parent_and_a_folder_is_no_file(storage: Storage) -> None:
    storage.put("x", b"x")
    storage.mkdir("home/astronomer/folder")
    assert storage.put("x/y", b"").text == "parent is not a container node\n"
    assert storage.put("folder", b"").text == "not a data node\n"


def test_an_overwrite_keeps_the_inode_and_the_mode(storage: Storage) -> None:
    storage.put("x", b"long content")
    path = storage.home / "x"
    path.chmod(0o755)
    before = path.stat()
    assert storage.put("x", b"short").status_code == 201
    after = path.stat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, 5)


def test_new_files_are_not_executable(storage: Storage) -> None:
    storage.put("script.sh", b"#!/bin/sh")
    assert (storage.home / "script.sh").stat().st_mode & 0o111 == 0


@pytest.mark.parametrize(
    ("digest", "status"),
    [
        (digest_of(b"other"), 412),
        ("sha-256=" + base64.b64encode(hashlib.sha256(b"new").digest()).decode(), 412),
        ("md5", 400),
        ("md5=!", 400),
        ("md5=YQ==", 400),
        ("crc=YQ==", 400),
    ],
)
def test_a_digest_that_does_not_match_empties_the_file(storage: Storage, digest: str, status: int) -> None:
    storage.put("x", b"old")
    put = storage.put("x", b"new", Digest=digest)
    assert put.status_code == status
    assert put.text.startswith("checksum mismatch: ") == (status == 412)
    assert storage.get("x").status_code == 204
    assert storage.head("x").headers["digest"] == digest_of(b"old")


def test_content_md5_is_ignored(storage: Storage) -> None:
    assert storage.put("x", b"new", Content_MD5=digest_of(b"other")[4:]).status_code == 201


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_body_that_looks_like_a_form_is_eaten(storage: Storage, content_type: str) -> None:
    storage.put("x", b"old")
    put = storage.put("x", b"a=b", Content_Type=content_type)
    assert (put.status_code, put.text) == (500, "unexpected exception: java.lang.NullPointerException\n")
    assert (storage.home / "x").read_bytes() == b""


def test_a_session_that_rewrites_a_file_leaves_the_digest(storage: Storage) -> None:
    storage.put("x", b"old")
    (storage.home / "x").write_bytes(b"new")
    get = storage.get("x")
    assert (get.content, get.headers["digest"]) == (b"new", digest_of(b"old"))


def test_the_digest_property_changes_its_form(storage: Storage) -> None:
    storage.put("x", b"1")
    md5 = hashlib.md5(b"1", usedforsecurity=False).hexdigest()
    assert f">{md5}<" in storage.node("home/astronomer/x").text
    storage.put("x", b"1")
    assert f">md5:{md5}<" in storage.node("home/astronomer/x").text


def test_a_file_that_replaces_another_has_no_digest_of_it(storage: Storage) -> None:
    storage.put("x", b"old")
    storage.http.delete("/nodes/home/astronomer/x")
    (storage.home / "x").write_bytes(b"new")
    assert "digest" not in storage.get("x").headers


def test_chunked_bodies_arrive(storage: Storage) -> None:
    pieces = (bytes([number]) * 100_000 for number in range(20))
    put = storage.http.put("/files/home/astronomer/x", content=pieces)
    assert put.status_code == 201
    assert (storage.home / "x").stat().st_size == 2_000_000
    assert storage.get("x").content == b"".join(bytes([number]) * 100_000 for number in range(20))


def test_an_upload_is_written_while_it_arrives(storage: Storage) -> None:
    storage.put("x", b"old content")
    path = storage.home / "x"

    def pieces() -> Iterator[bytes]:
        for size in (1_000_000, 2_000_000, 3_000_000):
            yield b"n" * 1_000_000
            storage.caller.until(partial(has_size, size))

    def has_size(size: int) -> bool:
        return path.stat().st_size == size

    assert storage.http.put("/files/home/astronomer/x", content=pieces()).status_code == 201
    assert path.stat().st_size == 3_000_000
