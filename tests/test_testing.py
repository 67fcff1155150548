"""The fixtures for DAG authors, in a separate pytest run that loads them as a plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from airflow_provider_canfar.testing import Emulator, running_emulator

if TYPE_CHECKING:
    from pathlib import Path

AUTHORS_TEST = """
import json, os
import httpx

def test_the_connection_leads_to_the_emulator(canfar_connection, canfar_emulator):
    assert canfar_connection == "canfar_default"
    connection = json.loads(os.environ["AIRFLOW_CONN_CANFAR_DEFAULT"])
    assert connection == canfar_emulator.connection
    headers = {"Authorization": f"Bearer {connection['password']}"}
    assert httpx.get(f"{connection['host']}/session", headers=headers, trust_env=False).json() == []

def test_each_test_has_its_own(canfar_emulator):
    assert canfar_emulator.requests() == {}
    assert "AIRFLOW_CONN_CANFAR_DEFAULT" not in os.environ
"""


def test_an_author_s_test_gets_an_emulator_and_a_connection_to_it(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(AUTHORS_TEST)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("AIRFLOW_CONN_CANFAR_DEFAULT", None)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "airflow_provider_canfar.testing", str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_plugin_imports_the_emulator_only_when_a_test_uses_it() -> None:
    """Every pytest run loads the plugin, even where the extra is not installed."""
    script = (
        "import sys, airflow_provider_canfar.testing; "
        "print([name for name in ('airflow', 'httpx', 'starlette', 'yaml') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_the_home_is_the_folder_that_sessions_share_and_the_file_service_serves() -> None:
    with running_emulator() as emulator:
        (emulator.home / "x").write_text("here")
        root = emulator.url.removesuffix("/skaha/v1")
        headers = {"Authorization": f"Bearer {emulator.token}"}
        read = httpx.get(f"{root}/arc/files/home/astronomer/x", headers=headers, trust_env=False)
        assert read.text == "here"


def test_an_emulator_ends_with_its_block() -> None:
    with running_emulator(token="mine", retention=20) as emulator:
        assert emulator.token == "mine"
        assert emulator.all_sessions() == emulator.live() == []
        url = emulator.url
    with pytest.raises(httpx.ConnectError):
        Emulator(url, "mine").all_sessions()


def test_several_emulators_are_independent() -> None:
    with running_emulator() as one, running_emulator() as other:
        one.faults(busy={})
        assert one.token != other.token
        responses = [
            httpx.get(
                f"{each.url}/session", headers={"Authorization": f"Bearer {each.token}"}, trust_env=False
            )
            for each in (one, other)
        ]
        assert [response.status_code for response in responses] == [503, 200]
        assert (one.requests(), other.requests()) == ({"GET /session": 1}, {"GET /session": 1})


@pytest.mark.parametrize(
    ("options", "error"), [({"retention": -1}, ValueError), ({"colour": "red"}, TypeError)]
)
def test_an_invalid_option_is_reported(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"retention|colour"), running_emulator(**options):
        pass


def test_a_fixture_without_the_extra_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_it(canfar_connection): pass")
    (tmp_path / "conftest.py").write_text("import sys; sys.modules['starlette'] = None")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "airflow_provider_canfar.testing", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Install airflow-provider-canfar[emulator]." in ended.stdout, ended.stdout + ended.stderr
