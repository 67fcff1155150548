"""Names in paths and URIs, and that none leads out of the folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from airflow_provider_canfar.emulator.api.http_errors import HttpError
from airflow_provider_canfar.emulator.storage.node_uri import (
    child_uri,
    document_names,
    node_uri,
    requested_names,
)
from tests.emulator.storage.conftest import USER, document, uris

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.storage.conftest import Storage

FILES = f"/arc/files/home/{USER}"


def names_of(path: str) -> tuple[str, ...] | int:
    """Return the names in an encoded path, or the status of the error."""
    request = Request({"type": "http", "raw_path": f"/arc/files/{path}".encode()})
    try:
        return requested_names(request, "/arc/files")
    except HttpError as error:
        return error.status


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("", ()),
        ("home/", ("home",)),
        ("home//x/", ("home", "x")),
        ("home/./x", ("home", "x")),
        ("home/y/../x", ("home", "x")),
        ("home/y/%2e%2e/x", ("home", "x")),
        ("home/a;b/x", ("home", "a", "x")),
        ("home/a%3Bb", ("home", "a;b")),
        ("home/a%23b", ("home", "a")),
        ("home/a%3Fb", ("home", "a")),
        ("home/%C3%BC", ("home", "ü")),
        ("home/a:+@=,()!*'&~$b", ("home", "a:+@=,()!*'&~$b")),
        ("home/a%2Bb", ("home", "a+b")),
    ],
)
def test_a_path_is_read_as_tomcat_and_java_read_it(path: str, names: tuple[str, ...]) -> None:
    assert names_of(path) == names


@pytest.mark.parametrize("character", [*' %"[]{}<>|\\^`', "\x01", "\x7f", "\u00a0", "\u2003"])
def test_what_java_refuses_is_500(character: str) -> None:
    assert names_of("home/a" + quote(character) + "b") == 500


@pytest.mark.parametrize(
    "path", ["..", "../home", "%2e%2e/x", "home/../../x", "a%2Fb", "a%2fb", "a%00b", "a%FFb"]
)
def test_what_tomcat_rejects_is_400(path: str) -> None:
    assert names_of(path) == 400


def test_a_path_that_is_encoded_twice_does_not_lead_out_either() -> None:
    assert names_of("home/%252e%252e/x") == 400
    assert names_of("home/a%2500b") == 400


@given(st.text().map(quote) | st.text(alphabet="./%2eE;#?\\ab"))
def test_no_path_contains_dots_or_slashes(path: str) -> None:
    names = names_of(path)
    if isinstance(names, tuple):
        assert not [name for name in names if name in ("", ".", "..") or "/" in name or "\0" in name]


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1)


@given(st.lists(NAMES.filter(lambda name: name not in (".", "..")), max_size=3).map(tuple))
def test_a_uri_in_a_list_names_its_node(names: tuple[str, ...]) -> None:
    uri = child_uri(names)
    assert document_names(uri) == names
    if "%" not in uri:
        assert node_uri(names) == uri


def test_a_node_with_a_name_that_java_refuses_cannot_be_read(storage: Storage) -> None:
    (storage.home / "a b").touch()
    response = storage.node(f"home/{USER}/a%2520b")
    assert (response.status_code, "VOSURI syntax" in response.text) == (500, True)


@pytest.fixture
def secret(storage: Storage) -> Path:
    """Return a file beside the folder that stands for /arc."""
    path = storage.mount.parent / "secret"
    path.write_text("secret")
    return path


@pytest.mark.parametrize(
    "path", ["/arc/files/../../secret", "/arc/files/%2e%2e/secret", "/arc/files/home/..%2F..%2Fsecret"]
)
def test_dots_lead_nowhere(storage: Storage, secret: Path, path: str) -> None:
    url = storage.http.base_url.copy_with(raw_path=path.encode())
    for method in ("GET", "PUT"):
        response = storage.http.request(method, url, content=b"overwritten" if method == "PUT" else None)
        assert response.status_code in (400, 404)
    assert secret.read_text() == "secret"


@pytest.mark.parametrize("target", ["../../../secret", "{secret}", "{mount}/home", "/etc"])
def test_a_link_out_of_the_folder_is_400(storage: Storage, secret: Path, target: str) -> None:
    link = storage.home / "link"
    link.symlink_to(target.format(secret=secret, mount=storage.mount))
    refused = storage.get("link")
    assert (refused.status_code, refused.text[:53]) == (
        400,
        "InvalidArgument: cannot navigate external link file:/",
    )
    assert storage.get("link/passwd").status_code == 400
    assert storage.put("link/x", b"x").status_code == 400
    assert storage.put("link", b"x").text == "not a data node\n"
    assert storage.mkdir(f"home/{USER}/link/x").status_code == 400
    assert secret.read_text() == "secret"
    listed = storage.node(f"home/{USER}")
    assert uris(listed) == [f"vos://cadc.nrc.ca~arc/home/{USER}/link"]
    assert "<vos:target>file:/" in listed.text
    assert storage.http.delete(f"/nodes/home/{USER}/link").status_code == 200
    assert not os.path.lexists(link)
    assert secret.exists()


def test_a_relative_link_is_followed(storage: Storage) -> None:
    storage.mkdir(f"home/{USER}/folder")
    storage.put("folder/x", b"1")
    (storage.home / "file-link").symlink_to("folder/../folder/x")
    (storage.home / "folder-link").symlink_to("folder")
    assert storage.get("file-link").content == b"1"
    assert storage.get("folder-link/x").content == b"1"
    assert storage.put("folder-link/y", b"2").status_code == 201
    assert (storage.home / "folder" / "y").read_bytes() == b"2"
    node = storage.node(f"home/{USER}/file-link").text
    assert 'xsi:type="vos:LinkNode"' in node
    assert f"<vos:target>vos://cadc.nrc.ca~arc/home/{USER}/folder/x</vos:target>" in node


def test_a_link_with_a_space_spoils_the_list_of_its_folder(storage: Storage) -> None:
    (storage.home / "link").symlink_to("a b")
    listed = storage.node(f"home/{USER}")
    sentence = f"Illegal character in the target of /home/{USER}/link\n"
    assert (listed.status_code, listed.text) == (400, sentence)


def test_links_in_a_circle_are_404(storage: Storage) -> None:
    (storage.home / "a").symlink_to("b")
    (storage.home / "b").symlink_to("a")
    response = storage.get("a")
    assert (response.status_code, response.text) == (404, "UnreadableLinkTarget: Exceeded link limit.\n")


def test_a_document_leads_nowhere_else(storage: Storage, secret: Path) -> None:
    for uri in ("vos://cadc.nrc.ca~arc/../secret", "vos://cadc.nrc.ca~arc/home/%2e%2e/%2e%2e/secret"):
        body = document(uri, "ContainerNode", "<vos:nodes/>")
        response = storage.http.put("/nodes/home/x", content=body)
        assert (response.status_code, response.text) == (400, "InvalidURI: a path may not contain . or ..\n")
        deleted = storage.http.post("/async-delete", data={"target": uri})
        assert deleted.status_code == 400
    assert secret.exists()


def test_a_name_that_is_too_long_is_500(storage: Storage) -> None:
    put = storage.put("x" * 300, b"")
    assert (put.status_code, "failed to create/update node" in put.text) == (500, True)
    assert storage.get("x" * 300).status_code == 404


def test_a_name_that_is_cut_writes_another_file(storage: Storage) -> None:
    assert storage.put("results%231", b"x").status_code == 201
    assert [path.name for path in storage.home.iterdir()] == ["results"]
