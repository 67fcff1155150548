"""Java's replacement syntax, which the server applies to the user's text by accident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.java import JavaError
from airflow_provider_canfar.emulator.job_pipeline.java_regex import expand, replace_all


@pytest.mark.parametrize(
    ("replacement", "becomes"),
    [
        ("plain", "plain"),
        (r"a\b", "ab"),
        (r"a\\b", "a\\b"),
        (r"\$1", "$1"),
        ("$0", "WHOLE"),
        ("<$000>", "<WHOLE>"),
        ("$01", "WHOLE1"),
    ],
)
def test_a_backslash_quotes_and_a_dollar_sign_refers_to_a_group(replacement: str, becomes: str) -> None:
    assert expand(replacement, whole="WHOLE") == becomes


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        ("a\\", "character to be escaped is missing"),
        ("a$", "Illegal group reference: group index is missing"),
        ("$HOME", "Illegal group reference"),
        ("$(HOME)", "Illegal group reference"),
        ("$²", "Illegal group reference"),
        ("${}", "named capturing group has 0 length name"),
        ("${a.b}", "named capturing group is missing trailing '}'"),
        ("${abc", "named capturing group is missing trailing '}'"),
        ("${1a}", "capturing group name {1a} starts with digit character"),
        ("${HOME}", "No group with name {HOME}"),
    ],
)
def test_an_invalid_reference_is_an_illegal_argument(replacement: str, message: str) -> None:
    with pytest.raises(JavaError) as caught:
        expand(replacement, whole="")
    assert (caught.value.kind, caught.value.message) == ("java.lang.IllegalArgumentException", message)


def test_an_unknown_group_number_is_an_index_out_of_bounds() -> None:
    with pytest.raises(JavaError) as caught:
        expand("$12", whole="")
    assert str(caught.value) == "java.lang.IndexOutOfBoundsException: No group 1"


@given(st.text())
def test_text_with_quoted_backslashes_and_dollar_signs_arrives(text: str) -> None:
    quoted = text.replace("\\", r"\\").replace("$", r"\$")
    assert replace_all("<${key}|${key}>", "key", quoted) == f"<{text}|{text}>"


def test_a_document_without_the_placeholder_accepts_any_replacement() -> None:
    """Java reads the replacement only after a match."""
    assert replace_all("nothing here", "key", "$HOME") == "nothing here"
