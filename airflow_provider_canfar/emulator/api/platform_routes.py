"""What the routes of the platform's own calls share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.api.endpoints import Endpoints
    from airflow_provider_canfar.emulator.runtime.platform import Platform


class PlatformRoutes:
    """Routes below ``/skaha``.

    :param platform: has the sessions, the settings and the limits.
    :param endpoints: authenticates requests.
    """

    def __init__(self, platform: Platform, endpoints: Endpoints) -> None:
        self._platform = platform
        self._endpoints = endpoints
