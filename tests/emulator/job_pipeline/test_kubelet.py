"""The references that Kubernetes expands in a container's command, arguments and environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.kubelet import expand, expand_environment


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("$(A)", "x"),
        ("<$(A)$(A)>", "<xx>"),
        ("$(B)", "$(B)"),
        ("$A ${A}", "$A ${A}"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$x"),
        ("$$", "$"),
        ("$", "$"),
        ("a$", "a$"),
        ("$(A", "$(A"),
        ("$($(A))", "$($(A))"),
        ("$\n$(A)", "$\nx"),
    ],
)
def test_known_references_are_expanded_and_two_dollar_signs_become_one(text: str, becomes: str) -> None:
    assert expand(text, {"A": "x"}) == becomes


@given(st.text())
def test_text_with_doubled_dollar_signs_arrives(text: str) -> None:
    assert expand(text.replace("$", "$$"), {"A": "x"}) == text


def test_a_variable_can_refer_only_to_earlier_ones() -> None:
    posted = [("A", "1"), ("B", "$(A)$(C)"), ("C", "$(B)"), ("A", "2"), ("D", "$(A)")]
    assert dict(expand_environment(posted)) == {"A": "2", "B": "1$(C)", "C": "1$(C)", "D": "2"}
