"""The plugin of the tab *Sessions*: what Airflow finds, and what its API server serves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import airflow_provider_canfar.plugin
from airflow_provider_canfar.plugin.sessions_page import URL_PREFIX, SessionsPagePlugin, serve

STATIC = Path(airflow_provider_canfar.plugin.__file__).parent / "static"
FILES = sorted(path.name for path in STATIC.iterdir())

#: Prints what Airflow has registered of the plugin.
REGISTERED = """
import json, sys
from airflow import plugins_manager
plugins_manager.ensure_plugins_loaded()
loaded = getattr(plugins_manager, "_get_plugins", None)
plugins = loaded()[0] if loaded else plugins_manager.plugins
errors = loaded()[1] if loaded else plugins_manager.import_errors
(ours,) = [one for one in plugins if one.name == "canfar_sessions"]
print(json.dumps({
    "prefixes": [one["url_prefix"] for one in ours.fastapi_apps],
    "destinations": [one["destination"] for one in ours.external_views],
    # Of ours: that of OpenLineage registers twice where providers are discovered early.
    "errors": [f"{name}: {error}" for name, error in errors.items() if "canfar" in f"{name}{error}".lower()],
    "modules": sorted(name for name in sys.modules if name.startswith("airflow_provider_canfar")),
}))
"""


def registered(home: Path, **env: str) -> dict[str, list[str]]:
    settings = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"} | env
    probe = subprocess.run(
        [sys.executable, "-c", REGISTERED], env=settings, capture_output=True, text=True, check=True
    )
    answer: dict[str, list[str]] = json.loads(probe.stdout.splitlines()[-1])
    return answer


@pytest.fixture(name="client")
def _client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=[Mount(URL_PREFIX, serve)])) as client:
        yield client


def test_airflow_registers_the_tab_through_the_entry_point_and_loads_nothing_else(tmp_path: Path) -> None:
    (entry,) = entry_points(group="airflow.plugins", module="airflow_provider_canfar.plugin.sessions_page")
    assert entry.load() is SessionsPagePlugin
    answer = registered(tmp_path)
    assert answer["prefixes"] == [URL_PREFIX]
    assert answer["destinations"] == ["task_instance", "dag_run"]
    assert not answer["errors"]
    # Every process of Airflow loads this.
    assert not [name for name in answer["modules"] if name.endswith("static_files") or ".skaha" in name]


@pytest.mark.parametrize("lazy", ["True", "False"])
def test_a_setting_switches_the_tab_off(tmp_path: Path, lazy: str) -> None:
    off = {"AIRFLOW__CANFAR__SESSIONS_PAGE": "False", "AIRFLOW__CORE__LAZY_DISCOVER_PROVIDERS": lazy}
    answer = registered(tmp_path, **off)
    assert not answer["prefixes"] + answer["destinations"]
    assert not answer["errors"]


def test_each_route_is_unique_and_each_address_is_relative_to_airflow_s_base() -> None:
    views = SessionsPagePlugin.external_views
    assert len({view["url_route"] for view in views}) == len(views)
    for view in views:
        assert view["href"].startswith(URL_PREFIX.removeprefix("/") + "/")
        assert "{DAG_ID}" in view["href"]
        assert "{RUN_ID}" in view["href"]


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_served_with_headers_that_restrict_the_page(client: TestClient, name: str) -> None:
    response = client.get(f"{URL_PREFIX}/{name}")
    assert response.status_code == 200
    assert response.content == (STATIC / name).read_bytes()
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"
    again = client.get(f"{URL_PREFIX}/{name}", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_scripts_have_the_media_type_that_a_browser_runs_as_a_module(client: TestClient) -> None:
    assert "javascript" in client.get(f"{URL_PREFIX}/task_page.js").headers["Content-Type"]


@pytest.mark.parametrize("path", ["/../sessions_page.py", "/%2e%2e/sessions_page.py", "/", "/none.js"])
def test_nothing_outside_the_folder_is_served(client: TestClient, path: str) -> None:
    assert client.get(URL_PREFIX + path).status_code == 404


def test_only_reading_is_allowed(client: TestClient) -> None:
    assert client.post(f"{URL_PREFIX}/task.html").status_code == 405


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".html"))])
def test_no_file_makes_markup_of_text_or_names_another_host(name: str) -> None:
    text = (STATIC / name).read_text()
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|\son\w+="
    )
    assert not re.findall(forbidden, text)
    assert not re.findall(r"[\"'`](?:https?:)?//\w", text)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_each_script_is_small_and_imports_only_its_siblings(name: str) -> None:
    text = (STATIC / name).read_text()
    assert len(text.splitlines()) <= 200
    imported = re.findall(r'from "\./([\w.]+)"', text)
    assert set(imported) <= set(FILES)
    assert len(imported) == len(re.findall(r"^import |^} from ", text, re.MULTILINE))


def imported_by(name: str, found: set[str] | None = None) -> set[str]:
    """Return what a script imports, and what that imports."""
    found = set() if found is None else found
    for other in re.findall(r'from "\./([\w.]+)"', (STATIC / name).read_text()):
        if other not in found:
            found.add(other)
            imported_by(other, found)
    return found


@pytest.mark.parametrize("page", ["task", "run"])
def test_a_page_names_all_of_its_modules_so_that_they_load_at_once(page: str) -> None:
    html = (STATIC / f"{page}.html").read_text()
    assert set(re.findall(r'modulepreload" href="([\w.]+)"', html)) == imported_by(f"{page}_page.js")


def test_no_file_is_left_over() -> None:
    used = {"task.html", "run.html", "page.css", "theme.js", "task_page.js", "run_page.js"}
    assert set(FILES) == used | imported_by("task_page.js") | imported_by("run_page.js")
