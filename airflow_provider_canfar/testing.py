"""Pytest fixtures and a context manager that run the platform's emulator, for tests of your own DAGs.

A test needs no account on the platform; its sessions are local processes::

    def test_my_dag(canfar_connection, canfar_emulator):
        assert dag.test().state == "success"
        assert [session["exit_code"] for session in canfar_emulator.all_sessions()] == [0]

The fixtures give the test an Airflow of its own, which no running Airflow can see. Every pytest run has them,
because this module is a pytest plugin. The emulator needs the extra ``airflow-provider-canfar[emulator]``,
and is imported only when a test uses it, as Airflow is.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.server import EmulatorServer

__all__ = ["Emulator", "canfar_connection", "canfar_emulator", "running_emulator"]

CONNECTION_VARIABLE = "AIRFLOW_CONN_CANFAR_DEFAULT"


class Emulator:
    """A client of a running emulator, in this process or another one.

    :param url: its base URL including the version, like a connection's host:
        ``http://127.0.0.1:8099/skaha/v1``.
    :param token: the token that the emulator was started with.

    Each method raises ValueError when the emulator rejects its arguments.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    @property
    def connection(self) -> dict[str, str]:
        """The fields of an Airflow connection to it, as in the JSON of an environment variable."""
        return {"conn_type": "canfar", "host": self.url, "password": self.token}

    @property
    def home(self) -> Path:
        """The account's home, a folder on this machine that sessions share.

        On the platform it is ``/arc/home/<user>``, and for Airflow ``arc://home/<user>``.
        """
        return Path(self._call("GET", "files")["folder"])

    def all_sessions(self) -> list[dict[str, Any]]:
        """Return every session that was ever created, oldest first, even if it was deleted or forgotten.

        Each has *id, app_id, name, kind, image, status, state, cores, ram, gpus, command, args, environment,
        replica_id, replica_count, created, started, ended, exit_code, starts, deleted, forgotten, live* and
        *folder*. Times are in seconds since 1970, or None.
        """
        sessions: list[dict[str, Any]] = self._call("GET", "sessions")
        return sessions

    def live(self) -> list[dict[str, Any]]:
        """Return the sessions that have neither ended nor been deleted or forgotten."""
        return [session for session in self.all_sessions() if session["live"]]

    def requests(self) -> dict[str, int]:
        """Return the number of requests: ``{"GET /session": 3, "GET /session/{id}?view=logs": 1}``."""
        counts: dict[str, int] = self._call("GET", "requests")
        return counts

    def forget_requests(self) -> None:
        """Reset the request counts."""
        self._call("DELETE", "requests")

    def faults(self, **changes: Mapping[str, Any] | None) -> None:
        """Switch faults on, or off with None; the others stay as they are.

        For example ``faults(busy={"rate": 0.05}, drop_after={"method": "POST", "count": 1}, latency=None)``.
        The kinds and their arguments are those of ``airflow_provider_canfar.emulator.faults``. Among them
        are responses that never come, 403 and 429, lists that are short or odd, images that cannot be
        pulled, and events in another format.

        :param changes: arguments by kind of fault.
        """
        self._call("PUT", "faults", changes)

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self._call("DELETE", "faults")

    def configure(self, **changes: float | str) -> None:
        """Change the configuration while it runs.

        For example ``configure(retention=20, status_words="pod_phases", strict_images=True)``.

        :param changes: fields of ``EmulatorConfig`` in ``airflow_provider_canfar.emulator.config``.
        """
        self._call("PUT", "config", changes)

    def vanish(self, session_id: str) -> None:
        """Make the platform forget a session at once, as after the loss of a node.

        :param session_id: the session's id.
        """
        self._call("POST", f"sessions/{session_id}/vanish")

    def preempt(self, session_id: str) -> None:
        """Put a running session back into the queue; it will start from scratch.

        :param session_id: the session's id.
        """
        self._call("POST", f"sessions/{session_id}/preempt")

    def rotate_token(self, token: str | None = None) -> None:
        """Invalidate every token except for the admin API, which keeps the original one.

        :param token: the only valid token from now on; without one, a login is needed.
        """
        self._call("POST", "token", {"token": token})

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        import httpx

        root = self.url.partition("/skaha/")[0]
        response = httpx.request(
            method,
            f"{root}/emulator/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
            trust_env=False,
        )
        if response.is_error:
            raise ValueError(response.json()["error"])
        return response.json()


@contextlib.contextmanager
def running_emulator(**options: Any) -> Iterator[Emulator]:
    """Run an emulator in a background thread, on a free loopback port, until the block ends.

    At the end it stops every process that it has started.

    Its token is generated unless given, and it has no password unless one is given.

    :param options: configuration and settings by name, such as ``retention=20`` or ``token="..."``; see
        ``EmulatorConfig`` in ``airflow_provider_canfar.emulator.config`` and
        ``Settings`` beside it.
    :raises ValueError: for an invalid value.
    :raises TypeError: for an unknown name.
    :raises ModuleNotFoundError: without the extra ``emulator``.
    """
    _require_extra()
    from airflow_provider_canfar.emulator.config import EmulatorConfig, Settings
    from airflow_provider_canfar.emulator.server import EmulatorServer

    names = {field.name for field in dataclasses.fields(EmulatorConfig)}
    config = EmulatorConfig().updated({name: value for name, value in options.items() if name in names})
    settings = Settings(**{name: value for name, value in options.items() if name not in names})
    server = EmulatorServer(settings, config)
    thread = _ServerThread(server)
    thread.start()
    try:
        thread.wait_until_ready()
        yield Emulator(server.url, settings.token)
    finally:
        thread.stop()


class _ServerThread(threading.Thread):
    """Runs a server in its own event loop; a daemon thread, so that the process can exit."""

    def __init__(self, server: EmulatorServer) -> None:
        super().__init__(name="canfar-emulator", daemon=True)
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._started_or_failed = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._server.run(self._started_or_failed.set))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        finally:
            self._started_or_failed.set()

    def wait_until_ready(self) -> None:
        self._started_or_failed.wait()
        if self._error:
            raise self._error

    def stop(self) -> None:
        if self.is_alive():
            self._loop.call_soon_threadsafe(self._server.stop)
        self.join()


def _require_extra() -> None:
    """Fail without the packages that the emulator needs, and say how to install them."""
    try:
        import airflow_provider_canfar.emulator.server  # noqa: F401 (only whether it can be imported counts)
    except ModuleNotFoundError as missing:
        from airflow_provider_canfar.emulator.extra import missing_package

        raise ModuleNotFoundError(missing_package(missing), name=missing.name) from None


@pytest.fixture(scope="session")
def _canfar_airflow_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a migrated database; pytest's cache keeps it for later runs."""
    _require_extra()
    from airflow_provider_canfar._isolated_airflow import migrated_database

    cache: pytest.Cache | None = getattr(request.config, "cache", None)  # None with -p no:cacheprovider
    return migrated_database(cache.mkdir("canfar") if cache else tmp_path_factory.mktemp("canfar"))


@pytest.fixture
def _canfar_airflow(
    _canfar_airflow_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    from airflow_provider_canfar._isolated_airflow import isolated_airflow

    with isolated_airflow(tmp_path_factory.mktemp("airflow"), _canfar_airflow_database):
        yield


@pytest.fixture
def canfar_emulator(_canfar_airflow: None) -> Iterator[Emulator]:
    """Run a new emulator for one test; its sessions start almost at once.

    The test gets an Airflow of its own, too: an empty ``AIRFLOW_HOME``, a migrated database, and no
    connection to the platform, so that neither a running Airflow nor a real account can take part.
    ``dag.test()`` also runs a DAG that is defined in the test.
    """
    with running_emulator(start_delay=0.05, flicker=0.05) as emulator:
        yield emulator


@pytest.fixture
def canfar_connection(canfar_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point the connection ``canfar_default`` at the test's emulator, and return the connection's id."""
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(canfar_emulator.connection))
    return "canfar_default"
