"""Which parameters of a request reach the server."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import pytest

from airflow_provider_canfar.emulator.api.parameters import Parameters

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

FORM = "application/x-www-form-urlencoded"
CREATE = {"name": "test", "image": "images.canfar.net/skaha/astroml:24.07", "cmd": "true"}
MISSING = "Missing parameter 'image'\n"


def post(caller: Caller, content: str | bytes, content_type: str | None, query: str = "") -> httpx.Response:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return caller.http.post(f"/session{query}", content=content, headers=headers)


def args_of(caller: Caller, response: httpx.Response) -> list[str]:
    args: list[str] = caller.record(response.raise_for_status().text.strip())["args"]
    return args


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json"])
def test_a_post_without_a_form_s_content_type_has_no_parameters(
    shared_caller: Caller, content_type: str | None
) -> None:
    response = post(shared_caller, urlencode(CREATE), content_type, "?" + urlencode(CREATE))
    assert (response.status_code, response.text) == (400, MISSING)


def test_the_query_comes_before_the_body(shared_caller: Caller) -> None:
    response = post(shared_caller, urlencode({**CREATE, "args": "body"}), FORM, "?args=query&env=A=1")
    assert args_of(shared_caller, response) == ["query"]


def test_all_parameters_may_be_in_the_query(shared_caller: Caller) -> None:
    response = post(shared_caller, "", FORM, "?" + urlencode({**CREATE, "args": "é"}))
    assert args_of(shared_caller, response) == ["é"]


def test_with_a_multipart_form_the_query_is_ignored(shared_caller: Caller) -> None:
    files = {key: (None, value) for key, value in {**CREATE, "args": "part"}.items()}
    response = shared_caller.http.post("/session", params={"args": "query"}, files=files)
    assert args_of(shared_caller, response) == ["part"]


@pytest.mark.parametrize(
    ("content_type", "arrives"),
    [
        (FORM, "Ã©"),
        (f"{FORM}; charset=UTF-8", "é"),
        (f'{FORM};charset="utf-8"', "é"),
        (f"{FORM}; charset=nonsense", "Ã©"),
    ],
)
def test_a_body_is_iso_8859_1_by_default(shared_caller: Caller, content_type: str, arrives: str) -> None:
    response = post(shared_caller, urlencode({**CREATE, "args": "é"}), content_type)
    assert args_of(shared_caller, response) == [arrives]


def test_a_body_over_2_mib_loses_all_parameters(shared_caller: Caller) -> None:
    form = urlencode(CREATE)
    padding = "&" * (2 * 1024 * 1024 - len(form))
    assert post(shared_caller, form + padding, FORM).status_code == 200
    too_long = post(shared_caller, form + padding + "&", FORM)
    assert (too_long.status_code, too_long.text) == (400, MISSING)


def test_parameters_after_the_ten_thousandth_are_dropped(shared_caller: Caller) -> None:
    form = urlencode(CREATE)
    assert post(shared_caller, "a=&" * 9_997 + form, FORM).status_code == 200
    assert post(shared_caller, "a=&" * 10_000 + form, FORM).text == MISSING


def test_tomcat_rejects_a_long_head_with_an_html_page(shared_caller: Caller) -> None:
    response = post(shared_caller, "", FORM, "?" + urlencode({**CREATE, "args": "x" * 8_192}))
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/html")
    assert "Request header is too large" in response.text
    assert post(shared_caller, "", FORM, "?" + urlencode({**CREATE, "args": "x" * 7_500})).status_code == 200


def test_tomcat_rejects_a_bare_brace_in_the_query(shared_caller: Caller) -> None:
    """A client that percent-encodes cannot send it, so the request is written by hand."""
    url = httpx.URL(shared_caller.emulator.url)
    connection = http.client.HTTPConnection(url.host, url.port)
    connection.request("GET", f"{url.path}/session?type={{a}}", headers={"Authorization": "Bearer token"})
    response = connection.getresponse()
    assert response.status == 400
    assert b"Invalid character found in the request target" in response.read()
    connection.close()


def test_names_are_case_insensitive_but_only_one_spelling_counts() -> None:
    parameters = Parameters((("ENV", "A=1"), ("env", "B=2"), ("Env", "C=3"), ("ENV", "D=4"), ("x", "")))
    assert parameters.all("env") == ["A=1", "D=4"]
    assert parameters.first("X") == ""
    assert parameters.first("name") is None
    assert parameters.all("name") == []


def test_a_repeated_parameter_keeps_its_order(shared_caller: Caller) -> None:
    session = shared_caller.create(env=["B=1", "A=2", "B=3", "C=x=y"])
    assert {"A": "2", "B": "3"}.items() <= shared_caller.record(session)["environment"].items()
    assert "C" not in shared_caller.record(session)["environment"]
