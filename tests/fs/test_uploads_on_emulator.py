"""After each of the storage's faults, the whole file is there, or the error says what may be there."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.skaha.credentials import Authorization, Token
from airflow_provider_canfar.skaha.errors import AuthenticationError, RequestError
from airflow_provider_canfar.skaha.storage.client import StorageClient
from airflow_provider_canfar.skaha.storage.uploader import LARGE_UPLOAD

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

OLD = b"what was there before"
SMALL = bytes(range(256)) * 64
LARGE = bytes(range(256)) * (LARGE_UPLOAD // 256 + 1000)

#: Each fault of a file's requests, as it would be switched on for some time.
FAULTS: dict[str, dict[str, Any]] = {
    "drop_before": {"method": "PUT"},
    "drop_after": {"method": "PUT"},
    "cut_upload": {"after": 1000},
    "checksum_mismatch": {},
    "stale_digest": {},
    "read_only": {"retry_after": 0},
    "busy": {"path": "^/arc", "retry_after": 0},
    "server_error": {"path": "^/arc"},
    "html": {"path": "^/arc"},
    "not_deployed": {"path": "^/arc"},
    "forbidden": {"path": "^/arc", "message": "permission denied"},
    "expired_token": {"path": "^/arc"},
    "truncated": {"path": "^/arc"},
    "too_many_requests": {"path": "^/arc", "retry_after": 0},
}


@pytest.fixture(name="broken")
def _broken(emulator: Emulator) -> Iterator[Emulator]:
    token = emulator.token
    yield emulator
    emulator.rotate_token(token)
    emulator.clear_faults()
    emulator.configure(storage_quota=200e9, quota_response="too_large")


@pytest.fixture(name="file")
def _file(base: str, mount: Path) -> Path:
    """Return a file as a session sees it, with something in it."""
    file = mount / base[1:] / "file"
    file.write_bytes(OLD)
    return file


def read(file: Path) -> bytes:
    return file.read_bytes()


def write(file: Path, content: bytes) -> None:
    """Write a file as a session does."""
    file.write_bytes(content)


async def briefly(_seconds: float) -> None:
    """Sleep much shorter than the policy says."""
    await asyncio.sleep(0.01)


def client_of(emulator: Emulator, credential: Any = None, **options: Any) -> StorageClient:
    url = emulator.url.replace("/skaha/v1", "/arc")
    return StorageClient(
        url, credential or Token(emulator.token), **{"sleep": briefly, "retry_for": 60, **options}
    )


async def put(client: StorageClient, base: str, content: bytes) -> RequestError | None:
    async with client:
        try:
            await client.put(f"{base}/file", io.BytesIO(content))
        except RequestError as error:
            return error
    return None


def check(file: Path, content: bytes, error: RequestError | None) -> None:
    """Nothing is reported as written that is not, and nothing is emptied without a word."""
    found = file.read_bytes()
    if error is None:
        assert found == content
    elif "may be empty now" not in str(error):
        assert found == OLD


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("count", [1, 2, None], ids=["once", "twice", "always"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_file_is_whole_or_the_error_says_what_may_be_there(
    broken: Emulator, base: str, file: Path, fault: str, count: int | None, content: bytes
) -> None:
    broken.faults(**{fault: FAULTS[fault] | ({} if count is None else {"count": count})})
    # A fault that stays is given up soon; one that passes must pass on a busy machine, too.
    client = client_of(broken, retry_for=0.5 if count is None else 60)
    error = await put(client, base, content)
    check(file, content, error)
    if count is not None and fault not in {"forbidden", "expired_token"}:
        assert error is None, "it passes"


async def test_any_two_faults_leave_a_whole_file_or_a_word(broken: Emulator, base: str, file: Path) -> None:
    for first in ("cut_upload", "drop_after", "checksum_mismatch"):
        for then in ("forbidden", "expired_token", "stale_digest", "server_error", "read_only"):
            write(file, OLD)
            broken.clear_faults()
            broken.faults(**{first: FAULTS[first] | {"count": 1}})

            async def next_fault(_seconds: float, name: str = then) -> None:
                await asyncio.to_thread(broken.faults, **{name: FAULTS[name]})

            error = await put(client_of(broken, sleep=next_fault, retry_for=2), base, SMALL)
            check(file, SMALL, error)


@pytest.mark.parametrize("response", ["too_large", "disconnect"])
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_a_full_quota_is_named_even_if_the_server_says_nothing(
    broken: Emulator, base: str, file: Path, response: str, content: bytes
) -> None:
    broken.configure(storage_quota=2000, quota_response=response)
    error = await put(client_of(broken, retry_for=0.5), base, content)
    assert error is not None
    assert "may be empty now" in str(error)
    assert "The quota of /home/jdoe is" in str(error)
    assert read(file) == b""


class Renewable:
    """A credential of which the platform accepts only the newest token."""

    name, renewal, expires_at = "a token", "Get another.", None

    def __init__(self, token: str, renewed: str | None) -> None:
        self._token, self._renewed = token, renewed

    async def authorize(self) -> Authorization:
        return Authorization({"Authorization": f"Bearer {self._token}"})

    async def refresh(self, rejected: Authorization) -> bool:
        if self._renewed is None:
            return False
        self._token, self._renewed = self._renewed, None
        return True


@pytest.mark.parametrize("is_renewed", [True, False], ids=["renewed", "expired"])
async def test_a_credential_may_expire_between_two_tries_of_an_upload(
    broken: Emulator, base: str, file: Path, *, is_renewed: bool
) -> None:
    credential = Renewable(broken.token, "renewed-token" if is_renewed else None)

    async def expire(_seconds: float) -> None:
        await asyncio.to_thread(broken.rotate_token, "renewed-token")

    broken.faults(cut_upload={"count": 1})
    error = await put(client_of(broken, credential, sleep=expire), base, SMALL)
    check(file, SMALL, error)
    if is_renewed:
        assert error is None
    else:
        assert isinstance(error, AuthenticationError)
        assert "may be empty now" in str(error)
        assert read(file) == b""


# Not truncated: its Content-Length is that of what it sends, so no client notices.
@pytest.mark.parametrize("fault", ["cut_download", "stale_digest", "busy", "html", "server_error"])
@pytest.mark.parametrize("count", [1, None], ids=["once", "always"])
async def test_a_download_is_whole_or_an_error(
    broken: Emulator, base: str, file: Path, fault: str, count: int | None
) -> None:
    write(file, LARGE)
    options = FAULTS.get(fault, {"after": 5000}) | ({} if count is None else {"count": count})
    broken.faults(**{fault: options})
    target = io.BytesIO()
    async with client_of(broken, retry_for=0.5 if count is None else 60) as client:
        try:
            size = await client.get(f"{base}/file", target)
        except RequestError:
            assert count is None
        else:
            assert (size, target.getvalue()) == (len(LARGE), LARGE)
