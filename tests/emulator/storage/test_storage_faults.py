"""What goes wrong in the file service, and what it leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from airflow_provider_canfar.emulator.faults.switched import Faults
from tests.emulator.storage.conftest import USER, prop, uris
from tests.emulator.storage.test_file_routes import digest_of
from tests.emulator.storage.test_jobs import transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.emulator.conftest import Caller
    from tests.emulator.storage.conftest import Storage

UPLOADS = {"method": "PUT", "path": "^/arc/files"}


def faults(storage: Storage, **changes: dict[str, object] | None) -> None:
    storage.caller.emulator.faults(**changes)


def size(storage: Storage, name: str) -> int:
    return (storage.home / name).stat().st_size


def test_a_request_dropped_before_an_upload_changes_nothing(storage: Storage) -> None:
    storage.put("x", b"old")
    faults(storage, drop_before={**UPLOADS, "count": 1})
    with pytest.raises(httpx.TransportError):
        storage.put("x", b"new")
    assert storage.get("x").content == b"old"
    assert storage.put("x", b"new").status_code == 201


def test_a_response_dropped_after_an_upload_leaves_the_whole_file(storage: Storage) -> None:
    faults(storage, drop_after={**UPLOADS, "count": 1})
    with pytest.raises(httpx.TransportError):
        storage.put("x", b"new")
    head = storage.head("x")
    assert (head.headers["content-length"], head.headers["digest"]) == ("3", digest_of(b"new"))


@pytest.mark.parametrize("after", [0, 1, 500_000, 10_000_000])
def test_an_upload_that_is_cut_leaves_an_empty_file(storage: Storage, after: int) -> None:
    storage.put("x", b"old")
    faults(storage, cut_upload={"after": after, "count": 1})
    with pytest.raises(httpx.TransportError):
        storage.put("x", b"n" * 1_000_000)
    assert size(storage, "x") == 0
    assert storage.head("x").headers["digest"] == digest_of(b"old")


def test_a_client_that_goes_away_leaves_an_empty_file(storage: Storage) -> None:
    storage.put("x", b"old")

    def pieces() -> Iterator[bytes]:
        yield b"n" * 100_000
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        storage.http.put(f"/files/home/{USER}/x", content=pieces())
    storage.caller.until(lambda: size(storage, "x") == 0)


@pytest.mark.parametrize("after", [0, 1, 2_000_000])
def test_a_download_that_is_cut_is_shorter_than_it_says(storage: Storage, after: int) -> None:
    content = b"x" * 3_000_000
    storage.put("x", content)
    faults(storage, cut_download={"after": after, "count": 1})
    received: list[bytes] = []
    with storage.http.stream("GET", f"/files/home/{USER}/x") as response:
        assert response.headers["content-length"] == "3000000"
        with pytest.raises(httpx.TransportError):
            received.extend(response.iter_raw())
    assert sum(map(len, received)) <= after
    assert storage.get("x").content == content


def test_a_mismatch_empties_a_file_that_came_with_a_digest(storage: Storage) -> None:
    faults(storage, checksum_mismatch={})
    refused = storage.put("x", b"new", Digest=digest_of(b"new"))
    assert (refused.status_code, refused.text[:24]) == (412, "checksum mismatch: md5:2")
    assert size(storage, "x") == 0
    assert storage.put("x", b"new").status_code == 201


def test_a_full_quota_is_413_with_what_is_left(storage: Storage) -> None:
    storage.caller.emulator.configure(storage_quota=1_000_000)
    storage.put("x", b"1" * 400_000)
    refused = storage.put("y", b"2" * 700_000)
    assert (refused.status_code, refused.text) == (413, "limit: 600000\n")
    assert size(storage, "y") == 0
    assert storage.put("x", b"1" * 900_000).status_code == 201
    home = storage.node(f"home/{USER}", limit="0")
    assert (prop(home, "quota"), prop(home, "length")) == ("1000000", "900000")


def test_a_full_quota_may_only_close_the_connection(storage: Storage) -> None:
    storage.caller.emulator.configure(storage_quota=100, quota_response="disconnect")
    assert storage.put("x", b"1" * 100).status_code == 201
    with pytest.raises(httpx.TransportError):
        storage.put("y", b"2")
    assert (size(storage, "x"), size(storage, "y")) == (100, 0)


def test_a_busy_service_says_when_to_come_again(storage: Storage) -> None:
    faults(storage, busy={"path": "^/arc", "retry_after": 7})
    busy = storage.get("x")
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "7")
    assert storage.caller.http.get("/session").status_code == 200


def test_in_read_only_mode_nothing_changes(storage: Storage) -> None:
    storage.put("x", b"old")
    faults(storage, read_only={})
    base = f"vos://cadc.nrc.ca~arc/home/{USER}"
    for refused in (
        storage.put("x", b"new"),
        storage.mkdir(f"home/{USER}/a"),
        storage.http.delete(f"/nodes/home/{USER}/x"),
        storage.http.post("/transfers", content=transfer(f"{base}/x", f"{base}/y")),
        storage.http.post("/async-delete", data={"target": f"{base}/x"}),
    ):
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "180")
        assert refused.text == "System is in read-only mode for maintainence\n"
    assert storage.get("x").content == b"old"
    assert storage.caller.create(cmd="true")


def test_a_race_for_a_folder_is_500_and_the_folder_is_there(storage: Storage) -> None:
    faults(storage, mkdir_race={"count": 1})
    lost = storage.mkdir(f"home/{USER}/a")
    assert (lost.status_code, lost.text) == (
        500,
        (
            "unexpected exception: java.lang.RuntimeException: failed to create/update node at "
            f"/home/{USER}/a\n"
        ),
    )
    assert storage.mkdir(f"home/{USER}/a").status_code == 409


@pytest.mark.parametrize("after", [0, 2, 9])
def test_a_file_that_vanishes_spoils_a_short_list(storage: Storage, after: int) -> None:
    for name in "abc":
        storage.put(name, b"")
    faults(storage, list_race={"after": after, "count": 1})
    spoilt = storage.node(f"home/{USER}")
    assert (spoilt.status_code, spoilt.text) == (
        500,
        "unexpected exception: java.lang.NullPointerException\n",
    )
    assert len(uris(storage.node(f"home/{USER}"))) == 3


def test_a_file_that_vanishes_cuts_a_long_list(storage: Storage) -> None:
    for number in range(50):
        (storage.home / f"file-{number:02}").touch()
    faults(storage, list_race={"after": 40, "path": USER, "count": 1})
    cut = storage.node(f"home/{USER}")
    assert (cut.status_code, "</vos:node>" in cut.text) == (200, True)
    assert not cut.text.rstrip().endswith("</vos:nodes>\n</vos:node>")
    assert 1 < len(uris(cut)) < 41


def test_a_race_does_not_spoil_a_folder_without_its_list(storage: Storage) -> None:
    faults(storage, list_race={})
    assert storage.node(f"home/{USER}", limit="0").status_code == 200


def test_a_stale_digest_is_that_of_other_bytes(storage: Storage) -> None:
    storage.put("x", b"1")
    faults(storage, stale_digest={})
    stale = storage.head("x").headers["digest"]
    assert stale.startswith("md5=")
    assert stale != digest_of(b"1")
    (storage.home / "by-a-session").write_text("1")
    assert "digest" not in storage.head("by-a-session").headers


def test_a_token_that_has_expired_is_401_and_none_is_403(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(token_lifetime=0.0, password="password")
    root = caller.emulator.url.removesuffix("/skaha/v1")
    login = {"username": "astronomer", "password": "password"}
    with httpx.Client(base_url=root, trust_env=False) as http:
        token = http.post("/ac/login", data=login).text
        path = f"/arc/files/home/{USER}/x"
        expired = http.put(path, content=b"x", headers={"Authorization": f"Bearer {token}"})
        assert (expired.status_code, expired.text) == (401, "token is invalid or has expired\n")
        none = http.put(path, content=b"x")
        assert none.status_code == 403
        assert none.headers["www-authenticate"].startswith("ivoa_x509")


def test_a_long_upload_with_a_bad_token_is_cut_off_early(storage: Storage) -> None:
    """Tomcat reads 2 MiB more after it has responded, and closes the connection."""
    url = f"/files/home/{USER}/x"
    try:
        response = storage.http.put(url, content=b"x" * 20_000_000, headers={"Authorization": "Bearer no"})
    except httpx.TransportError:
        pass
    else:
        assert (response.status_code, response.headers["connection"]) == (401, "close")
    assert not (storage.home / "x").exists()


@pytest.mark.parametrize("kind", ["cut_upload", "cut_download", "list_race"])
def test_what_cannot_be_a_number_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="'after' must be a number of"):
        Faults().update({kind: {"after": "half"}})
