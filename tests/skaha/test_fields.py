"""How the server's JSON becomes typed fields."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from airflow_provider_canfar.skaha.fields import Quantity, Time


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8.59", 8.59),
        ("8G", 8.0),
        ("192G", 192.0),
        ("147Gi", 157.840048128),
        ("512Mi", 0.536870912),
        ("0.500", 0.5),
        ("500m", 0.5),
        ("1.5T", 1500.0),
        (16, 16.0),
        (2.5, 2.5),
        ("<none>", None),
        ("", None),
        (None, None),
        ("plenty", None),
        ("8X", None),
    ],
)
def test_a_quantity_is_parsed_in_cores_or_gigabytes(text: object, value: float | None) -> None:
    assert TypeAdapter(Quantity).validate_python(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-02-11T07:30:05Z", datetime(2026, 2, 11, 7, 30, 5, tzinfo=UTC)),
        ("2026-02-11T07:30:05", datetime(2026, 2, 11, 7, 30, 5, tzinfo=UTC)),
        ("<none>", None),
        ("", None),
        (None, None),
        ("yesterday", None),
    ],
)
def test_a_time_is_in_utc_or_absent(text: object, value: datetime | None) -> None:
    assert TypeAdapter(Time).validate_python(text) == value
