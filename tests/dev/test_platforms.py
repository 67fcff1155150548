from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from airflow_provider_canfar.skaha.errors import AuthenticationError, SpecError
from airflow_provider_canfar.testing import running_emulator
from dev.platforms import Emulator, Platform, connection_fields
from dev.programs import Programs, free_ports


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('{"conn_type": "canfar", "host": "http://127.0.0.1:8099/skaha/v1", "password": "t"}', None),
        ("canfar://:t@http%3A%2F%2F127.0.0.1%3A8099%2Fskaha%2Fv1", None),
        ("canfar://:t@src.canfar.net", "https://src.canfar.net/skaha/v1"),
        ("canfar://:t@src.canfar.net:8443", "https://src.canfar.net:8443/skaha/v1"),
        ("canfar://:t@", "https://ws-uv.canfar.net/skaha/v1"),
    ],
)
def test_a_connection_is_parsed_from_json_and_from_a_uri(text: str, url: str | None) -> None:
    fields = connection_fields(text)
    assert fields["password"] == "t"
    assert Platform(fields).url == (url or "http://127.0.0.1:8099/skaha/v1")


def test_a_uri_may_carry_its_extra_in_two_ways() -> None:
    assert connection_fields("canfar://?a=1&b=x%2Fy")["extra"] == {"a": "1", "b": "x/y"}
    assert connection_fields("canfar://?__extra__=%7B%22a%22%3A+1%7D")["extra"] == {"a": 1}


def test_the_extra_in_json_may_be_a_string() -> None:
    assert connection_fields('{"extra": "{\\"a\\": 1}"}')["extra"] == {"a": 1}


def test_a_connection_without_a_credential_is_rejected() -> None:
    with pytest.raises(SpecError):
        Platform({"host": "http://127.0.0.1:8099/skaha/v1"})


@pytest.mark.parametrize(
    ("host", "is_local"), [("http://localhost:8099/skaha/v1", True), ("https://ws-uv.canfar.net", False)]
)
def test_only_this_machine_is_local(host: str, is_local: bool) -> None:
    assert Platform({"host": host, "password": "t"}).is_local is is_local


def test_an_emulator_responds_until_the_programs_end(tmp_path: Path) -> None:
    with Programs() as programs:
        emulator = Emulator(programs, tmp_path / "emulator")
        assert emulator.is_local
        assert emulator.sessions(["abcdefgh"]) == []
        assert emulator.all_sessions() == []
        port = urlsplit(emulator.url).port
    with socket.socket() as one:
        assert one.connect_ex(("127.0.0.1", port)) != 0


def test_an_emulator_that_cannot_start_raises_with_its_output(tmp_path: Path) -> None:
    with Programs() as programs, pytest.raises(RuntimeError, match="unrecognized arguments: --nonsense"):
        Emulator(programs, tmp_path, "--nonsense")


@pytest.mark.parametrize(
    "text",
    ['{"password": "hunter2"', "canfar://x:y@host:hunter2", "canfar://[hunter2", "canfar://\u2100hunter2@x"],
)
def test_what_is_no_connection_is_reported_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="must be a JSON object") as error:
        connection_fields(text)
    assert "hunter2" not in str(error.value)
    assert error.value.__suppress_context__


def test_an_emulator_shows_its_token_in_no_process_list_and_only_its_owner_reads_its_log(
    tmp_path: Path,
) -> None:
    with Programs() as programs:
        emulator, other = (Emulator(programs, tmp_path / name) for name in ("one", "other"))
        assert emulator.token != other.token
        lines = [" ".join(one.cmdline()) for one in psutil.Process().children(recursive=True)]
        assert any("airflow_provider_canfar.emulator" in line for line in lines)
        assert [line for line in lines if emulator.token in line] == []
        log = tmp_path / "one" / "emulator.log"
        assert emulator.token in log.read_text()
        assert log.stat().st_mode & 0o777 == 0o600


def test_an_emulator_starts_again_in_the_same_folder_on_a_given_port(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    for _ in range(2):
        with Programs() as programs:
            emulator = Emulator(programs, tmp_path, port=port)
            assert urlsplit(emulator.url).port == port
            assert emulator.all_sessions() == []


def test_the_check_says_who_one_is() -> None:
    with running_emulator(user="jdoe") as emulator:
        assert Platform(emulator.connection).check() == "jdoe (the bearer token)"
        with pytest.raises(AuthenticationError):
            Platform(emulator.connection | {"password": "stale"}).check()


def test_it_destroys_the_given_sessions() -> None:
    with running_emulator(start_delay=0.0) as emulator:
        platform = Platform(emulator.connection)
        fields = {"image": "images.canfar.net/skaha/astroml:24.07", "command": ["sleep", "60"], "replicas": 2}
        ids = asyncio.run(create(platform, **fields))
        assert set(platform.live(ids)) == set(ids)
        platform.destroy(ids[:1])
        assert platform.live(ids) == ids[1:]


async def create(platform: Platform, **fields: Any) -> list[str]:
    async with platform._settings.client() as client:
        return await client.create(name="stars", **fields)
