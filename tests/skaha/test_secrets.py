"""No secret is in any log, repr, message, note or URL: tests plant canaries and look for them everywhere."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from airflow_provider_canfar.emulator.faults.encodings import ENCODINGS
from airflow_provider_canfar.skaha.client import SkahaClient, Timeouts
from airflow_provider_canfar.skaha.credentials import (
    Credential,
    RegistryCredential,
    credential_from_connection,
)
from airflow_provider_canfar.skaha.errors import CanfarError, PartialFailure
from airflow_provider_canfar.skaha.models import SessionSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import trustme

    from tests.skaha.conftest import Serve, Time

#: The response to each fault; nothing to hang up, None to hang.
FAULTS: dict[str, tuple[int, str, str] | bytes | None] = {
    "none": (200, "", "text/plain"),
    "400": (400, "Missing parameter 'image'", "text/plain"),
    "401": (401, "invalid token", "text/plain"),
    "403": (403, "Not authorized to use the skaha system", "text/plain"),
    "404": (404, "session k3v9x2qa not found", "text/plain"),
    "413": (413, "limit: 2097152", "text/plain"),
    "429": (429, "", "text/plain"),
    "500 page": (500, "<h1>Internal Server Error</h1>", "text/html"),
    "503": (503, "temporarily unavailable: x", "text/plain"),
    "200 page": (200, "<h1>Sign in</h1>", "text/html"),
    "truncated JSON": (200, '[{"id": "k3v9', "application/json"),
    "hangs up": b"",
    "hangs": None,
}

GOOD = {
    "session": "[]",
    "session/k3v9x2qa": '{"id": "k3v9x2qa", "type": "notebook", "status": "Running", "connectURL": "https://x.test"}',
    "context": "{}",
    "image": "[]",
    "repository": "[]",
}


class Canaries:
    """The secrets of a test, no two alike."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def plant(self, tail: str = "") -> str:
        """Return a new secret.

        :param tail: what it ends in, such as characters that encodings change.
        """
        canary = f"canary{uuid4().hex}"
        self.planted.append(canary)
        return canary + tail

    def plant_text(self, secret: str) -> str:
        """Plant a given secret, such as a private key: each of its lines is one."""
        self.planted += [line for line in secret.splitlines() if len(line) > 40]
        return secret

    def found_in(self, text: str) -> list[str]:
        """Return the canaries in a text, plain or encoded; in base64 also after other characters."""
        return [canary for canary in self.planted if any(form in text for form in forms_of(canary))]


def forms_of(canary: str) -> set[str]:
    """Return how a text may have a secret of plain letters."""
    shifted = [base64.b64encode(b"." * shift + canary.encode()).decode()[4:-4] for shift in range(3)]
    spelled = [encode(canary) for name, encode in ENCODINGS.items() if name not in ("json", "base64")]
    return {*shifted, *spelled}


class Server:
    """The platform and the granting services, on one socket."""

    def __init__(self, canaries: Canaries, pem: str, raw: Callable[..., bytes]) -> None:
        self.fault = "none"
        self.urls: list[str] = []
        self._canaries = canaries
        self._pem = pem
        self._raw = raw

    def __call__(self, head: str, body: bytes) -> bytes | None:
        method, url, _ = head.splitlines()[0].split(" ")
        self.urls.append(url)
        path = url.partition("?")[0].removeprefix("/skaha/v1/")
        if path == "login":
            token = self._canaries.plant()
            return self._raw(200, token, X_VO_Bearer=token, Set_Cookie=f"CADC_SSO={token}")
        if path == "generate":
            return self._raw(200, self._pem)
        if path == "token":
            tokens = {"access_token": self._canaries.plant(), "refresh_token": self._canaries.plant()}
            return self._raw(200, json.dumps(tokens))
        fault = FAULTS[self.fault]
        if not isinstance(fault, tuple):
            return fault
        status, text, content_type = fault
        if self.fault == "none":
            text = "k3v9x2qa" if (method, path) == ("POST", "session") else GOOD[path]
        return self._raw(status, text, Content_Type=content_type, X_VO_Authenticated="mcurie")


def fields_of(kind: str, url: str, canaries: Canaries, pem: str) -> dict[str, Any]:
    """Return the fields of a connection, with a canary for each secret."""
    user = {"login": f"mcurie-{uuid4().hex}", "password": canaries.plant()}
    oidc = {"client_id": "a-client", "client_secret": canaries.plant(), "refresh_token": canaries.plant()}
    kinds: dict[str, dict[str, Any]] = {
        "token": {"password": canaries.plant()},
        "login": {**user, "extra": {"login_url": f"{url}/login"}},
        "proxy certificate": {**user, "extra": {"certificate_url": f"{url}/generate"}},
        "certificate": {"extra": {"proxy_certificate": pem}},
        "oidc basic": {"extra": {**oidc, "oidc_url": f"{url}/token"}},
        "oidc post": {"extra": {**oidc, "oidc_url": f"{url}/token", "client_auth": "client_secret_post"}},
    }
    return kinds[kind]


def verbs(client: SkahaClient, spec: SessionSpec, registry: RegistryCredential) -> list[Awaitable[object]]:
    async def stream() -> list[str]:
        return [chunk async for chunk in client.stream_logs("k3v9x2qa")]

    return [
        client.create(spec, registry=registry),
        client.fetch(),
        client.info("k3v9x2qa"),
        client.events("k3v9x2qa"),
        client.logs("k3v9x2qa"),
        stream(),
        client.renew("k3v9x2qa"),
        client.destroy("k3v9x2qa"),
        client.destroy_with("stars"),
        client.stats(),
        client.context(),
        client.images(),
        client.repositories(),
        client.connect_url("k3v9x2qa"),
        client.whoami(),
    ]


def shown_by_reporters(error: BaseException, *, without: str = __file__) -> str:
    """Return what a reporter prints of an error: the variables of each frame of its whole chain.

    :param without: a file whose own frames do not count, as a test holds its secrets.
    """
    texts: list[str] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            waiting += [one.__cause__, one.__context__]
            stack = traceback.StackSummary.extract(traceback.walk_tb(one.__traceback__), capture_locals=True)
            frames = [frame for frame in stack if frame.filename != without]
            texts += [f"{frame.filename}:{frame.lineno} {frame.locals}" for frame in frames]
    return "\n".join(texts)


def texts_of(error: BaseException) -> str:
    texts = [*traceback.format_exception(error), repr(error), repr(vars(error))]
    if isinstance(error, PartialFailure):
        texts += [texts_of(one) for one in error.errors.values()]
    return "\n".join(texts)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "kind", ["token", "login", "proxy certificate", "certificate", "oidc basic", "oidc post"]
)
async def test_no_call_reveals_a_secret_whatever_happens(
    kind: str,
    fault: str,
    serve: Serve,
    raw: Callable[..., bytes],
    authority: trustme.CA,
    time: Time,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")  # Airflow, once imported, quiets it.
    canaries = Canaries()
    leaf = authority.issue_cert(common_name="mcurie", not_after=datetime.now(UTC) + timedelta(days=10))
    canaries.plant_text(leaf.private_key_pem.bytes().decode())
    pem = leaf.private_key_and_cert_chain_pem.bytes().decode()
    server = Server(canaries, pem, raw)
    server.fault = fault
    texts: list[str] = []
    with serve(server) as url:
        fields = fields_of(kind, url, canaries, pem)
        credential: Credential = credential_from_connection(**fields)
        registry = RegistryCredential("mcurie", canaries.plant())
        env = {"PLAIN": canaries.plant(), "BOOTSTRAPPED": f"{canaries.plant()} = $"}
        spec = SessionSpec(name="stars", image="a/b:1", command=["a"], env=env, replicas=2)
        timeouts = Timeouts(create=0.05, other=0.05) if fault == "hangs" else Timeouts()
        async with SkahaClient(url, credential, retry_for=0, timeouts=timeouts, sleep=time.sleep) as client:
            for call in verbs(client, spec, registry):
                try:
                    texts.append(repr(await call))
                except CanfarError as error:
                    texts.append(texts_of(error))
                    texts.append(shown_by_reporters(error))
            texts += [repr(thing) for thing in (client, credential, spec, registry)]
    assert "/skaha/v1/session" in "".join(server.urls)
    assert canaries.found_in(caplog.text) == []
    assert canaries.found_in("\n".join(texts)) == []
    assert canaries.found_in("\n".join(server.urls)) == []
    assert "HTTP Request" in caplog.text or FAULTS[fault] in (b"", None), "httpx has logged"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_canary_is_found_in_each_encoding(encoding: str) -> None:
    canaries = Canaries()
    text = f'Refused: "x={canaries.plant("&<é")}".'
    assert canaries.found_in(ENCODINGS[encoding](text)) == canaries.planted


def test_a_canary_is_found_in_base64_too() -> None:
    canaries = Canaries()
    canary = canaries.plant()
    for user in ("m", "mc", "mcu"):
        assert canaries.found_in(base64.b64encode(f"{user}:{canary}".encode()).decode())
    assert canaries.found_in(f"x{canary}x")
    assert not canaries.found_in("nothing")
