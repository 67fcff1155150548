"""The ASGI application of one emulator: the API, the admin API and the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

from airflow_provider_canfar.emulator.api.account_routes import AccountRoutes
from airflow_provider_canfar.emulator.api.admin import AdminRoutes
from airflow_provider_canfar.emulator.api.desktop_app_routes import DesktopAppRoutes
from airflow_provider_canfar.emulator.api.endpoints import Endpoints
from airflow_provider_canfar.emulator.api.fault_injection import FaultInjection
from airflow_provider_canfar.emulator.api.service_routes import ServiceRoutes
from airflow_provider_canfar.emulator.api.session_routes import SessionRoutes
from airflow_provider_canfar.emulator.api.tomcat import not_found_app
from airflow_provider_canfar.emulator.storage.file_service import FileService
from airflow_provider_canfar.emulator.web.session_pages import SessionPages
from airflow_provider_canfar.emulator.web.web_ui import WebUI

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from starlette.types import ASGIApp

    from airflow_provider_canfar.emulator.api.accounts import Accounts
    from airflow_provider_canfar.emulator.api.request_counter import RequestCounter
    from airflow_provider_canfar.emulator.runtime.platform import Platform


def application(
    platform: Platform,
    accounts: Accounts,
    request_counter: RequestCounter,
    stop_listening: Callable[[float], None],
    close_connection: Callable[[Any], None],
) -> ASGIApp:
    """Return the application.

    :param platform: has the sessions.
    :param accounts: authenticates requests.
    :param request_counter: counts requests.
    :param stop_listening: refuses connections for a number of seconds.
    :param close_connection: closes the connection of a client, given by its address.
    """
    endpoints = Endpoints(accounts, platform.settings.token)
    parts = (
        SessionRoutes(platform, endpoints),
        DesktopAppRoutes(platform, endpoints),
        ServiceRoutes(platform, endpoints),
        AccountRoutes(accounts, endpoints, lambda: platform.config.token_lifetime),
        SessionPages(platform),
        FileService(platform, accounts, close_connection),
        WebUI(platform.settings.token),
        AdminRoutes(platform, accounts, request_counter, stop_listening),
    )
    app = Starlette(routes=[route for part in parts for route in part.routes()])
    app.router.redirect_slashes = False
    app.router.default = not_found_app
    return FaultInjection(app, platform.faults, request_counter, close_connection)
