"""Tokens: what they allow, when they expire, and how to get one."""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING

import httpx

from tests.emulator.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import Caller


def session_list(caller: Caller, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{caller.emulator.url}/session", headers=headers, trust_env=False)


def log_in(caller: Caller, user: str = "astronomer", password: str = PASSWORD) -> httpx.Response:
    url = caller.emulator.url.replace("/skaha/v1", "/ac/login")
    return httpx.post(url, data={"username": user, "password": password}, trust_env=False)


def test_a_request_without_a_credential_is_a_bad_request(shared_caller: Caller) -> None:
    """The server responds with 400 instead of 401."""
    response = httpx.get(f"{shared_caller.emulator.url}/session", trust_env=False)
    assert (response.status_code, response.text) == (400, "cannot get group memberships for anonymous\n")
    assert "/ac/login" in response.headers["www-authenticate"]


def test_a_wrong_token_is_refused_with_a_challenge(shared_caller: Caller) -> None:
    response = session_list(shared_caller, "wrong")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description=')


def test_a_login_issues_a_token_that_contains_its_expiry_time(shared_caller: Caller) -> None:
    response = log_in(shared_caller, password=f" {PASSWORD} ")
    token = response.text
    assert (response.headers["content-type"], token.strip()) == ("text/plain", token)
    assert response.headers["x-vo-bearer"] == token
    expiry = re.search(r"expirytime=(\d+)", base64.b64decode(token).decode())
    assert expiry is not None
    assert 47 < (int(expiry[1]) / 1000 - time.time()) / 3600 < 49
    assert session_list(shared_caller, token).status_code == 200


def test_a_login_with_the_wrong_password_is_refused(shared_caller: Caller) -> None:
    assert log_in(shared_caller, password="guess").status_code == 401
    assert log_in(shared_caller, user="somebody").status_code == 401
    assert log_in(shared_caller, password="").status_code == 400


def test_without_a_password_every_login_fails(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(password=None)
    assert {log_in(caller, password=guess).status_code for guess in ("None", "password", PASSWORD)} == {401}


def test_a_token_from_a_login_expires(make_caller: Callable[..., Caller]) -> None:
    caller = make_caller(token_lifetime=0)
    assert session_list(caller, log_in(caller).text).status_code == 401


def test_a_rotation_invalidates_all_tokens_except_the_new_one(caller: Caller) -> None:
    token = log_in(caller).text
    caller.emulator.rotate_token("new")
    assert [session_list(caller, each).status_code for each in (caller.emulator.token, token, "new")] == [
        401,
        401,
        200,
    ]
    caller.emulator.rotate_token()
    assert session_list(caller, "new").status_code == 401
    assert session_list(caller, log_in(caller).text).status_code == 200


def test_whoami_redirects_to_the_user_s_document(shared_caller: Caller) -> None:
    whoami = shared_caller.emulator.url.replace("/skaha/v1", "/ac/whoami")
    redirect = shared_caller.http.get(whoami)
    assert redirect.status_code == 303
    assert redirect.headers["location"].endswith("/ac/users/astronomer?idType=HTTP")
    assert (
        '<identity type="HTTP">astronomer</identity>'
        in shared_caller.http.get(redirect.headers["location"]).text
    )
    assert httpx.get(whoami, headers={"Authorization": "Bearer no"}, trust_env=False).status_code == 401
