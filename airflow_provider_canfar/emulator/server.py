"""Serves one emulator with uvicorn: in its own process, or in a thread of a test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from airflow_provider_canfar.emulator.api.accounts import Accounts
from airflow_provider_canfar.emulator.api.request_counter import RequestCounter
from airflow_provider_canfar.emulator.app import application
from airflow_provider_canfar.emulator.faults.request_faults import Outage
from airflow_provider_canfar.emulator.faults.switched import Faults
from airflow_provider_canfar.emulator.runtime.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from airflow_provider_canfar.emulator.config import EmulatorConfig, Settings

MAX_HEAD = 4 * 1024 * 1024  # above the limit of the emulator, which rejects a long head as Tomcat does
KEEP_ALIVE = 20  # seconds, as Tomcat


class EmulatorServer:
    """An emulator and its socket.

    :param settings: what the emulator is started with.
    :param config: times and limits, which can change while it runs.
    :param host: the address to listen on.
    :param port: 0 picks a free port.
    :raises ValueError: for invalid faults in the settings.
    """

    def __init__(
        self, settings: Settings, config: EmulatorConfig, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._faults = Faults(settings.seed)
        self._faults.update(settings.faults)
        outage = self._faults.get(Outage)
        if outage and outage.mode == "refuse":
            raise ValueError("An outage of mode 'refuse' cannot be on from the start.")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket: socket.socket | None = _listen(host, port, family)
        self.port: int = self._socket.getsockname()[1]
        scheme = "https" if settings.certificate else "http"
        self.page_url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"
        self.url = f"{self.page_url}skaha/v1"
        self._settings = settings
        self._config = config
        self._host = host
        self._family = family
        self._stopped = asyncio.Event()
        self._pause = 0.0
        self._uvicorn: _Uvicorn | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until :meth:`stop`; then stop every session's processes.

        :param ready: called once the emulator accepts connections.
        """
        settings = self._settings
        accounts = Accounts(
            user=settings.user, password=settings.password, token=settings.token, clock=time.time
        )
        async with Platform(settings, self._config, self._faults) as platform:
            app = application(
                platform, accounts, RequestCounter(), self._stop_listening, self._close_connection
            )
            await self._serve(app, ready)
            while not self._stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), self._pause)
                self._faults.update({"outage": None})
                await self._serve(app, ready=lambda: None)

    def stop(self) -> None:
        """Stop serving; call this in the emulator's own event loop."""
        self._stopped.set()
        if self._uvicorn:
            self._uvicorn.should_exit = True

    async def _serve(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        """Serve until stopped or paused."""
        if self._stopped.is_set():
            return
        listening = self._socket or _listen(self._host, self.port, self._family)
        self._socket = None
        self._uvicorn = _Uvicorn(_uvicorn_config(app, self._settings), ready)
        await self._uvicorn.serve(sockets=[listening])

    def _stop_listening(self, seconds: float) -> None:
        """Refuse connections for a while; only closing the socket does that."""
        self._pause = seconds
        if self._uvicorn:
            self._uvicorn.should_exit = True

    def _close_connection(self, client: Any) -> None:
        connections = self._uvicorn.server_state.connections if self._uvicorn else ()
        for connection in [*connections]:
            if connection.client == client:
                connection.transport.close()


class _Uvicorn(uvicorn.Server):
    """A server that installs no signal handlers, and calls back once it accepts connections."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _uvicorn_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("X-Content-Type-Options", "nosniff")],
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=MAX_HEAD,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.private_key,
    )


def _listen(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
    """Return a listening socket whose connections send at once.

    asyncio sets that for its own sockets only. Otherwise a body waits 40 ms for the client's delayed
    acknowledgement of its head.
    """
    listening = socket.create_server((host, port), family=family)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
