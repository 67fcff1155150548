"""No field of a connection is quoted, as a secret may be in the wrong one, nor shown by an error reporter."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from airflow_provider_canfar.connection_form import CONNECTION_FIELDS
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.errors import CanfarError
from airflow_provider_canfar.testing import CONNECTION_VARIABLE
from tests.skaha.test_secrets import Canaries, shown_by_reporters, texts_of

KEY = (
    trustme.CA(key_type=trustme.KeyType.ECDSA)
    .issue_cert(common_name="mcurie")
    .private_key_pem.bytes()
    .decode()
)

#: How a secret gets into a field that is not for it.
SHAPES = {
    "alone": "{canary}",
    "a pair": "mcurie:{canary}",
    "a user": "{canary}@host.test",
    "a path": "host.test/{canary}",
    "a url": "https://host.test/{canary}",
    "a url's user": "https://{canary}@host.test/",
    "a host with a space": "host.test {canary}",
    "a port": "host.test:{canary}",
    "a query": "https://host.test/?token={canary}",
    "a header": "Bearer {canary}",
    "a key": "-----BEGIN EC PRIVATE KEY-----\n{canary}\n\n-----END EC PRIVATE KEY-----",
    "a certificate": "-----BEGIN CERTIFICATE-----\n{canary}\n-----END CERTIFICATE-----",
    "a home": "~{canary}/proxy.pem",
    "a NUL": "/home/{canary}\0",
    "a number": "60{canary}",
}

FIELDS = ["host", "schema", "login", "password", *CONNECTION_FIELDS]

#: A complete connection that no one answers, of each kind.
NO_ONE = "http://127.0.0.1:9"
COMPLETE: dict[str, dict[str, Any]] = {
    "token": {"password": "a-t0ken"},
    "login": {"login": "me", "password": "x", "extra": {"login_url": f"{NO_ONE}/login"}},
    "oidc": {
        "extra": {"client_id": "a", "client_secret": "b", "refresh_token": "c", "oidc_url": f"{NO_ONE}/t"}
    },
    "certificate": {"extra": {"certificate": "/nowhere/proxy.pem"}},
    "nothing": {},
}


@pytest.fixture(name="heard", autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")
        # Airflow compiles all secrets that it has seen whenever it sees another one, and hides them here.
        for module in ("airflow.sdk.log", "airflow.sdk.execution_time.context"):
            patch.setattr(f"{module}.mask_secret", lambda *_, **__: None)
        yield caplog


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *(("token", field) for field in FIELDS),
        *(("login", field) for field in ("login", "password", "login_url", "certificate_url")),
        *(("oidc", field) for field in ("client_id", "client_secret", "client_auth", "oidc_url")),
        *(("nothing", field) for field in ("login", "certificate", "proxy_certificate", "refresh_token")),
    ],
)
def test_no_value_of_a_field_is_told_whatever_its_shape(
    kind: str, field: str, monkeypatch: pytest.MonkeyPatch, heard: pytest.LogCaptureFixture
) -> None:
    for shape, form in SHAPES.items():
        canaries = Canaries()
        value = form.format(canary=canaries.plant())
        for wrong in (value, base64.b64encode(value.encode()).decode()):
            # The default host is not asked: no test leaves this machine.
            connection = {"conn_type": "canfar", "host": f"{NO_ONE}/skaha/v1", **COMPLETE[kind]}
            if field in CONNECTION_FIELDS:
                connection["extra"] = {**connection.get("extra", {}), field: wrong}
            else:
                connection[field] = wrong
            monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(connection))
            with capture_logs() as entries:
                hook = CanfarHook()
                try:
                    said = repr([hook, hook.settings, hook.settings.client(), hook.settings.credential])
                except CanfarError as error:
                    said = texts_of(error) + shown_by_reporters(error, without=__file__)
                    is_good, message = hook.test_connection()
                    assert not is_good
                    said += message
            assert canaries.found_in(f"{said}{entries}{heard.text}") == [], shape
            heard.clear()


@pytest.mark.parametrize("field", ["host", "schema", "login_url", "certificate_url", "oidc_url"])
def test_no_part_of_a_url_that_does_not_answer_is_told_if_it_may_be_a_token(
    field: str, monkeypatch: pytest.MonkeyPatch, heard: pytest.LogCaptureFixture
) -> None:
    canaries = Canaries()
    kinds = {"login_url": "login", "certificate_url": "login", "oidc_url": "oidc"}
    connection = {"conn_type": "canfar", "host": f"{NO_ONE}/skaha/v1", **COMPLETE[kinds.get(field, "token")]}
    url = f"{NO_ONE}/{canaries.plant()}"
    if field in CONNECTION_FIELDS:
        connection["extra"] = {**connection["extra"], field: url}
    elif field == "schema":
        connection |= {"host": NO_ONE, "schema": url.rpartition("/")[2]}
    else:
        connection["host"] = url
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(connection))
    is_good, message = CanfarHook().test_connection()
    assert not is_good
    assert f"No response from {NO_ONE}" in message
    assert f"check {field if field in kinds else 'the host'} in the connection" in message
    assert "connect_tcp.started" in heard.text
    with pytest.raises(CanfarError) as refusal:
        CanfarHook().call(lambda client: client.whoami(), retry_for=0)
    said = message + texts_of(refusal.value) + shown_by_reporters(refusal.value, without=__file__)
    assert canaries.found_in(said + heard.text) == []


@pytest.mark.parametrize("host", ["a-t0ken-without-a-dot", "eyJhbGciOiJSUzI1NiJ9." + "eyJ" * 30 + ".c2ln"])
def test_a_token_as_the_host_is_refused_before_its_name_is_looked_up(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONNECTION_VARIABLE, f"canfar://{host}")
    is_good, message = CanfarHook().test_connection()
    assert (is_good, host in message, "Invalid host" in message) == (False, False, True)


def test_a_key_with_blank_lines_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As cryptography quotes it."""
    canaries = Canaries()
    canaries.plant_text(KEY)
    spaced = KEY.replace("\n", "\n\n")
    for text in (spaced, spaced.replace("EC PRIVATE KEY", "CERTIFICATE") + spaced, spaced + KEY):
        connection = {"conn_type": "canfar", "host": NO_ONE, "extra": {"proxy_certificate": text}}
        monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(connection))
        with pytest.raises(CanfarError, match="certificate") as refusal:
            CanfarHook().whoami()
        said = texts_of(refusal.value) + shown_by_reporters(refusal.value, without=__file__)
        assert canaries.found_in(said + CanfarHook().test_connection()[1]) == []
