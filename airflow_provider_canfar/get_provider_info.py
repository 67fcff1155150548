"""What Airflow discovers of this provider.

Every Airflow process calls :func:`get_provider_info` at its start, each CLI call and worker
included, so this module imports nothing.
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
    """Describe a field of the connection's form, which may be left empty.

    :param format_: ``password`` for what is masked.
    """
    schema: dict[str, Any] = {"type": [type_, "null"]}
    if format_:
        schema["format"] = format_
    if enum:
        schema["enum"] = enum
        schema["values_display"] = {"null": "left out"}
    return {"label": label, "description": description, "schema": schema}


#: What becomes of the standard fields of Airflow's connection form.
FIELD_BEHAVIOUR: dict[str, Any] = {
    # The URL has the port. But Airflow 3.3.2 does not test a connection that has no port of its own:
    # https://github.com/apache/airflow/pull/73298
    "hidden-fields": ["schema"],
    "relabeling": {
        "host": "Service URL",
        "login": "CADC user name",
        "password": "Token or password",
    },
    "placeholders": {
        "host": "https://ws-uv.canfar.net/skaha/v1",
        "login": "leave empty for a bearer token",
        "password": "a bearer token; with a user name, its password",
        "port": "443, where the Test button needs one; the URL's port otherwise",
    },
}

#: The form's other fields, which the connection keeps in its ``extra``. Airflow 3.2 and later read them here;
#: for 3.1 the hook makes the same form of them.
CONNECTION_FIELDS = {
    "certificate": _field(
        "Proxy certificate",
        "Instead of a token or password: the path of an X.509 proxy certificate, as cadc-get-cert writes it, "
        "on each machine of Airflow's. One that is renewed there is read again.",
    ),
    # Airflow masks an extra by its name, and of these two only the second one's is on its list ("proxy").
    "proxy_certificate": _field(
        "Proxy certificate as text",
        "Instead of its path: the whole PEM text, with the private key. Nobody renews it but who edits this.",
        "password",
    ),
    "client_id": _field(
        "OIDC: client id",
        "Instead of a token or password: a client that is registered with SKA IAM, with its secret and a "
        "refresh token.",
    ),
    "client_secret": _field("OIDC: client secret", "The secret of that client.", "password"),
    "refresh_token": _field(
        "OIDC: refresh token", "With the scope offline_access; it is exchanged for access tokens.", "password"
    ),
    # Not "token_url": Airflow masks what has "token" in its name, and an address is to be read.
    "oidc_url": _field("OIDC: token endpoint", "Where it is exchanged, if that is not SKA IAM's own.", "url"),
    "client_auth": _field(
        "OIDC: client authentication",
        "How the client shows its secret; client_secret_basic if left out.",
        enum=["client_secret_basic", "client_secret_post", None],
    ),
    "registry_username": _field(
        "Image registry: user name", "For private images: the user of the image registry."
    ),
    "registry_secret": _field(
        "Image registry: CLI secret",
        "The registry shows it in your user profile; it is not the password.",
        "password",
    ),
    "login_url": _field("Login URL", "Where user name and password give a token, if not at CADC.", "url"),
    "certificate_url": _field(
        "Certificate URL",
        "For services that take no token: where user name and password give a proxy certificate.",
        "url",
    ),
    "timeout": _field("Time-out", "Seconds to wait for an answer; 60 if left out.", type_="integer"),
    "create_timeout": _field(
        "Time-out of a launch",
        "Seconds to wait while a session is created, which has taken 90; 180 if left out.",
        type_="integer",
    ),
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        # Airflow compares it with the distribution's name and stops loading providers when they differ.
        "package-name": "airflow-provider-canfar",
        "name": "CANFAR",
        "description": "Run container sessions on the CANFAR Science Platform.",
        "connection-types": [
            {
                "connection-type": "canfar",
                "hook-class-name": "airflow_provider_canfar.hooks.canfar.CanfarHook",
                "hook-name": "CANFAR Science Platform",
                "ui-field-behaviour": FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
        "extra-links": [
            "airflow_provider_canfar.links.OpenSessionLink",
            "airflow_provider_canfar.links.SciencePortalLink",
        ],
        "task-decorators": [
            {"name": "canfar", "class-name": "airflow_provider_canfar.decorators.canfar_task"},
            {"name": "canfar_cmd", "class-name": "airflow_provider_canfar.decorators.canfar_cmd_task"},
        ],
    }
