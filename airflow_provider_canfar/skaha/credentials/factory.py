"""Which credential the fields of a connection make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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

#: The domain of CANFAR's own sites, whose users log in at CADC or at SKA IAM.
_CANFAR = "canfar.net"


def credential_from_connection(
    *,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | None = None,
    platform: str | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Credential:
    """Choose the credential by the fields that are given; an empty field counts as omitted.

    ``extra`` may have ``certificate`` (the path of a proxy certificate) or ``proxy_certificate`` (its PEM
    text); or ``client_id``, ``client_secret`` and ``refresh_token`` of OIDC, with ``oidc_url`` and
    ``client_auth`` (``client_secret_basic`` or ``client_secret_post``) if they are not SKA IAM's; or
    ``login_url``, where login and password are exchanged for a token; or ``certificate_url``, where they are
    exchanged for a proxy certificate, which is then used. Its other fields are ignored here.

    Only CANFAR's own platforms have a default for ``login_url`` and ``oidc_url``: the password of another
    site is not for CADC.

    >>> credential_from_connection(password="a-token")
    Token(expires_at=None)

    :param login: a CADC user name.
    :param password: the user's password; without a login, a bearer token.
    :param extra: more fields, by their names.
    :param platform: the platform's base URL; None for CANFAR's own.
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
        return _password(fields, platform, transport)
    if any(name in fields for name in _OIDC):
        return _oidc(fields, platform, transport)
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


def _is_canfar(platform: str | None) -> bool:
    """Whether a platform is one of CANFAR's own sites, by its host.

    >>> _is_canfar("https://ws-uv.canfar.net/skaha/v1"), _is_canfar("https://not-canfar.net/skaha/v1")
    (True, False)
    """
    host = _CANFAR if platform is None else (urlsplit(platform).hostname or "").rstrip(".")
    return host == _CANFAR or host.endswith(f".{_CANFAR}")


def _password(
    fields: Mapping[str, str], platform: str | None, transport: httpx.AsyncBaseTransport | None
) -> Credential:
    if "password" not in fields:
        raise SpecError(f"Missing password: the login has no password. {_CHOICES}")
    if "login" not in fields:
        return Token(fields["password"])
    user = (fields["login"], fields["password"])
    if "certificate_url" in fields:
        return ProxyCertificate(*user, fields["certificate_url"], transport=transport)
    if "login_url" not in fields and not _is_canfar(platform):
        raise SpecError(
            f"Missing login_url: the host is none of CANFAR's ({_CANFAR}), and the password of another site "
            "is not sent to CADC. Give as login_url where the site exchanges login and password for a token, "
            f"or {LOGIN_URL!r} if they are CADC's; or leave out the login and give a token as the password."
        )
    return Login(*user, fields.get("login_url", LOGIN_URL), transport=transport)


def _oidc(
    fields: Mapping[str, str], platform: str | None, transport: httpx.AsyncBaseTransport | None
) -> Credential:
    if missing := [name for name in _OIDC if name not in fields]:
        raise SpecError(f"Missing {' and '.join(missing)}: OIDC needs {', '.join(_OIDC)}. {_CHOICES}")
    chosen = fields.get("client_auth", "client_secret_basic")
    client_auth = next((known for known in CLIENT_AUTHS if known == chosen), None)
    if client_auth is None:
        raise SpecError(
            f"Invalid client_auth ({described(chosen)}): must be one of {', '.join(CLIENT_AUTHS)}."
        )
    if "oidc_url" not in fields and not _is_canfar(platform):
        raise SpecError(
            f"Missing oidc_url: the host is none of CANFAR's ({_CANFAR}), and the refresh token of another "
            "issuer is not sent to SKA IAM. Give as oidc_url the token endpoint of its issuer, or "
            f"{TOKEN_URL!r} if it is SKA IAM's."
        )
    return OidcRefresh(
        fields["client_id"],
        fields["client_secret"],
        fields["refresh_token"],
        fields.get("oidc_url", TOKEN_URL),
        client_auth=client_auth,
        transport=transport,
    )
