"""The tags of plain scalars; snakeyaml itself was observed to give each of them."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.emulator.job_pipeline.yaml_scalars import plain_tag


@pytest.mark.parametrize(
    ("scalar", "tag"),
    [
        ("1e3", "float"),
        ("1E3", "float"),
        ("._", "float"),
        ("+.5", "float"),
        ("1:30", "int"),
        ("0x_1F", "int"),
        ("0b_1", "int"),
        ("007", "int"),
        ("08", "str"),
        ("0o17", "str"),
        ("0X1f", "str"),
        ("y", "str"),
        ("N", "str"),
        ("on", "bool"),
        ("oN", "str"),
        ("=", "str"),
        ("<<", "merge"),
        ("2024-01-01", "timestamp"),
        ("2024-1-1", "str"),
        ("2024-1-1 1:00:00", "timestamp"),
        ("", "null"),
        ("~", "null"),
    ],
)
def test_a_plain_scalar_gets_the_server_s_tag(scalar: str, tag: str) -> None:
    assert plain_tag(scalar) == tag
