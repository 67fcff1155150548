"""The provider's metadata, which Airflow discovers through an entry point.

Every Airflow process calls :func:`get_provider_info` when it starts, including each CLI command and worker,
so this module imports nothing except the connection's form, which imports nothing.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_canfar.connection_form import CONNECTION_FIELDS, FIELD_BEHAVIOUR

__all__ = ["get_provider_info"]

#: That of pyproject.toml: reading the metadata of the distribution takes time in each process.
VERSION = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        # Airflow compares this with the distribution's name, and stops loading providers if they differ.
        "package-name": "airflow-provider-canfar",
        "name": "CANFAR",
        "description": "Run container sessions on the CANFAR Science Platform.",
        "versions": [VERSION],
        "integrations": [
            {
                "integration-name": "CANFAR",
                "external-doc-url": "https://www.opencadc.org/canfar/",
                "tags": ["service"],
            }
        ],
        "operators": _modules("operators", "cleanup", "headless", "interactive"),
        "sensors": _modules("sensors", "resources", "session"),
        "hooks": _modules("hooks", "canfar"),
        "triggers": _modules("triggers", "asset", "sensors", "session"),
        "connection-types": [
            {
                "connection-type": "canfar",
                "hook-class-name": "airflow_provider_canfar.hooks.canfar.CanfarHook",
                "hook-name": "CANFAR Science Platform",
                "ui-field-behaviour": FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
        "filesystems": ["airflow_provider_canfar.fs.arc"],
        "asset-uris": [
            {
                "schemes": ["arc"],
                "handler": "airflow_provider_canfar.fs.assets.sanitize_uri",
                "factory": "airflow_provider_canfar.fs.assets.create_asset",
                "to_openlineage_converter": (
                    "airflow_provider_canfar.fs.assets.convert_asset_to_openlineage"
                ),
            }
        ],
        "config": {
            "canfar": {
                "description": "Settings of the CANFAR provider.",
                "options": {
                    "sessions_page": {
                        "description": (
                            "Whether the pages of tasks and DAG runs have a tab with their sessions. The API "
                            "server reads this when it starts."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    }
                },
            }
        },
        "extra-links": [
            "airflow_provider_canfar.links.OpenSessionLink",
            "airflow_provider_canfar.links.SciencePortalLink",
        ],
        "task-decorators": [
            {"name": "canfar", "class-name": "airflow_provider_canfar.decorators.canfar_task"},
            {"name": "canfar_cmd", "class-name": "airflow_provider_canfar.decorators.canfar_cmd_task"},
        ],
    }


def _modules(package: str, *names: str) -> list[dict[str, Any]]:
    modules = [f"airflow_provider_canfar.{package}.{name}" for name in names]
    return [{"integration-name": "CANFAR", "python-modules": modules}]
