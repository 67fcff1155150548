"""Every form in which a server may repeat a secret."""

from __future__ import annotations

import base64
import html
import json
import logging
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.http import library_logs
from airflow_provider_canfar.skaha.http.redaction import Redactor
from airflow_provider_canfar.skaha.http.response import MAX_ERROR, ApiResponse, error_from

SECRET = """p&w<"hunter2'>é\\x%41+z and more"""

#: How a server may write a secret; the list in tests/test_secrets.py takes the same.
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "html": html.escape,
    "html decimal": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "html hexadecimal": lambda text: "".join(f"&#x{ord(one):X};" for one in text),
    "html twice": lambda text: html.escape(html.escape(text)),
    "json": json.dumps,
    "json, unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "json, each character": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "url": lambda text: quote(text, safe=""),
    "url, lower case": lambda text: quote(text, safe="").replace("%C3%A9", "%c3%a9").replace("%3C", "%3c"),
    "url, plus": quote_plus,
    "url twice": lambda text: quote(quote(text)),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a pair": lambda text: base64.b64encode(f"mcurie:{text}".encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(f"me:{text}".encode()).decode().rstrip("="),
    "base64 in base64": lambda text: base64.b64encode(base64.b64encode(f"a={text}".encode())).decode(),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "a shell's quotes": lambda text: "'" + text.replace("'", "'\\''") + "'",
    "json in a url in html": lambda text: html.escape(quote(json.dumps(text))),
    "misread as latin-1": lambda text: text.encode().decode("latin-1"),
    "a wrapped page": lambda text: text.replace(" ", "\n    "),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_in_every_form(form: str) -> None:
    repeated = FORMS[form](SECRET)
    masked = Redactor([SECRET]).redact(f"Refused: {repeated} is no token.")
    assert masked.startswith("Refused: ")
    assert masked.endswith(" is no token.")
    assert "***" in masked
    if "base64" not in form:
        assert len(masked) < len("Refused: *** is no token.") + 9, "no more than quotes around it are left"


_VISIBLE = st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zs", "Zl", "Zp"])
_STACKED = ["html", "json", "url", "repr", "base64", "html decimal"]


@given(
    secret=st.text(_VISIBLE, min_size=8),
    forms=st.lists(st.sampled_from(_STACKED), max_size=3).filter(lambda forms: forms.count("base64") < 3),
)
def test_no_stack_of_encodings_hides_a_secret(secret: str, forms: list[str]) -> None:
    secret = f"Xq{secret}"
    text = secret
    for form in forms:
        text = FORMS[form](text)
    assert "***" in Redactor([secret]).redact(f"invalid token {text}")


@given(st.text(max_size=300))
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert Redactor(["canary-7d1f-canary-93b2"]).redact(text) == text


@pytest.mark.parametrize("size", [16, 20, 30])
def test_a_part_of_a_long_secret_is_masked(size: int) -> None:
    token = "".join(f"{one:02x}" for one in range(200, 232))
    assert Redactor([token]).redact(f"starts with {token[:size]}...") == "starts with ***..."
    assert Redactor([token]).redact(f"ends in ...{token[-size:]}") == "ends in ...***"


def test_each_line_of_a_secret_is_masked() -> None:
    redactor = Redactor(["first-line\nsecond-line\nthird-line"])
    assert redactor.redact("not base64: second-line") == "not base64: ***"


@pytest.mark.parametrize("value", ["1", "no", "true", "false", "debug", "ram", ""])
def test_a_short_value_leaves_a_message_readable(value: str) -> None:
    sentence = "Invalid value for 'ram': 11 is not true, no debug, false"
    assert Redactor([value]).redact(sentence) == sentence


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    redactor = Redactor(["4711", "s3cr3t"])
    assert redactor.redact("PIN 4711, not 147110; 's3cr3t'") == "PIN ***, not 147110; '***'"


def test_what_the_request_shows_openly_is_not_masked() -> None:
    image = "images.canfar.net/skaha/astroml:24.07"
    redactor = Redactor([image, "images.canfar.net/skaha/secret-image:1"], public=[image])
    assert redactor.redact(f"unknown or private image: {image}") == f"unknown or private image: {image}"


def test_a_huge_argument_is_searched_in_no_time() -> None:
    """Twice 2 MB, as the largest create has."""
    program = "".join(f"line {one}: print('hello')\n" for one in range(80_000))
    canary = "canary-" + "0123456789abcdef" * 3
    redactor = Redactor([program + canary, "q" * 2_000_000])
    text = redactor.redact(f"Cannot parse {canary} here. " * 20)
    assert "abcdef" not in text
    assert "Cannot parse *** here." in text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("type_", ["text/plain", "text/html", "application/json"])
def test_an_error_masks_after_the_page_is_decoded(form: str, type_: str) -> None:
    repeated = FORMS[form](SECRET)
    if type_ == "text/html":
        repeated = f"<html><body><p>{html.escape(repeated)}</p></body></html>"
    body = repeated.encode()
    response = ApiResponse("POST", "session", "https://x.test", 400, {"content-type": type_}, body)
    error = error_from(
        ApiResponse(
            **{name: getattr(response, name) for name in ("method", "path", "base", "status")},
            headers=response.headers,
            body=body,
            secrets=(SECRET,),
        )
    )
    assert "hunter2" not in f"{error} {error.server_message}"
    assert "***" in str(error)


@pytest.mark.parametrize("form", ["plain", "html decimal", "json, each character", "url", "base64"])
@pytest.mark.parametrize("twelfths", [3, 8, 11])
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(form: str, twelfths: int) -> None:
    """At the edge of the page that is read, of the line that is searched, and of a redirect."""
    secret, long = "hunter2&<é>x", "long" * 125
    repeated = FORMS[form](secret)
    part = repeated[: len(repeated) * twelfths // 12]
    page = " " * (MAX_ERROR - len(part)) + repeated
    # A mask brings what is behind it into what is quoted.
    line = long * 3 + "-" * (500 - len(part)) + repeated
    for body in (page, line):
        response = ApiResponse(
            "POST", "session", "https://x.test", 400, {}, body.encode()[:MAX_ERROR], secrets=(secret, long)
        )
        assert repeated[:3] not in str(error_from(response)).removeprefix("POST session failed")
    redirect = ApiResponse(
        "GET", "session", "https://x.test", 302, {"location": f"/{line}"}, b"", secrets=(secret, long)
    )
    assert repeated[:3] not in str(error_from(redirect)).partition("this one is to")[2]


def test_the_path_of_a_redirect_is_masked_too() -> None:
    location = f"https://login.test/{quote('s3cr3t-t0ken/x', safe='')}/next"
    response = ApiResponse(
        "GET", "session", "https://x.test", 302, {"location": location}, b"", secrets=("s3cr3t-t0ken/x",)
    )
    assert "'https://login.test/***/next'" in str(error_from(response))


def test_the_libraries_log_neither_a_reason_nor_a_header_that_may_be_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    library_logs.mask()
    headers = [(b"Content-Type", b"text/plain"), (b"X-Echo", b"it's canary"), (b"Location", b'/"canary"')]
    # As httpcore does it, without arguments.
    complete = f"receive_response_headers.complete return_value=(b'HTTP/1.1', 400, b'no canary', {headers!r})"
    logging.getLogger("httpcore.http11").debug(complete)
    logging.getLogger("httpcore.http11").debug(
        "receive_response_headers.failed exception=RemoteProtocolError(\"illegal: bytearray(b'canary')\")"
    )
    logging.getLogger("httpx").info(
        'HTTP Request: %s %s "%s %d %s"', "GET", "https://x.test", "HTTP/1.1", 400, "no canary"
    )
    assert "canary" not in caplog.text
    assert "(b'Content-Type', b'text/plain'), (b'X-Echo', b'***'), (b'Location', b'***')" in caplog.text
    assert "exception=RemoteProtocolError(...)" in caplog.text
    assert '"HTTP/1.1 400 Bad Request"' in caplog.text


@pytest.mark.parametrize("url", ["https://x.test/eyJhbGciOi9/skaha/v1", "https://x.test/arc/preauth:t0ken/x"])
def test_the_libraries_log_no_token_in_a_path(caplog: pytest.LogCaptureFixture, url: str) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    library_logs.mask()
    library_logs.hide_path("https://x.test/eyJhbGciOi9/skaha/v1")
    request = httpx.URL(f"{url}/session/k3v9x2qa?view=logs")
    logging.getLogger("httpx").info('HTTP Request: %s %s "%s %d %s"', "GET", request, "HTTP/1.1", 200, "OK")
    assert "eyJhbGciOi9" not in caplog.text
    assert "t0ken" not in caplog.text
    assert "/session/k3v9x2qa?view=logs" in caplog.text


def test_other_urls_are_logged_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    url = "http://127.0.0.1:8080/execution/task-instances/0199-77/run?x=1"
    library_logs.hide_path("https://x.test/eyJhbGciOi9/skaha/v1")
    logging.getLogger("httpx").info('HTTP Request: %s %s "%s %d %s"', "GET", url, "HTTP/1.1", 200, "OK")
    assert f" {url} " in caplog.text
