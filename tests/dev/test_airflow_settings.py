from __future__ import annotations

import json
from pathlib import Path

import pytest

from dev.airflow_settings import PLUGINS, airflow_settings


def settings(passwords: Path | None = None) -> dict[str, str]:
    folders = [Path("/mine/dags"), Path("/ours/example_dags")]
    ports = (8080, 1, 2)
    url = "http://127.0.0.1:8080"
    return airflow_settings(Path("/home/.airflow"), folders, url=url, ports=ports, passwords=passwords)


@pytest.mark.parametrize("name", ["AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"])
def test_a_token_of_one_start_is_worth_nothing_at_the_next(name: str) -> None:
    assert len(settings()[name]) >= 32
    assert settings()[name] != settings()[name]


def test_it_has_no_login_only_without_passwords() -> None:
    switch = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"
    assert settings()[switch] == "True"
    with_login = settings(Path("/home/.airflow/passwords.json"))
    assert with_login[switch] == "False"
    assert with_login["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] == "/home/.airflow/passwords.json"


def test_each_folder_is_a_bundle_and_airflow_names_the_first_as_its_own() -> None:
    bundles = json.loads(settings()["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert [bundle["kwargs"]["path"] for bundle in bundles] == ["/mine/dags", "/ours/example_dags"]
    assert settings()["AIRFLOW__CORE__DAGS_FOLDER"] == "/mine/dags"


def test_the_folder_of_plugins_has_the_one_that_refuses_foreign_names() -> None:
    assert settings()["AIRFLOW__CORE__PLUGINS_FOLDER"] == str(PLUGINS)
    assert (PLUGINS / "same_origin.py").is_file()
