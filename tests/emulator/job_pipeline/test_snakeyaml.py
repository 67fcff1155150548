"""Where snakeyaml differs from PyYAML; each expectation was observed with snakeyaml itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.java import JavaError
from airflow_provider_canfar.emulator.job_pipeline.snakeyaml import load


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("1e3", 1000.0),
        ("1:30", 90),
        ("-0x1_0", -16),
        ("0b101", 5),
        ("010", 8),
        ("1:30.5", 90.5),
        ("-.inf", float("-inf")),
        ("2024-01-01", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-13-32", datetime(2025, 2, 1, tzinfo=UTC)),
        ("2024-1-1 12:00:00.25 +2", datetime(2024, 1, 1, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("a\tb", "a\tb"),
        ('["a"\t,"b"]', ["a", "b"]),
        ("[&a b, &a c, *a]", ["b", "c", "c"]),
        ("!!binary aGk=", b"hi"),
        ('"a\u2028b"', "a\u2028b"),
        ('"a\x85b"', "a b"),
        ("", None),
    ],
)
def test_a_document_is_read_as_the_server_reads_it(document: str, value: Any) -> None:
    assert load(document) == value


@pytest.mark.parametrize(
    ("document", "kind", "message"),
    [
        ("a\x01", "reader.ReaderException", "special characters are not allowed"),
        ('"\\/"', "scanner.ScannerException", "found unknown escape character /(47)"),
        ('"\\UFFFFFFFF"', "scanner.ScannerException", "found unknown escape character"),
        ("a: %", "scanner.ScannerException", "that cannot start any token. (Do not use % for indentation)"),
        ("a:\t- b", "scanner.ScannerException", "found character '\\t(TAB)' that cannot start any token."),
        ("a: *", "scanner.ScannerException", "while scanning an alias"),
        ("a: *@b", "composer.ComposerException", "found undefined alias @b"),
        ('["a"b]', "parser.ParserException", "expected ',' or ']', but got <scalar>"),
        ("a: !x b", "constructor.ConstructorException", "could not determine a constructor for the tag !x"),
        ("&a [*a]", "error.YAMLException", "Nesting Depth exceeded max 50"),
        ("[" * 2_000, "error.YAMLException", "Nesting Depth exceeded max 50"),
        ("a: <<", "constructor.ConstructorException", "for the tag tag:yaml.org,2002:merge"),
    ],
)
def test_an_error_has_the_server_s_message(document: str, kind: str, message: str) -> None:
    with pytest.raises(JavaError) as caught:
        load(document)
    assert caught.value.kind == f"org.yaml.snakeyaml.{kind}"
    assert message in caught.value.message


def test_an_invalid_number_is_a_number_format_error() -> None:
    with pytest.raises(JavaError, match=r"java.lang.NumberFormatException: For input string: \"\.\""):
        load("._")


#: PyYAML writes U+0085 unescaped between single quotes, where it is a line break, and cannot read it back.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"))


@given(st.recursive(TEXT | st.booleans() | st.integers() | st.none(), st.lists, max_leaves=8))
def test_what_pyyaml_writes_reads_back(value: Any) -> None:
    written = yaml.safe_dump(value, allow_unicode=True, default_style='"' if isinstance(value, str) else None)
    assert load(written) == value
