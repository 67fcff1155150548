"""Variables that are packed into variables that the server delivers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.command.packed_env import pack, passes_outside
from airflow_provider_canfar.skaha.command.passthrough import name_problem, value_problem

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = st.text("Aa.n1_ é", min_size=1, max_size=5)


@pytest.mark.parametrize("name", ["BAND", "archive_password", "N1", "LCD", "_x", "REPLICA_ID", "CANFAR_ENV_"])
def test_a_plain_variable_passes_outside(name: str) -> None:
    assert passes_outside(name, "first light (2026)")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BAND", ""),
        ("BAND", "a=b"),
        ("BAND", "n"),
        ("BAND", "0o17"),
        ("ON", "x"),
        ("HOME", "x"),
        ("a.b", "x"),
        ("PATH", "x"),
        ("LD_PRELOAD", "x"),
        ("LC_ALL", "x"),
        ("BASH_ENV", "x"),
        ("PS4", "x"),
        ("CANFAR_ENV_1", "x"),
    ],
)
def test_what_the_server_or_a_shell_would_change_does_not(name: str, value: str) -> None:
    assert not passes_outside(name, value)


def test_nothing_packs_into_nothing() -> None:
    assert pack({}) == {}


@given(st.dictionaries(NAMES, VALUES, min_size=1))
def test_the_server_delivers_what_is_packed(variables: dict[str, str]) -> None:
    for name, value in pack(variables).items():
        assert name_problem(name) is None
        assert value_problem(value) is None
