"""The responses to the server's exceptions."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.emulator.api.http_errors import from_java_error
from airflow_provider_canfar.emulator.job_pipeline.java import JavaError


@pytest.mark.parametrize(
    ("kind", "status", "sentence"),
    [
        ("java.lang.IllegalArgumentException", 400, "no"),
        ("java.lang.NumberFormatException", 400, "no"),
        ("java.lang.Exception", 500, "unexpected exception: java.lang.Exception: no"),
    ],
)
def test_an_illegal_argument_is_a_bad_request_and_any_other_exception_an_internal_error(
    kind: str, status: int, sentence: str
) -> None:
    error = from_java_error(JavaError(kind, "no"))
    assert (error.status, error.sentence) == (status, sentence)
