"""Which credential the fields of a connection make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.skaha.credentials.certificate import Certificate
from airflow_provider_canfar.skaha.credentials.login import LOGIN_URL, Login, ProxyCertificate
from airflow_provider_canfar.skaha.credentials.oidc import CLIENT_AUTHS, TOKEN_URL, OidcRefresh
from airflow_provider_canfar.skaha.credentials.token import Token
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.secret import Secret, concealed, described

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from airflow_provider_canfar.skaha.http.authorization import Credential

_CHOICES = (
    "Give a token as the password; or a login and its password; or as certificate the path of a proxy "
    "certificate; or as proxy_certificate its PEM text; or client_id, client_secret and refresh_token."
)

_OIDC = ("client_id", "client_secret", "refresh_token")


def credential_from_connection(
    *,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Credential:
    """Choose the credential by the fields that are given; an empty field counts as omitted.

    ``extra`` may have ``certificate`` (the path of a proxy certificate) or ``proxy_certificate`` (its PEM
    text); or ``client_id``, ``client_secret`` and ``refresh_token`` of OIDC, with ``oidc_url`` and
    ``client_auth`` (``client_secret_basic`` or ``client_secret_post``) if they are not SKA IAM's; or
    ``login_url``, where login and password are exchanged for a token; or ``certificate_url``, where they are
    exchanged for a proxy certificate, which is then used. Its other fields are ignored here.

    >>> credential_from_connection(password="a-token")
    Token(expires_at=None)

    :param login: a CADC user name.
    :param password: the user's password; without a login, a bearer token.
    :param extra: more fields, by their names.
    :param transport: sends requests for tokens and certificates, for tests.
    :raises SpecError: with the fields, if they make no credential, or several.
    """
    login, password, extra = concealed((login, password, extra or {}))
    fields = {name: Secret(value).strip() for name, value in (extra or {}).items() if value}
    fields |= {name: Secret(value) for name, value in (("login", login), ("password", password)) if value}
    groups = (("login", "password"), ("certificate",), ("proxy_certificate",), _OIDC)
    given = [names for group in groups if (names := [name for name in group if name in fields])]
    if not given:
        raise SpecError(f"Missing credential. {_CHOICES}")
    if len(given) > 1:
        both = " as well as ".join(", ".join(names) for names in given)
        raise SpecError(f"Invalid credential: {both} are given, and only one can be used. {_CHOICES}")
    if "password" in fields or "login" in fields:
        return _password(fields, transport)
    if any(name in fields for name in _OIDC):
        return _oidc(fields, transport)
    return _certificate(fields)


def _certificate(fields: Mapping[str, str]) -> Credential:
    # Airflow masks a field of an extra by its name, and "certificate" is no such name: its API and its pages
    # would show the private key.
    if "certificate" in fields and not _may_be_path(fields["certificate"]):
        raise SpecError(
            f"Invalid certificate ({described(fields['certificate'])}): must be the path of a file. Give the "
            "text as proxy_certificate, which Airflow masks."
        )
    if "certificate" in fields:
        return Certificate(fields["certificate"])
    if "-----BEGIN" not in fields["proxy_certificate"]:
        raise SpecError(
            f"Invalid proxy_certificate ({described(fields['proxy_certificate'])}): must be a PEM text, "
            "which starts with -----BEGIN. Give the path of a file as certificate."
        )
    return Certificate(pem=fields["proxy_certificate"])


def _may_be_path(text: str) -> bool:
    """Whether it is not the certificate itself, in PEM or in the base64 of either."""
    is_pem = "-----" in text or "\n" in text
    return not is_pem and not re.match(r"(?:MI[A-Za-z0-9+/]{2}|LS0tLS1)[A-Za-z0-9+/=\s]{60,}", text)


def _password(fields: Mapping[str, str], transport: httpx.AsyncBaseTransport | None) -> Credential:
    if "password" not in fields:
        raise SpecError(f"Missing password: the login has no password. {_CHOICES}")
    if "login" not in fields:
        return Token(fields["password"])
    user = (fields["login"], fields["password"])
    if "certificate_url" in fields:
        return ProxyCertificate(*user, fields["certificate_url"], transport=transport)
    return Login(*user, fields.get("login_url", LOGIN_URL), transport=transport)


def _oidc(fields: Mapping[str, str], transport: httpx.AsyncBaseTransport | None) -> Credential:
    if missing := [name for name in _OIDC if name not in fields]:
        raise SpecError(f"Missing {' and '.join(missing)}: OIDC needs {', '.join(_OIDC)}. {_CHOICES}")
    chosen = fields.get("client_auth", "client_secret_basic")
    client_auth = next((known for known in CLIENT_AUTHS if known == chosen), None)
    if client_auth is None:
        raise SpecError(
            f"Invalid client_auth ({described(chosen)}): must be one of {', '.join(CLIENT_AUTHS)}."
        )
    return OidcRefresh(
        fields["client_id"],
        fields["client_secret"],
        fields["refresh_token"],
        fields.get("oidc_url", TOKEN_URL),
        client_auth=client_auth,
        transport=transport,
    )
