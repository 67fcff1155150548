"""What is known about a file after an upload."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import NotFound, Rejected, ServerError, Unreachable
from airflow_provider_canfar.skaha.storage import uploads
from airflow_provider_canfar.skaha.storage.uploads import Content, StoredFile

CONTENT = Content.read(io.BytesIO(b"stars"))


@given(st.binary(max_size=100))
def test_the_digest_is_read_as_it_was_written(data: bytes) -> None:
    content = Content.read(io.BytesIO(data))
    found = StoredFile.from_headers({"digest": content.digest, "content-length": str(len(data))})
    assert uploads.has_content(found, content)
    assert StoredFile.from_headers({"digest": f"md5={content.md5}"}).md5 == content.md5


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"digest": "sha-256=abcd", "content-length": "many", "last-modified": "yesterday", "date": "today"},
        {"digest": f"md5={base64.b64encode(b'short').decode()}", "content-length": "-1"},
    ],
)
def test_headers_that_say_nothing_prove_nothing(headers: dict[str, str]) -> None:
    found = StoredFile.from_headers(headers)
    assert found == StoredFile()
    assert not uploads.was_written(found, CONTENT, 1e9)


@pytest.mark.parametrize(
    ("found", "was_written"),
    [
        (StoredFile(5, CONTENT.md5, age=3.0), True),
        (StoredFile(5, CONTENT.md5, age=9.0), False),  # Perhaps changed before the upload began.
        (StoredFile(5, CONTENT.md5, age=600.0), False),  # The same bytes, uploaded long ago.
        (StoredFile(5, CONTENT.md5), False),
        (StoredFile(0, CONTENT.md5, age=3.0), False),  # Emptied after a failure.
        (StoredFile(5, "0" * 32, age=3.0), False),
        (StoredFile(5, None, age=3.0), False),
    ],
)
def test_a_lost_upload_has_arrived_only_if_length_digest_and_time_say_so(
    found: StoredFile, was_written: bool
) -> None:
    assert uploads.was_written(found, CONTENT, 10.0) is was_written


def test_an_upload_that_was_never_sent_or_was_refused_at_once_touches_nothing() -> None:
    untouched = [NotFound(status=404), Rejected(status=400), Unreachable(maybe_applied=False)]
    touched = [
        Unreachable(maybe_applied=True),
        Rejected(status=403),
        Rejected(status=412),
        Rejected(status=413),
        ServerError(status=500),
    ]
    assert not any(map(uploads.may_have_touched, untouched))
    assert all(map(uploads.may_have_touched, touched))


def test_a_mismatch_of_the_digest_is_tried_again_and_a_refusal_is_not() -> None:
    assert uploads.may_repeat(Rejected(status=412))
    assert uploads.may_repeat(ServerError(status=500))
    assert not uploads.may_repeat(Rejected(status=413))
    assert not uploads.may_repeat(ValueError())
