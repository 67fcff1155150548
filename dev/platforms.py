"""The platform that sessions run on: an emulator that this module starts, or a real platform."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from airflow_provider_canfar.hooks._settings import Settings
from airflow_provider_canfar.skaha.errors import CanfarError
from airflow_provider_canfar.skaha.storage.names import node_path
from dev.programs import environment
from dev.waiting import wait_until

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Session
    from dev.programs import Programs


class Platform:
    """A platform, as an Airflow connection describes it.

    :param connection: the fields of the connection, as :func:`connection_fields` returns them.
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
        """The base URL of its API."""
        return self._settings.url

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, so that its sessions start at once."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")

    def check(self) -> str:
        """Return the account's name and how it authenticates, as the platform confirms.

        :raises CanfarError: when the platform does not respond, or does not accept the credential.
        """
        credential = self._settings.credential
        expires_at = credential.expires_at
        expiry = f", expires {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else ""
        return f"{asyncio.run(self._whoami())} ({credential.name}{expiry})"

    def check_storage(self) -> None:
        """Make sure that the storage responds, through which the sessions get their files.

        :raises CanfarError: when it does not, or is none.
        """
        if not asyncio.run(self._is_storage()):
            raise CanfarError(f"{self._settings.storage_url} is not a storage. Is storage_url right?")

    def download(self, url: str, target: Path) -> None:
        """Download a file from the storage.

        :param url: an ``arc://`` URL.
        :raises CanfarError: when the request fails.
        """
        with target.open("wb") as file:
            asyncio.run(self._download(node_path(url), file))

    def sessions(self, ids: Iterable[str]) -> list[Session]:
        """Return the sessions with these ids that the platform lists.

        :raises CanfarError: when the request fails.
        """
        wanted = set(ids)
        return [session for session in asyncio.run(self._list()) if session.id in wanted]

    def live(self, ids: Iterable[str]) -> list[str]:
        """Return the ids of the sessions that have not ended.

        :raises CanfarError: when the request fails.
        """
        return [session.id for session in self.sessions(ids) if not session.status.is_final]

    def destroy(self, ids: Iterable[str]) -> None:
        """Destroy sessions.

        :raises CanfarError: when a request fails.
        """
        asyncio.run(self._destroy(ids))

    async def _whoami(self) -> str:
        async with self._settings.client(retry_for=0) as client:
            return await client.whoami()

    async def _is_storage(self) -> bool:
        async with self._settings.storage(retry_for=0) as storage:
            return await storage.is_storage()

    async def _download(self, path: str, file: IO[bytes]) -> None:
        async with self._settings.storage() as storage:
            await storage.get(path, file)

    async def _destroy(self, ids: Iterable[str]) -> None:
        async with self._settings.client() as client:
            await client.destroy(ids)

    async def _list(self) -> list[Session]:
        async with self._settings.client() as client:
            return await client.fetch(kind="headless")


class Emulator(Platform):
    """An emulator, which runs until the programs end.

    :param programs: starts it.
    :param folder: for its sessions' files and its output.
    :param options: additional command-line options.
    :param port: by default, a free one.
    :param stop: when this is set, waiting stops with :class:`~dev.waiting.Interrupted`.
    """

    def __init__(
        self, programs: Programs, folder: Path, *options: str, port: int = 0, stop: Event | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        #: Opens its API and its page.
        self.token = secrets.token_urlsafe(24)
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        module = "airflow_provider_canfar.emulator"
        paths = ["--port", str(port), "--port-file", str(port_file), "--state-folder", str(folder / "state")]
        self._programs = programs
        self._program = program = programs.start(
            "emulator",
            [sys.executable, "-m", module, *paths, "--exit-with-parent", *options],
            log=folder / "emulator.log",
            env=environment(CANFAR_EMULATOR_TOKEN=self.token),
        )

        def is_up() -> bool:
            if program.exit_code is not None:
                raise RuntimeError(f"The emulator has exited:\n{program.last_lines()}")
            return port_file.exists()

        wait_until(is_up, description="the emulator", timeout=60, stop=stop)
        self.root = f"http://127.0.0.1:{int(port_file.read_text())}"
        super().__init__({"conn_type": "canfar", "host": f"{self.root}/skaha/v1", "password": self.token})

    def terminate(self) -> None:
        """Stop the emulator and all of its sessions."""
        self._programs.terminate(self._program)

    def all_sessions(self) -> list[dict[str, Any]]:
        """Return every session that was ever created, oldest first, as the emulator records them."""
        response = httpx.get(
            f"{self.root}/emulator/sessions",
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
        )
        response.raise_for_status()
        sessions: list[dict[str, Any]] = response.json()
        return sessions


def connection_fields(text: str) -> dict[str, Any]:
    """Parse a connection from the value of an ``AIRFLOW_CONN_`` variable, which is JSON or a URI.

    :raises ValueError: when it is neither; the message does not quote it, as it may hold a secret.

    >>> connection_fields("canfar://:secret@127.0.0.1:8099/?proxy_cert=%2Ftmp%2Fcert.pem")["port"]
    8099
    """
    try:
        return _from_json(text) if text.lstrip().startswith("{") else _from_uri(text)
    except (TypeError, ValueError):
        raise ValueError(
            'it must be a JSON object, such as {"password": "a-bearer-token"}, or a URI, such as '
            "canfar://:a-bearer-token@, in which special characters are percent-encoded"
        ) from None


def _from_json(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"conn_type": "canfar"} | json.loads(text)
    if isinstance(fields.get("extra"), str):
        fields["extra"] = json.loads(fields["extra"])
    return fields


def _from_uri(text: str) -> dict[str, Any]:
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
