"""After each fault, the file is there with the right bytes, or the error says what is there."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import httpx
import pytest

from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    Rejected,
    RequestError,
    SpecError,
    Unreachable,
)
from airflow_provider_canfar.skaha.storage.uploader import LARGE_UPLOAD
from tests.fake_storage import FakeStorage, Fault, lost_after, lost_before, responds

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.storage.client import StorageClient
    from tests.skaha.conftest import Time

PATH = "/home/jdoe/tiles.json"
TILES = b'["a", "b"]'


async def put(client: StorageClient, data: bytes = TILES) -> None:
    await client.put(PATH, io.BytesIO(data))


async def test_an_upload_is_one_request_with_its_length_and_digest(
    client: StorageClient, storage: FakeStorage
) -> None:
    await put(client)
    (request,) = storage.requests
    assert request.headers["Content-Type"] == "application/octet-stream"
    assert request.headers["Content-Length"] == str(len(TILES))
    assert "Transfer-Encoding" not in request.headers
    assert request.headers["Digest"].startswith("md5=")
    assert storage.files[PATH].data == TILES


async def test_an_empty_file_is_a_file(client: StorageClient, storage: FakeStorage) -> None:
    await put(client, b"")
    assert storage.files[PATH].data == b""
    target = io.BytesIO(b"what was there")
    assert await client.get(PATH, target) == 0
    assert target.getvalue() == b""


@pytest.mark.parametrize(
    "fault",
    [
        lost_before,
        lost_after,
        responds(500, "unexpected exception: x"),
        responds(503, "System is in read-only mode for maintainence", Retry_After="30"),
        responds(412, "checksum mismatch: md5:a != md5:b"),
        responds(502, "<html>Bad Gateway</html>", Content_Type="text/html"),
    ],
)
async def test_a_fault_that_passes_leaves_the_whole_file(
    client: StorageClient, storage: FakeStorage, fault: Fault
) -> None:
    storage.faults["PUT"] = [fault]
    await put(client)
    assert storage.files[PATH].data == TILES


@pytest.mark.parametrize("seed", range(40))
async def test_nothing_is_reported_as_written_that_is_not(
    client: StorageClient, storage: FakeStorage, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 (a script of faults)
    faults = [None, lost_before, lost_after, responds(500), responds(412, "checksum mismatch"), responds(403)]
    storage.write(PATH, b"old")
    storage.faults = {
        "PUT": chance.choices(faults, k=8),
        "HEAD": chance.choices(faults[:4], k=8),
    }
    try:
        await put(client)
    except RequestError as error:
        assert "may be empty now" in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert storage.files[PATH].data == TILES


async def test_a_lost_response_to_a_long_upload_is_not_repeated(
    client: StorageClient, storage: FakeStorage, time: Time
) -> None:
    def slow(request: httpx.Request, serve: object) -> httpx.Response:
        time.now += 30
        return lost_after(request, serve)  # type: ignore[arg-type]  # the fake's own handler

    storage.faults["PUT"] = [slow]
    await put(client)
    assert storage.sent() == [f"PUT files{PATH}", f"HEAD files{PATH}"]


async def test_a_digest_that_a_session_has_made_stale_proves_nothing(
    client: StorageClient, storage: FakeStorage, time: Time
) -> None:
    """The same bytes were uploaded before, and a session changed them since, without changing the length."""
    await put(client)
    storage.write(PATH, bytes(len(TILES)))
    time.now += 3600
    storage.faults["PUT"] = [lost_before]
    await put(client)
    assert storage.files[PATH].data == TILES


async def test_the_digest_that_a_failed_overwrite_leaves_on_an_empty_file_proves_nothing(
    client: StorageClient, storage: FakeStorage, time: Time
) -> None:
    """The digest is then that of the very bytes that are uploaded again."""
    await put(client)

    def cut(_request: httpx.Request, _serve: object) -> httpx.Response:
        storage.write(PATH, b"")
        time.now += 30
        return httpx.Response(500, text="unexpected exception")

    storage.faults["PUT"] = [cut]
    await put(client)
    assert storage.files[PATH].data == TILES
    storage.faults["PUT"] = [cut, responds(403, "permission denied")]
    with pytest.raises(Rejected, match="may be empty now"):
        await put(client)
    assert storage.files[PATH].data == b""
    assert storage.files[PATH].digest


async def test_a_late_end_of_an_earlier_try_is_noticed(client: StorageClient, storage: FakeStorage) -> None:
    """The server truncates the file when it notices that a try was cut, which may be after the next one."""

    def succeeds_and_is_truncated(_request: httpx.Request, serve: object) -> httpx.Response:
        response: httpx.Response = serve()  # type: ignore[operator]  # the fake's own handler
        storage.files[PATH].data = b""
        return response

    storage.faults["PUT"] = [lost_before, succeeds_and_is_truncated]
    await put(client)
    assert storage.files[PATH].data == TILES


async def test_a_full_quota_is_not_retried_and_the_error_has_it(
    client: StorageClient, storage: FakeStorage
) -> None:
    storage.quota = 4
    with pytest.raises(Rejected, match=r"may be empty now.*The quota of /home/jdoe is") as caught:
        await put(client)
    assert caught.value.status == 413
    assert len([one for one in storage.sent() if one.startswith("PUT")]) == 1


async def test_a_lasting_disconnect_ends_with_the_one_retry_policy(
    client: StorageClient, storage: FakeStorage, time: Time
) -> None:
    storage.quota = 200_000_000_000
    storage.faults["PUT"] = [lost_before] * 1000
    started = time.now
    with pytest.raises(Unreachable, match=r"may be empty now.*The quota of /home/jdoe is 200 GB"):
        await put(client)
    assert time.now - started < 180


async def test_a_missing_folder_is_an_error_that_claims_no_damage(
    client: StorageClient, storage: FakeStorage
) -> None:
    with pytest.raises(NotFound) as caught:
        await client.put("/home/jdoe/new/x", io.BytesIO(b"x"))
    assert "empty" not in str(caught.value)


async def test_a_large_upload_asks_first(client: StorageClient, storage: FakeStorage) -> None:
    storage.faults["GET"] = [responds(401, "expired")]
    with pytest.raises(AuthenticationError):
        await put(client, bytes(LARGE_UPLOAD + 1))
    assert storage.sent() == ["GET nodes/home/jdoe"]


async def test_a_name_that_the_server_would_cut_is_refused_before_any_request(
    client: StorageClient, storage: FakeStorage
) -> None:
    with pytest.raises(SpecError, match="would cut it at '#'"):
        await client.put("/home/jdoe/a#b", io.BytesIO(b"x"))
    assert not storage.requests
