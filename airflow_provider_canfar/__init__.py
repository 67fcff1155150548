"""Run container sessions on the CANFAR Science Platform as Apache Airflow tasks."""

from __future__ import annotations

__version__ = "0.1.0"
