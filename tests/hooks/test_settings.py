"""The fields of an Airflow connection, parsed for the client."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Connection
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.hooks._settings import Settings, service_url
from airflow_provider_canfar.skaha.client import Timeouts
from airflow_provider_canfar.skaha.credentials import Login, RegistryCredential, Token
from airflow_provider_canfar.skaha.errors import SpecError

EMPTY: dict[str, Any] = {
    "host": None,
    "port": None,
    "schema": None,
    "login": None,
    "password": None,
    "extra": {},
}


def settings(**fields: Any) -> Settings:
    return Settings.from_fields(**(EMPTY | {"password": "a-token"} | fields))


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "https://src.canfar.net/skaha/v1"}, "https://src.canfar.net/skaha/v1"),
        ({"host": " https://src.canfar.net/skaha/v1/ "}, "https://src.canfar.net/skaha/v1"),
        ({"host": "https://src.canfar.net"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "src.canfar.net"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "src.canfar.net/skaha/v2"}, "https://src.canfar.net/skaha/v2"),
        ({"host": "src.canfar.net", "port": 8443}, "https://src.canfar.net:8443/skaha/v1"),
        ({"host": "src.canfar.net", "schema": "skaha/v2"}, "https://src.canfar.net/skaha/v2"),
        ({"host": "src.canfar.net", "schema": "/skaha/v2/"}, "https://src.canfar.net/skaha/v2"),
        ({"host": "src.canfar.net", "schema": "https"}, "https://src.canfar.net/skaha/v1"),
        (
            {"host": "https://src.canfar.net/skaha/v1", "schema": "skaha/v1"},
            "https://src.canfar.net/skaha/v1",
        ),
        ({"host": "https://src.canfar.net:8443", "port": 8443}, "https://src.canfar.net:8443/skaha/v1"),
        ({"host": "http://127.0.0.1:8099/skaha/v1"}, "http://127.0.0.1:8099/skaha/v1"),
        ({"host": "127.0.0.1", "port": 8099}, "http://127.0.0.1:8099/skaha/v1"),
        ({"host": "localhost:8099"}, "http://localhost:8099/skaha/v1"),
        ({"host": "localhost", "port": 8099, "schema": "https"}, "https://localhost:8099/skaha/v1"),
        ({"host": "::1", "port": 8099}, "http://[::1]:8099/skaha/v1"),
        ({"host": "[::1]:8099"}, "http://[::1]:8099/skaha/v1"),
        ({"schema": "skaha/v2"}, "https://ws-uv.canfar.net/skaha/v2"),
        # As addresses are copied from a browser, a script or the configuration of the canfar client.
        ({"host": "https://src.canfar.net/skaha"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "https://src.canfar.net/skaha/"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "https://src.canfar.net/skaha/v1/session"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "https://src.canfar.net/skaha/v1/session/"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "https://src.canfar.net/skaha/v0/image"}, "https://src.canfar.net/skaha/v0"),
        ({"host": "https://src.canfar.net/skaha/capabilities"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "https://src.canfar.net/capabilities"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "src.canfar.net/skaha", "schema": "skaha/v1"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "src.canfar.net", "schema": "skaha/v1/session"}, "https://src.canfar.net/skaha/v1"),
        ({"host": "https://gateway.test/science"}, "https://gateway.test/science"),
        ({"host": "", "schema": ""}, "https://ws-uv.canfar.net/skaha/v1"),
        ({}, "https://ws-uv.canfar.net/skaha/v1"),
    ],
)
def test_the_url_is_completed_with_defaults(fields: dict[str, Any], url: str) -> None:
    assert settings(**fields).url == url


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"port": 8099}, "Invalid port: there is no host"),
        (
            {"host": "https://src.canfar.net:8443", "port": 8099},
            "Invalid port: the host already has another port",
        ),
        (
            {"host": "https://x.test/skaha/v1", "schema": "skaha/v2"},
            "Invalid schema: the host already has another path",
        ),
        ({"host": "https://x.test:https/skaha/v1"}, "must be a URL"),
        ({"host": "https://[::1/skaha/v1"}, "must be a URL"),
        ({"host": "ftp://x.test"}, "must be a complete URL"),
        ({"host": "http://src.canfar.net"}, "must use https"),
        ({"host": "src.canfar.net", "schema": "http"}, "must use https"),
        ({"host": "https://x.test/skaha/v1?token=x"}, "must not contain a query or a fragment"),
    ],
)
def test_fields_that_make_no_url_are_rejected_with_a_way_out(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        settings(**fields)


@pytest.mark.parametrize(
    "host", ["https://:canary@x.test", "https://me:can/canary@x.test", "me:canary@x.test", "canary@x.test"]
)
def test_a_password_in_the_host_is_rejected_without_being_shown(host: str) -> None:
    with pytest.raises(SpecError, match="Fill in login and password instead") as rejection:
        settings(host=host)
    assert "canary" not in str(rejection.value)


@given(
    scheme=st.sampled_from(["https", "http"]),
    host=st.sampled_from(["127.0.0.1", "localhost", "[::1]"]),
    port=st.none() | st.integers(1, 65535),
    path=st.lists(st.text("abcxyz019.-_~", min_size=1), min_size=1).map("/".join),
)
def test_a_url_survives_airflows_uri(scheme: str, host: str, port: int | None, path: str) -> None:
    """Airflow exports connections as URIs, and parses them into other fields than they came from."""
    url = f"{scheme}://{host}{f':{port}' if port else ''}/{path}"
    exported = Connection(conn_id="x", conn_type="canfar", host=url, password="a-token").get_uri()
    again = Connection.from_uri(exported, conn_id="x")
    assert service_url(again.host, again.port, again.schema) == service_url(url) == url


def test_login_and_password_are_a_login_and_a_password_alone_is_a_token() -> None:
    """Airflow parses a URI without a login into an empty one."""
    assert isinstance(settings(login="mcurie", password="a-password").credential, Login)
    assert isinstance(settings(login="", password="a-token").credential, Token)
    with pytest.raises(SpecError, match="Missing credential"):
        settings(password=None)


def test_a_host_that_is_not_canfar_s_has_no_default_login() -> None:
    with pytest.raises(SpecError, match="Missing login_url"):
        settings(host="http://127.0.0.1:8199", login="mcurie", password="a-password")


def test_registry_credentials_must_be_a_pair() -> None:
    assert settings().registry is None
    both = {"registry_username": "mcurie", "registry_secret": "a-secret"}
    assert settings(extra=both).registry == RegistryCredential("mcurie", "a-secret")
    for name in both:
        with pytest.raises(SpecError, match="must have both"):
            settings(extra={name: both[name]})


def test_a_registry_secret_may_be_a_number_in_json() -> None:
    extra = {"registry_username": "mcurie", "registry_secret": 1234567}
    assert settings(extra=extra).registry == RegistryCredential("mcurie", "1234567")


def test_an_extra_that_is_not_an_object_is_rejected() -> None:
    with pytest.raises(SpecError, match="JSON object"):
        settings(extra=["canary"])


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("registry_user", "registry_username"),
        ("registry-secret", "registry_secret"),
        ("registrySecret", "registry_secret"),
        ("CLIENT_ID", "client_id"),
        ("timeouts", "timeout"),
        ("proxy_certifcate", "proxy_certificate"),
    ],
)
def test_a_misspelt_extra_is_rejected_without_its_value(name: str, suggestion: str) -> None:
    with pytest.raises(
        SpecError, match=f"Unknown connection extra '{name}'. Did you mean '{suggestion}'"
    ) as rejection:
        settings(extra={name: "canary"})
    assert "canary" not in str(rejection.value)


@pytest.mark.parametrize("name", ["owner", "note", "verify", "extra__canfar__thing"])
def test_an_unrelated_extra_is_ignored(name: str) -> None:
    assert settings(extra={name: "x"}).url == settings().url


def test_timeouts_are_seconds_as_numbers_or_text() -> None:
    assert settings().timeouts == Timeouts(create=180.0, other=60.0)
    assert settings(extra={"timeout": 5, "create_timeout": "7.5"}).timeouts == Timeouts(7.5, 5.0)
    assert settings(extra={"timeout": "", "create_timeout": None}).timeouts == Timeouts()


@pytest.mark.parametrize("value", ["soon", "0", -1, 3600, "nan", [1]])
def test_an_invalid_timeout_is_rejected_by_its_name(value: Any) -> None:
    with pytest.raises(
        SpecError, match=r"Invalid create_timeout .*: must be a number of seconds.* Omit it for 180"
    ):
        settings(extra={"create_timeout": value})


def test_the_repr_of_settings_shows_no_secret() -> None:
    read = settings(extra={"registry_username": "mcurie", "registry_secret": "a-secret"})
    assert "a-token" not in repr(read)
    assert "a-secret" not in repr(read)
    assert read.client().url == read.url
