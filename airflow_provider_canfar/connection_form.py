"""The form of an Airflow connection to the platform: its fields, and what each says. It imports nothing.

Airflow 3.2 and later read it in the provider's metadata; for 3.1, ``hooks/_legacy_form.py`` builds it.
"""

from __future__ import annotations

from typing import Any


def _field(
    label: str,
    description: str,
    format_: str | None = None,
    *,
    type_: str = "string",
    enum: list[str | None] | None = None,
) -> dict[str, Any]:
    """Describe an optional field of the connection form.

    :param format_: ``password`` for a masked field.
    """
    schema: dict[str, Any] = {"type": [type_, "null"]}
    if format_:
        schema["format"] = format_
    if enum:
        schema["enum"] = enum
        schema["values_display"] = {"null": "default"}
    return {"label": label, "description": description, "schema": schema}


#: The labels and placeholders of the standard fields of Airflow's connection form, and those it hides.
FIELD_BEHAVIOUR: dict[str, Any] = {
    # The URL may contain the port. But Airflow 3.3.2 does not test a connection without a port in its own
    # field: https://github.com/apache/airflow/pull/73298
    "hidden-fields": ["schema"],
    "relabeling": {
        "host": "Service URL",
        "login": "CADC user name",
        "password": "Token or password",
    },
    "placeholders": {
        "host": "https://ws-uv.canfar.net/skaha/v1",
        "login": "empty for a bearer token",
        "password": "a bearer token, or the user's password",
        "port": "for the Test button: the URL's own port",
    },
}

#: The form's additional fields, which the connection stores in its ``extra``. Airflow 3.2 and later read them
#: here; for Airflow 3.1 the hook builds the same form from them.
CONNECTION_FIELDS = {
    "certificate": _field(
        "Proxy certificate",
        "Instead of a token or password: the path of an X.509 proxy certificate, as cadc-get-cert writes it. "
        "The file must exist on every Airflow machine; a renewed file is read again.",
    ),
    # Airflow masks an extra by its name; of these two, only the second name is on its list ("proxy").
    "proxy_certificate": _field(
        "Proxy certificate as text",
        "Instead of its path: the complete PEM text, with the private key. Not renewed automatically; "
        "replace it here.",
        "password",
    ),
    "client_id": _field(
        "OIDC: client id",
        "Instead of a token or password: the id of a client registered with SKA IAM. It also needs the "
        "client secret and a refresh token.",
    ),
    "client_secret": _field("OIDC: client secret", "The client's secret.", "password"),
    "refresh_token": _field(
        "OIDC: refresh token",
        "A refresh token with the scope offline_access. It is exchanged for access tokens.",
        "password",
    ),
    # Not "token_url": Airflow masks names that contain "token", and this address should be visible.
    "oidc_url": _field(
        "OIDC: token endpoint",
        "The URL that exchanges the refresh token; on CANFAR's own hosts by default SKA IAM's.",
        "url",
    ),
    "client_auth": _field(
        "OIDC: client authentication",
        "How the client authenticates; by default client_secret_basic.",
        enum=["client_secret_basic", "client_secret_post", None],
    ),
    "registry_username": _field(
        "Image registry: user name", "For private images: your user name in the image registry."
    ),
    "registry_secret": _field(
        "Image registry: CLI secret",
        "For private images: the CLI secret from your user profile in the registry, not your password.",
        "password",
    ),
    "login_url": _field(
        "Login URL",
        "The URL that exchanges user name and password for a token; on CANFAR's own hosts by default CADC's.",
        "url",
    ),
    "certificate_url": _field(
        "Certificate URL",
        "For services that accept no token: the URL that exchanges user name and password for a proxy "
        "certificate.",
        "url",
    ),
    "storage_url": _field(
        "Storage URL",
        "The URL of the site's file storage, which arc:// paths name; by default the same host's /arc.",
        "url",
    ),
    "storage_mount": _field(
        "Storage mount",
        "The folder in which sessions see the storage; by default its service's name, such as /arc.",
    ),
    "timeout": _field("Timeout", "Seconds to wait for a response; by default 60.", type_="integer"),
    "create_timeout": _field(
        "Create timeout",
        "Seconds to wait for the response to a create, which can take 90; by default 180.",
        type_="integer",
    ),
}
