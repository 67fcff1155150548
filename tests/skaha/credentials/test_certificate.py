"""Proxy certificates, and real TLS."""

from __future__ import annotations

import logging
import os
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


async def test_a_certificate_is_loaded_when_it_is_first_needed(authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "proxy.pem"
    credential = Certificate(file)
    assert credential.expires_at is None
    file.write_text(issue(authority))
    authorization = await credential.authorize()
    assert authorization.tls is not None
    assert authorization.headers == {}
    assert credential.expires_at == NOW + timedelta(days=10)
    assert await credential.authorize() is authorization


async def test_no_key_has_a_name_on_a_disk_while_it_is_loaded(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a SIGKILL would leave behind at that very moment."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[list[Path]] = []
    load_cert_chain = ssl.SSLContext.load_cert_chain

    def look_and_load(tls: ssl.SSLContext, *files: str, **options: str) -> None:
        seen.append(list(tmp_path.iterdir()))
        load_cert_chain(tls, *files, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", look_and_load)
    await Certificate(pem=issue(authority)).authorize()
    monkeypatch.delattr(os, "memfd_create", raising=False)  # As on macOS.
    await Certificate(pem=issue(authority)).authorize()
    assert seen == [[], []]


async def test_a_key_file_that_others_may_read_is_warned_of_once(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "proxy.pem"
    file.write_text(issue(authority))
    file.chmod(0o640)
    certificate = Certificate(file)
    authorization = await certificate.authorize()
    await certificate.refresh(authorization)
    assert [one.getMessage() for one in caplog.records] == [
        f"Other users of this machine may read the private key in {file}. Run `chmod 600` on it."
    ]
    caplog.clear()
    file.chmod(0o600)
    await Certificate(file).authorize()
    assert not caplog.records


async def test_the_error_about_an_expired_certificate_says_when_and_how_to_get_another(
    authority: trustme.CA, tmp_path: Path
) -> None:
    file = tmp_path / "proxy.pem"
    file.write_text(issue(authority, until=NOW - timedelta(days=1)))
    with pytest.raises(AuthenticationError, match="cadc-get-cert") as rejection:
        await Certificate(file).authorize()
    for words in (str(file), str(NOW - timedelta(days=1)), "mcurie"):
        assert words in str(rejection.value)


async def test_a_certificate_that_expires_soon_is_logged_as_a_warning(
    authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    await Certificate(pem=issue(authority, until=NOW + timedelta(hours=30))).authorize()
    (record,) = (one for one in caplog.records if one.levelno == logging.WARNING)
    assert "cadc-get-cert" in record.getMessage()


async def test_a_long_lived_process_logs_one_warning_before_the_expiry(
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


async def test_a_renewed_file_is_loaded_again(authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "proxy.pem"
    file.write_text(issue(authority, until=NOW + timedelta(days=1)))
    now = NOW
    credential = Certificate(file, clock=lambda: now)
    first = await credential.authorize()
    assert not await credential.refresh(first), "the file has not changed"
    file.write_text(issue(authority, until=NOW + timedelta(days=9)))
    now = NOW + timedelta(days=2)
    second = await credential.authorize()
    assert second is not first
    assert await credential.refresh(first), "another has been loaded since"
    assert credential.expires_at == NOW + timedelta(days=9)


def encrypted(pem: str) -> str:
    key = load_pem_private_key(pem.encode(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    return locked.decode() + pem[pem.index("-----BEGIN CERTIFICATE") :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: "",
        lambda pem: "no certificate",
        lambda pem: pem[: pem.index("-----BEGIN CERTIFICATE")],
        lambda pem: pem[pem.index("-----BEGIN CERTIFICATE") :],
        lambda pem: pem.replace("MII", "MéI"),
        encrypted,
        lambda pem: pem.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES,00\n\n", 1),
    ],
    ids=["empty", "no PEM", "key only", "no key", "not base64", "key with a passphrase", "the older form"],
)
@pytest.mark.parametrize("as_text", [True, False])
async def test_the_error_about_an_unusable_certificate_does_not_contain_its_key(
    authority: trustme.CA, tmp_path: Path, damage: Callable[[str], str], as_text: bool
) -> None:
    """Nor must a key with a passphrase wait for a person to type it."""
    whole = issue(authority)
    damaged = damage(whole)
    file = tmp_path / "proxy.pem"
    file.write_text(damaged)
    credential = Certificate(pem=damaged) if as_text else Certificate(file)
    with pytest.raises(AuthenticationError, match="Could not load the proxy certificate") as rejection:
        await credential.authorize()
    assert whole.splitlines()[1] not in f"{rejection.value!r}"
    assert rejection.value.__cause__ is None


@pytest.mark.parametrize("end", ["", " ", "\\n", "\r\n"])
@pytest.mark.parametrize("as_text", [True, False])
async def test_a_certificate_is_loaded_with_any_line_breaks(
    authority: trustme.CA, tmp_path: Path, end: str, *, as_text: bool
) -> None:
    """A single-line form field removes them, and a variable often has them written out."""
    pem = issue(authority).replace("\n", end)
    file = tmp_path / "proxy.pem"
    file.write_bytes(pem.encode())
    credential = Certificate(pem=pem) if as_text else Certificate(file)
    assert (await credential.authorize()).tls
    assert credential.expires_at == NOW + timedelta(days=10)


async def test_a_file_with_names_in_another_encoding_is_loaded(authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "proxy.pem"
    file.write_bytes("    friendlyName: José\n".encode("latin-1") + issue(authority).encode())
    assert (await Certificate(file).authorize()).tls


async def test_a_certificate_that_is_not_valid_yet_says_so(authority: trustme.CA) -> None:
    now = NOW - timedelta(days=31)
    credential = Certificate(pem=issue(authority), clock=lambda: now)
    with pytest.raises(AuthenticationError, match=r"is not valid before .* Here it is .* clock") as rejection:
        await credential.authorize()
    assert "mcurie" in str(rejection.value)
    now = NOW
    assert (await credential.authorize()).tls


async def test_the_path_of_a_missing_file_is_not_quoted_as_it_may_be_a_secret(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match=r"path .*: No such file or directory") as refusal:
        await Certificate(tmp_path / "canary.pem").authorize()
    assert "canary" not in str(refusal.value)


# Proxy certificates for a login.


async def test_a_login_is_exchanged_for_a_proxy_certificate(authority: trustme.CA) -> None:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, text=issue(authority), headers={"Content-Type": "application/x-pem-file"})

    credential = ProxyCertificate(
        uuid4().hex, "radium", "https://cred.test/generate", transport=httpx.MockTransport(respond)
    )
    assert (await credential.authorize()).tls is not None
    assert credential.expires_at == NOW + timedelta(days=10)
    assert str(requests[0].url) == "https://cred.test/generate?daysValid=10"
    assert requests[0].headers["Authorization"].startswith("Basic ")


async def test_a_response_without_a_certificate_is_not_shown() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="-----BEGIN canary"))
    credential = ProxyCertificate(uuid4().hex, "radium", "https://cred.test/generate", transport=transport)
    with pytest.raises(ServerError, match="does not contain a proxy certificate") as raised:
        await credential.authorize()
    assert "canary" not in str(raised.value)


async def test_an_excessive_lifetime_becomes_what_the_service_allows(authority: trustme.CA) -> None:
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["daysValid"])
        if float(asked[-1]) > 7.5:
            return httpx.Response(400, text="daysValid larger than maximum allowed: 7.5")
        return httpx.Response(200, text=issue(authority))

    credential = ProxyCertificate(
        uuid4().hex, "radium", "https://cred.test/generate", transport=httpx.MockTransport(respond)
    )
    first = await credential.authorize()
    assert asked == ["10", "7.5"]
    await credential.refresh(first)
    assert asked == ["10", "7.5", "7.5"], "it remembers"


@pytest.mark.parametrize("allowed", ["0", "10.0", "30.0", "more"])
async def test_a_refusal_that_no_shorter_lifetime_would_avoid_is_an_error(allowed: str) -> None:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(400, text=f"daysValid larger than maximum allowed: {allowed}")

    credential = ProxyCertificate(
        uuid4().hex, "radium", "https://cred.test/generate", transport=httpx.MockTransport(respond)
    )
    with pytest.raises(AuthenticationError, match=f"maximum allowed: {allowed}"):
        await credential.authorize()
    assert len(requests) == 1


# Real TLS.


@pytest.fixture(name="tls_platform")
def _tls_platform(serve: Serve, server_tls: ssl.SSLContext, raw: Callable[..., bytes]) -> Iterator[str]:
    with serve(lambda *_: raw(200, "[]", X_VO_Authenticated="mcurie"), server_tls) as url:
        yield url


async def whoami(url: str, credential: Credential, time: Time) -> str:
    async with SkahaClient(url, credential, retry_for=10, clock=time.clock, sleep=time.sleep) as client:
        return await client.whoami()


@pytest.mark.usefixtures("trusted")
async def test_the_server_accepts_a_certificate(
    authority: trustme.CA, server_tls: ssl.SSLContext, tls_platform: str, time: Time
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    assert await whoami(tls_platform, Certificate(pem=issue(authority)), time) == "mcurie"


@pytest.mark.usefixtures("trusted")
async def test_the_error_of_a_server_that_requires_a_certificate_says_so(
    server_tls: ssl.SSLContext, tls_platform: str, time: Time
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(AuthenticationError, match="rejected the client certificate"):
        await whoami(tls_platform, Token("a-token"), time)
    assert time.slept == []


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_that_the_server_finds_expired_is_not_an_outage(
    authority: trustme.CA, tls_platform: str, time: Time
) -> None:
    """TLS ends with an alert, before any HTTP; this machine's clock is behind."""
    expired = issue(authority, until=NOW - timedelta(days=1))
    credential = Certificate(pem=expired, clock=lambda: NOW - timedelta(days=2))
    with pytest.raises(AuthenticationError, match="certificate expired") as rejection:
        await whoami(tls_platform, credential, time)
    assert "cadc-get-cert" in str(rejection.value)
    assert not rejection.value.maybe_applied
    assert time.slept == []


@pytest.mark.usefixtures("trusted")
async def test_a_refused_certificate_is_loaded_again_if_it_has_been_renewed(
    authority: trustme.CA, tls_platform: str, time: Time, tmp_path: Path
) -> None:
    file = tmp_path / "proxy.pem"
    file.write_text(issue(authority, until=NOW - timedelta(days=1)))
    credential = Certificate(file, clock=lambda: NOW - timedelta(days=2))
    await credential.authorize()
    file.write_text(issue(authority))
    assert await whoami(tls_platform, credential, time) == "mcurie"


@pytest.mark.usefixtures("trusted")
async def test_the_server_rejects_a_certificate_of_another_authority(tls_platform: str, time: Time) -> None:
    with pytest.raises(AuthenticationError, match="rejected the client certificate"):
        await whoami(tls_platform, Certificate(pem=issue(trustme.CA())), time)


async def test_a_server_of_an_unknown_authority_is_not_trusted_and_not_retried(
    tls_platform: str, time: Time
) -> None:
    with pytest.raises(TLSVerificationError, match="SSL_CERT_FILE") as raised:
        await whoami(tls_platform, Token("a-token"), time)
    assert isinstance(raised.value, Unreachable)
    assert not raised.value.maybe_applied
    assert time.slept == []


@pytest.mark.parametrize("file", ["missing.pem", "no-authority.pem"])
async def test_the_error_about_unreadable_authorities_names_their_variable(
    authority: trustme.CA,
    tls_platform: str,
    time: Time,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    """And not the client certificate."""
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
        with pytest.raises(SpecError, match=f"Invalid SSL_CERT_FILE .*{file}") as rejection:
            await whoami(tls_platform, credential, time)
        assert "cadc-get-cert" not in str(rejection.value)
    assert time.slept == []


@pytest.mark.usefixtures("trusted")
async def test_a_server_of_another_name_is_not_trusted(tls_platform: str, time: Time) -> None:
    with pytest.raises(TLSVerificationError, match="127"):
        await whoami(tls_platform.replace("localhost", "127.0.0.1"), Token("a-token"), time)
