"""The platform that sessions run on: an emulator that is started here, or the one that a person names."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from airflow_provider_canfar.hooks._settings import Settings
from dev.waiting import until

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from dev.programs import Programs

TOKEN = "token"  # noqa: S105 - the emulator's documented default; it listens on loopback only


class Platform:
    """A platform, as its Airflow connection describes it.

    :param connection: the fields of that connection, as :func:`connection_fields` reads them.
    """

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self.connection = dict(connection)
        self._settings = Settings.from_fields(
            host=connection.get("host"),
            port=connection.get("port"),
            schema=connection.get("schema"),
            login=connection.get("login"),
            password=connection.get("password"),
            extra=connection.get("extra") or {},
        )

    @property
    def url(self) -> str:
        """Where its API is."""
        return self._settings.url

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, so that its sessions see our files."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")

    def sessions(self, ids: Iterable[str]) -> list[Session]:
        """Return those of some sessions that it lists.

        :raises CanfarError: when it cannot be asked.
        """
        wanted = set(ids)
        return [session for session in asyncio.run(self._list()) if session.id in wanted]

    def live(self, ids: Iterable[str]) -> list[str]:
        """Return those of some sessions that have not ended.

        :raises CanfarError: when it cannot be asked.
        """
        return [session.id for session in self.sessions(ids) if not session.status.is_final]

    def destroy(self, ids: Iterable[str]) -> None:
        """Destroy sessions.

        :raises CanfarError: when it cannot be asked.
        """
        asyncio.run(self._destroy(ids))

    async def _destroy(self, ids: Iterable[str]) -> None:
        async with self._settings.client() as client:
            await client.destroy(ids)

    async def _list(self) -> list[Session]:
        async with self._settings.client() as client:
            return await client.fetch(kind="headless")


class Emulator(Platform):
    """An emulator that is started here, and ends with the programs.

    :param programs: starts it.
    :param folder: for its sessions' files, and its output.
    :param options: further options of its command line.
    :param stop: set by whoever wants to stop waiting.
    """

    def __init__(self, programs: Programs, folder: Path, *options: str, stop: Event | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port_file = folder / "port"
        module = "airflow_provider_canfar.emulator"
        where = ["--port", "0", "--port-file", str(port_file), "--state-folder", str(folder / "state")]
        self._programs = programs
        self._program = program = programs.start(
            "emulator",
            [sys.executable, "-m", module, "--token", TOKEN, *where, "--exit-with-parent", *options],
            log=folder / "emulator.log",
        )

        def is_up() -> bool:
            if program.exit_code is not None:
                raise RuntimeError(f"The emulator has ended:\n{program.last_lines()}")
            return port_file.exists()

        until(is_up, for_what="the emulator", seconds=60, stop=stop)
        self.root = f"http://127.0.0.1:{int(port_file.read_text())}"
        super().__init__({"conn_type": "canfar", "host": f"{self.root}/skaha/v1", "password": TOKEN})

    def end(self) -> None:
        """Stop it, and all of its sessions."""
        self._programs.end(self._program)

    def all_sessions(self) -> list[dict[str, Any]]:
        """Return every session that was ever created, oldest first, as the emulator itself records them."""
        answer = httpx.get(
            f"{self.root}/emulator/sessions", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False
        )
        answer.raise_for_status()
        record: list[dict[str, Any]] = answer.json()
        return record


def connection_fields(text: str) -> dict[str, Any]:
    """Read a connection as Airflow's ``AIRFLOW_CONN_`` variables have it, in JSON or as a URI.

    >>> connection_fields("canfar://:secret@127.0.0.1:8099/?proxy_cert=%2Ftmp%2Fcert.pem")["port"]
    8099
    """
    if text.lstrip().startswith("{"):
        fields: dict[str, Any] = {"conn_type": "canfar"} | json.loads(text)
        if isinstance(fields.get("extra"), str):
            fields["extra"] = json.loads(fields["extra"])
        return fields
    parts = urlsplit(text)
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{parts.port}")
    extra = dict(parse_qsl(parts.query))
    return {
        "conn_type": parts.scheme,
        "host": unquote(host) or None,
        "port": parts.port,
        "schema": unquote(parts.path.lstrip("/")) or None,
        "login": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "extra": json.loads(extra["__extra__"]) if "__extra__" in extra else extra,
    }
