"""Every code block in the README and in the docs works."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_canfar.hooks._settings import Settings
from airflow_provider_canfar.skaha.credentials import Token
from airflow_provider_canfar.testing import running_emulator

ROOT = Path(__file__).parent.parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^```(?P<language>[^\s`]*)[^\n]*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    page: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text()
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Block(str(page.relative_to(ROOT)), line, match["language"], match["code"])


BLOCKS = list(blocks())


def of(*languages: str) -> pytest.MarkDecorator:
    selected = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", selected, ids=str)


def test_each_block_has_a_language_that_a_test_covers() -> None:
    """The directives are Sphinx's, which ``make docs`` runs."""
    directives = {"{eval-rst}", "{include}", "{literalinclude}", "{toctree}"}
    languages = {"python", "console", "dockerfile", "json", "text"}
    assert {block.language for block in BLOCKS} <= languages | directives


@of("python")
def test_python_runs(block: Block, tmp_path: Path) -> None:
    """With an emulator as the default connection; tests run in pytest, without any connection."""
    script = tmp_path / "block.py"
    script.write_text(block.code)
    if re.search("^def test_", block.code, re.MULTILINE):
        run_pytest(script)
        return
    with running_emulator(user="jdoe") as emulator:
        environment = {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW_CONN_CANFAR_DEFAULT": json.dumps(emulator.connection),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "HOME": str(tmp_path),
            "PATH": str(Path(sys.executable).parent),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, script], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr


def run_pytest(script: Path) -> None:
    """Run a test as a user does whose shell has the connection to a real account."""
    environment = {
        "AIRFLOW_CONN_CANFAR_DEFAULT": '{"conn_type": "canfar", "host": "https://unreachable.invalid"}',
        "AIRFLOW_HOME": str(script.parent / "airflow"),
        "HOME": str(script.parent),
        "PATH": str(Path(sys.executable).parent),
    }
    # The cache of this run keeps Airflow's migrated database.
    command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={ROOT / '.pytest_cache'}", str(script)]
    done = subprocess.run(command, env=environment, cwd=script.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert not (script.parent / "airflow" / "airflow.db").exists()


def read_connection(text: str) -> Settings:
    """Parse a connection in one of Airflow's formats, as the hook would."""
    parse = Connection.from_json if text.lstrip().startswith("{") else Connection.from_uri
    connection = parse(text, "canfar_default")
    assert connection.conn_type == "canfar"
    fields: dict[str, Any] = {
        name: getattr(connection, name) for name in ("host", "port", "schema", "login", "password")
    }
    return Settings.from_fields(**fields, extra=connection.extra_dejson)


@of("json")
def test_json_is_an_airflow_connection(block: Block) -> None:
    assert read_connection(block.code).credential.name


def assert_installs_this_package(arguments: list[str]) -> None:
    """Check the name, and that its extras exist."""
    found = [re.fullmatch(r"airflow-provider-canfar(?:\[(\w+)\])?(?:==[\d.]+)?", one) for one in arguments]
    (match,) = filter(None, found)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert match[1] is None or match[1] in extras, match[0]


@of("dockerfile")
def test_an_image_keeps_its_airflow(block: Block) -> None:
    """Without the version, pip may replace the Airflow of the image."""
    (version,) = re.findall(r"^FROM apache/airflow:([\d.]+)-python3\.\d+$", block.code, re.MULTILINE)
    for command in re.findall(r"^RUN pip install (.*)$", block.code, re.MULTILINE):
        assert_installs_this_package(shlex.split(command))
        assert f"apache-airflow=={version}" in command


@of("console")
def test_commands_exist(block: Block) -> None:
    """Each make target exists, each module can be run, and each connection can be parsed."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [line[2:] for line in block.code.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        match shlex.split(command, comments=True):
            case ["make", *used]:
                assert set(used) <= targets, command
            case ["export", assignment] if assignment.startswith("CONSTRAINTS="):
                assert re.search(r"/constraints-3\.\d+\.\d+/constraints-3\.1[123]\.txt$", assignment)
            case ["export", assignment]:
                name, _, value = assignment.partition("=")
                assert name == "AIRFLOW_CONN_CANFAR_DEFAULT"
                assert isinstance(read_connection(value).credential, Token)
            case ["airflow", "connections", "add", "canfar_default", "--conn-json", value]:
                assert isinstance(read_connection(value).credential, Token)
            case ["pip", "wheel", ".", "--no-deps", "--wheel-dir", "dist"]:
                assert 'build-backend = "hatchling.build"' in (ROOT / "pyproject.toml").read_text()
            case ["pip", "install", wheel, *packages] if wheel.endswith(".whl"):
                assert fnmatch(f"dist/airflow_provider_canfar-{VERSION}-py3-none-any.whl", wheel)
                assert re.fullmatch(r"apache-airflow==[\d.]+ --constraint \$CONSTRAINTS", " ".join(packages))
            case ["pip", "install", *packages] | ["uv", "pip", "install", *packages]:
                assert_installs_this_package(packages)
            case ["python", "-m", module, *_]:
                subprocess.run([sys.executable, "-m", module, "--help"], check=True, capture_output=True)
            case _:
                pytest.fail(f"No check for {command!r}.")


def test_the_first_screen_has_a_sentence_a_picture_a_dag_and_two_commands() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:40])
    assert "](docs/images/" in first_screen
    assert "with DAG(" in first_screen
    assert "$ make demo\n$ make test" in first_screen


def test_each_picture_exists() -> None:
    for page in PAGES:
        for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / target).is_file(), f"{page.name} shows {target}"
