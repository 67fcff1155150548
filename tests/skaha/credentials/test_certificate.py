"""Proxy certificates, and real TLS."""

from __future__ import annotations

import logging
import ssl
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Certificate, Credential, ProxyCertificate, Token
from airflow_provider_canfar.skaha.credentials import certificate as certificates
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    ServerError,
    SpecError,
    TLSVerificationError,
    Unreachable,
)

if TYPE_CHECKING:
    from tests.skaha.conftest import Serve, Time

NOW = datetime.now(UTC).replace(microsecond=0)


def issue(authority: trustme.CA, *, until: datetime = NOW + timedelta(days=10)) -> str:
    """Sign a user's proxy certificate: certificate, key and chain in one text."""
    leaf = authority.issue_cert(common_name="mcurie", not_before=NOW - timedelta(days=30), not_after=until)
    return leaf.private_key_and_cert_chain_pem.bytes().decode()


def test_a_certificate_is_a_path_or_a_text() -> None:
    with pytest.raises(SpecError, match="one of the two"):
        Certificate()
    with pytest.raises(SpecError, match="one of the two"):
        Certificate("x.pem", pem="y")


async def test_a_certificate_is_read_when_it_is_first_needed(authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "proxy.pem"
    credential = Certificate(file)
    assert credential.expires_at is None
    file.write_text(issue(authority))
    authorization = await credential.authorize()
    assert authorization.tls is not None
    assert authorization.headers == {}
    assert credential.expires_at == NOW + timedelta(days=10)
    assert await credential.authorize() is authorization


async def test_a_text_is_on_disk_only_while_it_is_loaded_and_for_its_owner_only(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes = []

    def present(tls: ssl.SSLContext, path: Path) -> None:
        modes.append(path.stat().st_mode & 0o777)
        tls.load_cert_chain(path)

    monkeypatch.setattr(certificates, "_present", present)
    await Certificate(pem=issue(authority)).authorize()
    assert modes == [0o600]
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 (an empty folder)


async def test_an_ended_certificate_says_when_it_ended_and_how_to_get_another(
    authority: trustme.CA, tmp_path: Path
) -> None:
    file = tmp_path / "proxy.pem"
    file.write_text(issue(authority, until=NOW - timedelta(days=1)))
    with pytest.raises(AuthenticationError, match="cadc-get-cert") as refusal:
        await Certificate(file).authorize()
    for words in (str(file), str(NOW - timedelta(days=1)), "mcurie"):
        assert words in str(refusal.value)


async def test_a_certificate_that_will_end_soon_is_worth_a_warning(
    authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    await Certificate(pem=issue(authority, until=NOW + timedelta(hours=30))).authorize()
    (record,) = (one for one in caplog.records if one.levelno == logging.WARNING)
    assert "cadc-get-cert" in record.getMessage()


async def test_a_process_that_lives_long_is_warned_once_when_the_end_comes_near(
    authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    now = NOW
    credential = Certificate(pem=issue(authority), clock=lambda: now)
    await credential.authorize()
    assert caplog.records == []
    now = NOW + timedelta(days=9)
    await credential.authorize()
    await credential.authorize()
    (warning,) = caplog.messages
    assert str(NOW + timedelta(days=10)) in warning


async def test_a_file_that_somebody_renews_is_read_again(authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "proxy.pem"
    file.write_text(issue(authority, until=NOW + timedelta(days=1)))
    now = NOW
    credential = Certificate(file, clock=lambda: now)
    first = await credential.authorize()
    assert not await credential.refresh(first), "it is the same file still"
    file.write_text(issue(authority, until=NOW + timedelta(days=9)))
    now = NOW + timedelta(days=2)
    second = await credential.authorize()
    assert second is not first
    assert await credential.refresh(first), "another has been read since"
    assert credential.expires_at == NOW + timedelta(days=9)


def encrypted(pem: str) -> str:
    key = load_pem_private_key(pem.encode(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    return locked.decode() + pem[pem.index("-----BEGIN CERTIFICATE") :]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pem: "",
        lambda pem: "no certificate",
        lambda pem: pem[: pem.index("-----BEGIN CERTIFICATE")],
        lambda pem: pem[pem.index("-----BEGIN CERTIFICATE") :],
        lambda pem: "é" + pem,
        encrypted,
    ],
    ids=["empty", "no PEM", "key only", "no key", "not ASCII", "key with a passphrase"],
)
@pytest.mark.parametrize("as_text", [True, False])
async def test_a_certificate_that_cannot_be_used_says_so_without_showing_its_key(
    authority: trustme.CA, tmp_path: Path, spoil: Callable[[str], str], as_text: bool
) -> None:
    """A key with a passphrase must not wait for somebody to type it, either."""
    whole = issue(authority)
    spoiled = spoil(whole)
    file = tmp_path / "proxy.pem"
    file.write_text(spoiled)
    credential = Certificate(pem=spoiled) if as_text else Certificate(file)
    with pytest.raises(AuthenticationError, match="cannot be read") as refusal:
        await credential.authorize()
    assert whole.splitlines()[1] not in f"{refusal.value!r}"
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("end", ["", " ", "\\n", "\r\n"])
async def test_a_text_that_has_lost_its_lines_is_read_all_the_same(authority: trustme.CA, end: str) -> None:
    """A form's field of one line takes them away, and a variable often has them written out."""
    credential = Certificate(pem=issue(authority).replace("\n", end))
    assert (await credential.authorize()).tls
    assert credential.expires_at == NOW + timedelta(days=10)


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match=r"missing\.pem"):
        await Certificate(tmp_path / "missing.pem").authorize()


# What a login gives.


async def test_a_login_is_exchanged_for_a_proxy_certificate(authority: trustme.CA) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, text=issue(authority), headers={"Content-Type": "application/x-pem-file"})

    credential = ProxyCertificate(
        uuid4().hex, "radium", "https://cred.test/generate", transport=httpx.MockTransport(answer)
    )
    assert (await credential.authorize()).tls is not None
    assert credential.expires_at == NOW + timedelta(days=10)
    assert str(asked[0].url) == "https://cred.test/generate?daysValid=10"
    assert asked[0].headers["Authorization"].startswith("Basic ")


async def test_an_answer_that_is_no_certificate_is_not_shown() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="-----BEGIN canary"))
    credential = ProxyCertificate(uuid4().hex, "radium", "https://cred.test/generate", transport=transport)
    with pytest.raises(ServerError, match="something else") as fault:
        await credential.authorize()
    assert "canary" not in str(fault.value)


async def test_a_refused_number_of_days_is_told_in_the_services_words() -> None:
    transport = httpx.MockTransport(
        lambda _: httpx.Response(400, text="daysValid larger than maximum allowed: 30.0")
    )
    credential = ProxyCertificate(
        uuid4().hex, "radium", "https://cred.test/generate", days_valid=90, transport=transport
    )
    with pytest.raises(AuthenticationError, match=r"maximum allowed: 30\.0"):
        await credential.authorize()


# Real TLS.


@pytest.fixture(name="tls_platform")
def _tls_platform(serve: Serve, server_tls: ssl.SSLContext, raw: Callable[..., bytes]) -> Iterator[str]:
    with serve(lambda *_: raw(200, "[]", X_VO_Authenticated="mcurie"), server_tls) as url:
        yield url


async def whoami(url: str, credential: Credential, time: Time) -> str:
    async with SkahaClient(url, credential, retry_for=10, clock=time.clock, sleep=time.sleep) as client:
        return await client.whoami()


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_opens_the_door(
    authority: trustme.CA, server_tls: ssl.SSLContext, tls_platform: str, time: Time
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    assert await whoami(tls_platform, Certificate(pem=issue(authority)), time) == "mcurie"


@pytest.mark.usefixtures("trusted")
async def test_a_server_that_wants_a_certificate_says_so_to_a_token(
    server_tls: ssl.SSLContext, tls_platform: str, time: Time
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(AuthenticationError, match="refused the client's certificate"):
        await whoami(tls_platform, Token("a-token"), time)
    assert time.slept == []


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_that_the_server_finds_expired_is_no_outage(
    authority: trustme.CA, tls_platform: str, time: Time
) -> None:
    """TLS ends with an alert, before any HTTP; this machine's clock is behind."""
    expired = issue(authority, until=NOW - timedelta(days=1))
    credential = Certificate(pem=expired, clock=lambda: NOW - timedelta(days=2))
    with pytest.raises(AuthenticationError, match="certificate expired") as refusal:
        await whoami(tls_platform, credential, time)
    assert "cadc-get-cert" in str(refusal.value)
    assert not refusal.value.maybe_applied
    assert time.slept == []


@pytest.mark.usefixtures("trusted")
async def test_a_refused_certificate_that_somebody_has_renewed_meanwhile_is_read_again(
    authority: trustme.CA, tls_platform: str, time: Time, tmp_path: Path
) -> None:
    file = tmp_path / "proxy.pem"
    file.write_text(issue(authority, until=NOW - timedelta(days=1)))
    credential = Certificate(file, clock=lambda: NOW - timedelta(days=2))
    await credential.authorize()
    file.write_text(issue(authority))
    assert await whoami(tls_platform, credential, time) == "mcurie"


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_another_authority_is_refused(tls_platform: str, time: Time) -> None:
    with pytest.raises(AuthenticationError, match="refused the client's certificate"):
        await whoami(tls_platform, Certificate(pem=issue(trustme.CA())), time)


async def test_a_server_of_an_unknown_authority_is_not_trusted_and_not_asked_again(
    tls_platform: str, time: Time
) -> None:
    with pytest.raises(TLSVerificationError, match="SSL_CERT_FILE") as fault:
        await whoami(tls_platform, Token("a-token"), time)
    assert isinstance(fault.value, Unreachable)
    assert not fault.value.maybe_applied
    assert time.slept == []


@pytest.mark.parametrize("file", ["missing.pem", "no-authority.pem"])
async def test_authorities_that_cannot_be_read_are_told_by_the_name_of_their_variable(
    authority: trustme.CA,
    tls_platform: str,
    time: Time,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    """And not as a fault of the certificate that was to be shown."""
    tmp_path.joinpath("no-authority.pem").write_text("none")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / file))
    pem = issue(authority)
    from_a_service = ProxyCertificate(
        uuid4().hex,
        "radium",
        "https://cred.test/generate",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, text=pem)),
    )
    for credential in (Token("a-token"), Certificate(pem=pem), from_a_service):
        with pytest.raises(SpecError, match=f"SSL_CERT_FILE=.*{file}") as refusal:
            await whoami(tls_platform, credential, time)
        assert "cadc-get-cert" not in str(refusal.value)
    assert time.slept == []


@pytest.mark.usefixtures("trusted")
async def test_a_server_of_another_name_is_not_trusted(tls_platform: str, time: Time) -> None:
    with pytest.raises(TLSVerificationError, match="127"):
        await whoami(tls_platform.replace("localhost", "127.0.0.1"), Token("a-token"), time)
