from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.requests import Request

from airflow_provider_canfar.emulator.api.bodies import MAX_BODY, read_body

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

CHUNK = 64 * 1024


def request(chunks: Iterator[bytes]) -> Request:
    async def receive() -> dict[str, object]:
        chunk = next(chunks, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


@pytest.mark.parametrize("size", [0, 1, MAX_BODY])
async def test_a_body_up_to_the_limit_is_read(size: int) -> None:
    body = b"x" * size
    chunks = (body[start : start + CHUNK] for start in range(0, size, CHUNK))
    assert await read_body(request(chunks)) == body


async def test_an_endless_one_is_not_kept() -> None:
    count = 0

    def endless() -> Iterator[bytes]:
        nonlocal count
        while True:
            count += 1
            yield b"x" * CHUNK

    assert await read_body(request(endless())) is None
    assert count * CHUNK <= MAX_BODY + CHUNK


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
)
def test_a_form_that_is_too_long_has_no_parameters(shared_caller: Caller, content_type: str) -> None:
    """Also at the login, which needs no credential."""
    url = shared_caller.emulator.url.replace("/skaha/v1", "/ac/login")
    body = (b"x" * CHUNK for _ in range(0, 4 * MAX_BODY, CHUNK))
    response = httpx.post(url, content=body, headers={"Content-Type": content_type}, trust_env=False)
    assert (response.status_code, response.text) == (400, "Missing username or password\n")


def test_a_long_argument_of_the_admin_api_is_refused(shared_caller: Caller) -> None:
    with pytest.raises(ValueError, match="the body is too large"):
        shared_caller.emulator.rotate_token("x" * MAX_BODY)
