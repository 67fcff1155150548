"""The models of the platform, in one place to import from.

A :class:`SessionSpec` is what you request, a :class:`Session` is what the platform reports; neither turns
into the other. All models are frozen. Those that the server fills ignore unknown fields; the spec rejects
them.
"""

from __future__ import annotations

from airflow_provider_canfar.skaha.account_models import Image, Options, ResourceOptions, Resources, Stats
from airflow_provider_canfar.skaha.session import Event, Session
from airflow_provider_canfar.skaha.spec import SessionSpec
from airflow_provider_canfar.skaha.statuses import Kind, Status

__all__ = [
    "Event",
    "Image",
    "Kind",
    "Options",
    "ResourceOptions",
    "Resources",
    "Session",
    "SessionSpec",
    "Stats",
    "Status",
]
