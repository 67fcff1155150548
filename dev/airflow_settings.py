"""The environment variables that configure a local Airflow."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

#: Seconds between two looks for new DAG files. Airflow parses a new file within a second or two after that.
REFRESH_INTERVAL = 1

#: Where Airflow finds the plugin that refuses foreign names and origins.
PLUGINS = Path(__file__).resolve().parent / "airflow_plugins"

#: The name that a person logs in with.
USER = "admin"


def airflow_settings(
    home: Path, dag_folders: Sequence[Path], *, url: str, ports: Sequence[int], passwords: Path | None
) -> dict[str, str]:
    """Return the variables.

    :param home: Airflow's folder.
    :param dag_folders: the folders with its DAGs; their names must differ.
    :param url: the address of its UI.
    :param ports: of the API server, and of the log servers of workers and triggerers.
    :param passwords: the file with the password of :data:`USER`; None for an Airflow without a login.
    """
    api, worker_logs, trigger_logs = ports
    bundles = [
        {
            "name": bundle_name(folder),
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder.resolve()), "refresh_interval": REFRESH_INTERVAL},
        }
        for folder in dag_folders
    ]
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(api),
        # New ones at each start: a token from a start without a login must not be valid after one with it.
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(32),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dag_folders[0].resolve()),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": str(REFRESH_INTERVAL),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        # Workers talk to the API server through httpx, which would use a proxy.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
        **_login(passwords),
    }


def bundle_name(folder: Path) -> str:
    """Return the name of the bundle of a DAG folder; Airflow reserves "example_dags" and "dags-folder"."""
    return f"local-{folder.name}"


def _login(passwords: Path | None) -> dict[str, str]:
    if passwords is None:
        return {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}
    return {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
    }
