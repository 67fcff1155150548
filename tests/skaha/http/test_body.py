"""Bodies of responses: never more of them than a limit is held, whatever they decompress to."""

from __future__ import annotations

import gzip
import re
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Login, Token
from airflow_provider_canfar.skaha.errors import RequestError, ResponseTooLarge, Unreachable
from airflow_provider_canfar.skaha.http import body
from airflow_provider_canfar.skaha.http.response import MAX_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://skaha.test/skaha/v1"
MIB = 1024 * 1024


class Pieces(httpx.AsyncByteStream):
    """A body as it arrives, and how much of it was taken."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.taken += len(piece)
            yield piece


def response(*pieces: bytes, status: int = 200, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request("GET", f"{URL}/session")
    return httpx.Response(status, headers=named, stream=Pieces(pieces), request=request)


def endless(piece: bytes = b"x" * 65536) -> Iterable[bytes]:
    while True:
        yield piece


def client_of(respond: Callable[[], httpx.Response]) -> SkahaClient:
    return SkahaClient(URL, Token("a-token"), transport=httpx.MockTransport(lambda _: respond()), retry_for=0)


def bomb(layers: int = 1, size: int = 600 * MIB) -> bytes:
    """Compress zeros, and the result again."""
    squeeze = zlib.compressobj(9, wbits=31)
    data = b"".join([*(squeeze.compress(bytes(MIB)) for _ in range(size // MIB)), squeeze.flush()])
    for _ in range(layers - 1):
        data = gzip.compress(data)
    return data


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(0, 100), st.booleans())
async def test_a_body_arrives_as_it_was_sent(pieces: list[bytes], limit: int, is_compressed: bool) -> None:
    whole = b"".join(pieces)

    def make() -> httpx.Response:
        if not is_compressed:
            return response(*pieces)
        data = gzip.compress(whole)
        return response(*(data[at : at + 7] for at in range(0, len(data), 7)), content_encoding="GZip")

    assert await body.read_start(make(), limit) == whole[:limit]
    if len(whole) <= limit:
        assert await body.read(make(), limit, "session") == whole
        assert await body.read_end(make(), limit) == whole
    else:
        with pytest.raises(ResponseTooLarge, match=f"more than {limit} bytes"):
            await body.read(make(), limit, "session")
        note, _, end = (await body.read_end(make(), limit)).partition(b"\n")
        assert whole.endswith(end)
        assert len(end) <= limit
        assert note == f"(The first {len(whole) - len(end):,} bytes of this log are omitted.)".encode()


async def test_the_end_of_a_log_begins_with_a_whole_line() -> None:
    log = b"one\ntwo\nthree\n"
    assert (
        await body.read_end(response(log), 11)
        == b"(The first 4 bytes of this log are omitted.)\ntwo\nthree\n"[:45] + b"two\nthree\n"
    )
    assert (await body.read_end(response(log), 10)).endswith(b"omitted.)\ntwo\nthree\n")
    assert (await body.read_end(response(log), 9)).endswith(b"omitted.)\nthree\n")


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "gzip, identity", "x" * 1000])
async def test_an_encoding_that_was_not_offered_is_no_answer(encoding: str) -> None:
    """The platform's client would decompress one inside another: 658 bytes became 605 MB."""
    with pytest.raises(httpx.DecodingError, match="not asked for"):
        await body.read(response(b"x", content_encoding=encoding), 10, "session")


async def test_what_is_not_compressed_as_it_says_is_no_answer() -> None:
    async with client_of(lambda: response(b"[]", content_encoding="gzip")) as client:
        with pytest.raises(Unreachable, match="not in gzip"):
            await client.fetch()


async def test_only_gzip_is_offered() -> None:
    offered: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        offered.append(request.headers["accept-encoding"])
        return httpx.Response(200, json=[])

    async with SkahaClient(URL, Token("a-token"), transport=httpx.MockTransport(respond)) as client:
        await client.fetch()
    login = Login("jdoe", "s3cr3t", "https://login.test/", transport=httpx.MockTransport(respond))
    await login.authorize()
    assert offered == ["gzip", "gzip"]


async def test_a_decompression_bomb_takes_no_more_memory_than_the_limit() -> None:
    data = bomb()
    answer = response(data, content_encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLarge):
            await body.read(answer, MIB, "session")
        assert len(await body.read_start(response(data, content_encoding="gzip"))) == MAX_ERROR
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


async def test_a_log_takes_no_more_memory_than_what_is_kept_of_it() -> None:
    lines = b"a line of a log\n" * 4096
    tracemalloc.start()
    try:
        end = await body.read_end(response(*(lines for _ in range(5000))), MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(end) + 100 > MIB
    assert re.match(rb"\(The first 32[0-9],[0-9]{3},[0-9]{3} bytes of this log are omitted\.\)\na line", end)
    assert peak < 8 * MIB


async def test_a_list_that_is_too_large_is_refused_at_once_and_not_requested_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("airflow_provider_canfar.skaha.account_client.MAX_LIST", MIB)
    streams = []

    def respond() -> httpx.Response:
        streams.append(Pieces(endless()))
        return httpx.Response(200, stream=streams[-1])

    async with client_of(respond) as client:
        with pytest.raises(ResponseTooLarge, match=r"GET session has more than 1,048,576 bytes") as refusal:
            await client.fetch()
    assert not refusal.value.retryable
    assert [stream.taken for stream in streams] == [MIB + 65536]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
async def test_an_endless_error_is_read_as_far_as_it_is_quoted(status: int) -> None:
    stream = Pieces(endless(b"<!--" * 16384))
    async with client_of(lambda: httpx.Response(status, stream=stream)) as client:
        with pytest.raises(RequestError) as error:
            await client.fetch()
    assert error.value.status == status
    assert stream.taken <= 2 * MAX_ERROR


async def test_the_status_of_an_error_counts_even_if_its_page_cannot_be_decompressed() -> None:
    async with client_of(lambda: response(b"page", status=403, content_encoding="br")) as client:
        with pytest.raises(RequestError) as error:
            await client.fetch()
    assert error.value.status == 403


async def test_an_endless_grant_is_refused() -> None:
    stream = Pieces(endless())
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    login = Login("jdoe", "s3cr3t", "https://endless.test/", transport=transport)
    with pytest.raises(ResponseTooLarge):
        await login.authorize()
    assert stream.taken <= 2 * MIB


async def test_of_a_log_the_end_is_kept_and_all_of_it_can_be_streamed() -> None:
    log = b"".join(b"line %d\n" % number for number in range(100_000))

    def respond() -> httpx.Response:
        return response(gzip.compress(log), content_encoding="gzip")

    async with client_of(respond) as client:
        shown = (await client.logs("k3v9x2qa", max_bytes=1000))["k3v9x2qa"]
        assert shown.startswith("(The first 1,")
        assert log.decode().endswith(shown.partition("\n")[2])
        assert "".join([text async for text in client.stream_logs("k3v9x2qa")]) == log.decode()


def test_a_list_of_100_000_sessions_is_within_its_limit() -> None:
    """A row with everything that the server's documentation has in it."""
    row = {
        "id": "k3v9x2qa",
        "userid": "j" * 32,
        "runAsUID": "1000000001",
        "runAsGID": "1000000001",
        "supplementalGroups": [1_000_000_000 + number for number in range(40)],
        "image": f"images.canfar.net/{'p' * 40}/{'i' * 60}:{'t' * 30}",
        "type": "notebook",
        "status": "Running",
        "name": "n" * 63,
        "startTime": "2026-03-04T15:00:00Z",
        "expiryTime": "2026-03-08T15:00:00Z",
        "connectURL": "https://ws-uv.canfar.net/session/notebook/k3v9x2qa/lab/tree/arc/home/jdoe?token=k3v9x2qa",
        "requestedRAM": "17.18",
        "requestedCPUCores": "4",
        "requestedGPUCores": "0",
        "ramInUse": "0.61",
        "cpuCoresInUse": "0.021",
        "isFixedResources": True,
    }
    assert len(httpx.Response(200, json=[row]).content) * 100_000 < body.MAX_LIST
