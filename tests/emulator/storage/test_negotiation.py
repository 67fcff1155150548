"""Negotiated transfers, by parameters and by document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.emulator.storage.conftest import USER
from tests.emulator.storage.test_jobs import BASE, transfer

if TYPE_CHECKING:
    from tests.emulator.storage.conftest import Storage

PULL, PUSH = "pullFromVoSpace", "pushToVoSpace"
GET, PUT = "ivo://ivoa.net/vospace/core#httpsget", "ivo://ivoa.net/vospace/core#httpsput"


def endpoints(storage: Storage, target: str, direction: str, protocol: str) -> list[str]:
    """Negotiate with a document, and return the addresses."""
    content = f'<vos:protocol uri="{protocol}"/>'
    response = storage.http.post("/synctrans", content=transfer(target, direction, content))
    for _ in range(2):
        assert response.status_code == 303
        response = storage.http.get(response.headers["location"])
    assert response.status_code == 200
    return re.findall("<vos:endpoint>([^<]*)</vos:endpoint>", response.text)


def anonymous(method: str, url: str, content: bytes | None = None) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.request(method, url, content=content)


def test_a_download_has_an_address_with_a_token_and_one_without(storage: Storage) -> None:
    storage.put("x", b"1")
    preauthorized, plain = endpoints(storage, f"{BASE}/x", PULL, GET)
    assert anonymous("GET", preauthorized).content == b"1"
    assert anonymous("GET", plain).status_code == 403
    assert storage.http.get(plain).content == b"1"


def test_an_upload_creates_its_file_and_has_an_address_with_a_token(storage: Storage) -> None:
    (url,) = endpoints(storage, f"{BASE}/x", PUSH, PUT)
    assert (storage.home / "x").read_bytes() == b""
    assert anonymous("PUT", url, b"new").status_code == 201
    assert storage.get("x").content == b"new"


def test_a_token_is_for_one_file_and_one_direction(storage: Storage) -> None:
    storage.put("x", b"1")
    storage.put("y", b"2")
    url = endpoints(storage, f"{BASE}/x", PULL, GET)[0]
    for method, odd in (("PUT", url), ("GET", f"{url[:-1]}y"), ("GET", url.replace("~", "~0"))):
        assert anonymous(method, odd).status_code == 403
    assert anonymous("GET", url.replace("preauth:", "preauth:x")).status_code == 403


@pytest.mark.parametrize(
    ("target", "direction"),
    [
        (f"{BASE}/missing", PULL),
        (BASE, PULL),
        (f"{BASE}/none/x", PUSH),
        (BASE, PUSH),
        ("vos://cadc.nrc.ca~arc/home/x", PUSH),
    ],
)
def test_after_an_error_the_document_has_no_addresses(storage: Storage, target: str, direction: str) -> None:
    assert endpoints(storage, target, direction, GET) == []


def test_parameters_lead_straight_to_the_bytes(storage: Storage) -> None:
    storage.put("x", b"1")
    form = {"TARGET": f"{BASE}/x", "DIRECTION": PULL, "PROTOCOL": GET}
    response = storage.http.post("/synctrans", data=form)
    assert response.status_code == 303
    assert anonymous("GET", response.headers["location"]).content == b"1"
    missing = storage.http.post("/synctrans", data={**form, "TARGET": f"{BASE}/y"})
    assert (missing.status_code, missing.text) == (400, "target is not a data node\n")
    assert storage.http.post("/synctrans", data={"TARGET": "x"}).status_code == 400


def test_other_users_files_are_not_negotiated(storage: Storage) -> None:
    (storage.mount / "home" / "other").mkdir()
    (storage.mount / "home" / "other" / "x").write_text("secret")
    form = {"TARGET": "vos://cadc.nrc.ca~arc/home/other/x", "DIRECTION": PULL, "PROTOCOL": GET}
    assert storage.http.post("/synctrans", data=form).status_code == 403


def test_a_full_quota_is_413_before_any_bytes(storage: Storage) -> None:
    storage.caller.emulator.configure(storage_quota=0)
    form = {"TARGET": f"{BASE}/x", "DIRECTION": PUSH, "PROTOCOL": PUT}
    refused = storage.http.post("/synctrans", data=form)
    assert (refused.status_code, refused.text) == (413, "QuotaExceeded\n")
    assert endpoints(storage, f"{BASE}/x", PUSH, PUT) == []


def test_the_capabilities_name_each_call(storage: Storage) -> None:
    text = anonymous("GET", str(storage.http.base_url) + "capabilities").text
    assert re.findall(r'<accessURL use="(\w+)">[^<]*/arc/([\w-]+)<', text) == [
        ("full", "capabilities"),
        ("full", "availability"),
        ("base", "nodes"),
        ("base", "files"),
        ("full", "transfers"),
        ("full", "synctrans"),
        ("full", "async-delete"),
    ]
    assert "<vosi:available>true" in anonymous("GET", str(storage.http.base_url) + "availability").text


def test_the_mount_is_told_to_the_account_only(storage: Storage) -> None:
    assert storage.home == storage.mount / "home" / USER
    assert anonymous("GET", str(storage.http.base_url) + "mount").status_code == 403
