"""Lets the local Airflow answer only to loopback's names, and only to its own pages.

Where it has no login, a page of another site could otherwise use it; see
:mod:`airflow_provider_canfar.emulator.api.same_origin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def same_origin(app: ASGIApp) -> ASGIApp:
    """Wrap Airflow's API server; imported late, as every process of Airflow loads its plugins."""
    from airflow_provider_canfar.emulator.api.same_origin import SameOrigin

    return SameOrigin(app)


class SameOriginPlugin(AirflowPlugin):
    """Installs the middleware in front of everything that the API server serves."""

    name = "canfar_same_origin"
    fastapi_root_middlewares: list[Any] = [{"name": "same origin", "middleware": same_origin}]
