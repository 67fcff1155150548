"""Nodes: lists, properties, folders and deletes, with the server's quirks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.emulator.storage.conftest import USER, document, prop, uris

if TYPE_CHECKING:
    from tests.emulator.storage.conftest import Storage

HOME = f"home/{USER}"
BASE = f"vos://cadc.nrc.ca~arc/{HOME}"


def test_a_folder_is_listed_with_its_files(storage: Storage) -> None:
    storage.put("b", b"12")
    assert storage.mkdir(f"{HOME}/a").status_code == 201
    response = storage.node(HOME)
    assert response.headers["content-type"].startswith("text/xml")
    assert uris(response) == [f"{BASE}/a", f"{BASE}/b"]
    assert 'xsi:type="vos:ContainerNode"' in response.text
    assert 'xsi:type="vos:DataNode"' in response.text


def test_properties_say_how_long_and_how_old_a_file_is(storage: Storage) -> None:
    storage.put("x", b"123", Content_Type="text/plain")
    os.utime(storage.home / "x", (0, 1_700_000_000.25))
    node = storage.node(f"{HOME}/x")
    assert [prop(node, name) for name in ("length", "date", "type", "creator", "ispublic", "readable")] == [
        *("3", "2023-11-14T22:13:20.250", "text/plain", USER, "false", None)
    ]
    detailed = storage.node(f"{HOME}/x", detail="max")
    assert [prop(detailed, name) for name in ("readable", "writable", "quota")] == ["true", "true", None]
    assert "properties" not in storage.node(f"{HOME}/x", detail="min").text


def test_only_the_allocation_has_a_quota(storage: Storage) -> None:
    storage.mkdir(f"{HOME}/a")
    storage.put("a/x", b"12345")
    home, folder = storage.node(HOME, limit="0"), storage.node(f"{HOME}/a", limit="0")
    assert (prop(home, "quota"), prop(home, "length")) == ("200000000000", "5")
    assert (prop(folder, "quota"), prop(folder, "length")) == (None, "5")


def test_a_limit_is_ignored_unless_it_is_0(storage: Storage) -> None:
    for name in "abc":
        storage.put(name, b"")
    assert len(uris(storage.node(HOME, limit="1"))) == 3
    assert uris(storage.node(HOME, limit="0")) == []


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"limit": "-1"}, "InvalidArgument: value for limit must be a positive integer.\n"),
        ({"limit": "x"}, "InvalidArgument: value for limit must be a positive integer.\n"),
        ({"sort": "date"}, "sort by date\n"),
        ({"order": "asc"}, "sort order asc\n"),
        (
            {"uri": f"{BASE}/a"},
            "OptionNotSupported: batch container node listing: limit ignored, resume not implemented\n",
        ),
        (
            {"uri": "vos://cadc.nrc.ca~arc/home/x/a"},
            (
                "InvalidURI: uri parameter (vos://cadc.nrc.ca~arc/home/x/a) not a child of target uri "
                f"({BASE}).\n"
            ),
        ),
        ({"Accept": "text/plain"}, "InvalidArgument: Media type text/plain not supported\n"),
    ],
)
def test_what_a_list_cannot_do_is_400(storage: Storage, parameters: dict[str, str], sentence: str) -> None:
    response = storage.node(HOME, **parameters)
    assert (response.status_code, response.text) == (400, sentence)


def test_folders_are_made_one_at_a_time(storage: Storage) -> None:
    missing = storage.mkdir(f"{HOME}/a/b")
    assert (missing.status_code, missing.text) == (404, f"ContainerNotFound: {BASE}/a/b\n")
    assert storage.mkdir(f"{HOME}/a").status_code == 201
    again = storage.mkdir(f"{HOME}/a")
    assert (again.status_code, again.text) == (409, f"DuplicateNode: {BASE}/a\n")
    assert (storage.home / "a").is_dir()


def test_nothing_is_created_beside_the_allocations(storage: Storage) -> None:
    for parent in ("home", "projects"):
        refused = storage.mkdir(f"{parent}/new")
        assert (refused.status_code, refused.text) == (
            403,
            "permission denied: self-allocate is not enabled\n",
        )
    assert storage.mkdir("new").text == "PermissionDenied: vos://cadc.nrc.ca~arc/new\n"
    assert sorted(path.name for path in storage.mount.iterdir()) == ["home", "projects"]


def test_a_refused_upload_leaves_an_empty_file(storage: Storage) -> None:
    refused = storage.http.put("/files/home/x", content=b"x")
    assert (refused.status_code, refused.text) == (403, "permission denied: write to /home/x\n")
    assert (storage.mount / "home" / "x").read_bytes() == b""


def test_a_project_is_an_allocation(storage: Storage) -> None:
    (storage.mount / "projects" / "m13").mkdir()
    assert storage.http.put("/files/projects/m13/x", content=b"x").status_code == 201
    assert prop(storage.node("projects/m13", limit="0"), "quota") == "200000000000"


def test_other_users_files_are_refused(storage: Storage) -> None:
    other = storage.mount / "home" / "other"
    other.mkdir()
    (other / "x").write_text("secret")
    assert uris(storage.node("home/other")) == []
    for response in (storage.http.get("/files/home/other/x"), storage.node("home/other/x")):
        assert (response.status_code, response.text) == (
            403,
            "PermissionDenied: vos://cadc.nrc.ca~arc/home/other\n",
        )
    assert storage.mkdir("home/other/y").text == "PermissionDenied: vos://cadc.nrc.ca~arc/home/other/y\n"


def test_deletes_are_of_one_node(storage: Storage) -> None:
    storage.mkdir(f"{HOME}/a")
    storage.put("a/x", b"x")
    full = storage.http.delete(f"/nodes/{HOME}/a")
    assert (full.status_code, full.text) == (400, "container node 'a' is not empty\n")
    for path in (f"{HOME}/a/x", f"{HOME}/a"):
        deleted = storage.http.delete(f"/nodes/{path}")
        assert (deleted.status_code, deleted.content) == (200, b"")
    gone = storage.http.delete(f"/nodes/{HOME}/a")
    assert (gone.status_code, gone.text) == (404, f"NodeNotFound: Target {BASE}/a\n")
    assert list(storage.home.iterdir()) == []


@pytest.mark.parametrize("path", [HOME, "home", "projects"])
def test_allocations_and_their_parents_are_not_deleted(storage: Storage, path: str) -> None:
    assert storage.http.delete(f"/nodes/{path}").status_code == 403
    assert (storage.mount / path).is_dir()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "InvalidArgument: invalid input: XML failed schema validation"),
        ("<node/>", "InvalidArgument: invalid input: XML failed schema validation"),
        (document("", "ContainerNode"), "InvalidArgument: invalid input: uri attribute not found"),
        (document(f"{BASE}/a", "ContainerNode"), "InvalidArgument: invalid input: nodes element not found"),
        (document(f"{BASE}/a", "Node"), "TypeNotSupported: unsupported node type: Node"),
        (
            document(f"{BASE}/b", "DataNode"),
            f"InvalidURI: invalid input: vos URI mismatch: doc={BASE}/b and ",
        ),
        (document("vos://x~arc/a", "DataNode"), "InvalidURI: vos://x~arc/a is not a node of "),
        (document("http://x/a", "DataNode"), "InvalidArgument: URI scheme must be vos: http://x/a"),
        ("<!DOCTYPE x>" + document(f"{BASE}/a", "DataNode"), "InvalidArgument: invalid input: Error reading"),
        (" " * 40_000, "RequestEntityTooLarge: invalid document too large (max: 32KiB)"),
    ],
)
def test_a_document_that_is_not_of_the_node_is_400(storage: Storage, body: str, sentence: str) -> None:
    response = storage.http.put(f"/nodes/{HOME}/a", content=body)
    assert (response.status_code, response.text[: len(sentence)]) == (400, sentence)
    assert list(storage.home.iterdir()) == []


def test_both_spellings_of_the_authority_are_equal(storage: Storage) -> None:
    body = document(f"vos://cadc.nrc.ca!arc/{HOME}/a", "ContainerNode", "<vos:nodes/>")
    assert storage.http.put(f"/nodes/{HOME}/a", content=body).status_code == 201


def test_a_post_changes_properties_that_are_not_the_servers(storage: Storage) -> None:
    storage.put("x", b"123", Content_Type="text/plain")
    core = "ivo://ivoa.net/vospace/core#"
    changes = (
        f'<vos:properties><vos:property uri="{core}title">M13 &amp; M5</vos:property>'
        f'<vos:property uri="{core}length">7</vos:property>'
        f'<vos:property uri="{core}type" xsi:nil="true"/></vos:properties>'
    )
    posted = storage.http.post(f"/nodes/{HOME}/x", content=document(f"{BASE}/x", "DataNode", changes))
    assert posted.status_code == 200
    node = storage.node(f"{HOME}/x")
    assert [prop(node, name) for name in ("title", "length", "type")] == ["M13 &amp; M5", "3", None]
    wrong = storage.http.post(
        f"/nodes/{HOME}/x", content=document(f"{BASE}/x", "ContainerNode", "<vos:nodes/>")
    )
    assert (wrong.status_code, wrong.text) == (
        400,
        (
            f"InvalidArgument: invalid input: cannot change type of node /{HOME}/x from DataNode to "
            "ContainerNode\n"
        ),
    )


def test_the_view_of_the_data_redirects_without_the_port(storage: Storage) -> None:
    response = storage.node(f"{HOME}/x", view="data")
    assert (response.status_code, response.headers["location"]) == (
        303,
        f"http://127.0.0.1/arc/files/{HOME}/x",
    )


def test_a_pipe_spoils_the_list_of_its_folder(storage: Storage) -> None:
    os.mkfifo(storage.home / "pipe")
    response = storage.node(HOME)
    assert (response.status_code, "found unexpected file system object" in response.text) == (500, True)


def test_names_with_odd_characters_are_encoded_in_lists(storage: Storage) -> None:
    for name in ("a b", "c#d", "50%", "e<&>", "ü", os.fsdecode(b"\xff")):
        (storage.home / name).touch()
    assert uris(storage.node(HOME)) == [
        f"{BASE}/{name}" for name in ("50%25", "a%20b", "c%23d", "e%3C&amp;%3E", "ü", "%3F")
    ]


def test_what_is_public_all_the_way_is_readable_without_a_credential(storage: Storage) -> None:
    storage.put("x", b"public")
    public = '<vos:properties><vos:property uri="ivo://ivoa.net/vospace/core#ispublic">true</vos:property></vos:properties>'
    anonymous = {"Authorization": ""}

    def statuses() -> list[int]:
        url = f"/files/{HOME}/x"
        return [
            storage.http.request(method, url, headers=anonymous).status_code for method in ("HEAD", "GET")
        ]

    assert statuses() == [403, 403]
    folder = document(BASE, "ContainerNode", f"{public}<vos:nodes/>")
    assert storage.http.post(f"/nodes/{HOME}", content=folder).status_code == 200
    assert statuses() == [200, 403]
    assert storage.http.post(f"/nodes/{HOME}/x", content=document(f"{BASE}/x", "DataNode", public)).is_success
    assert statuses() == [200, 200]
    refused = storage.http.put(f"/files/{HOME}/y", content=b"", headers=anonymous)
    assert refused.status_code == 403
    assert not (storage.home / "y").exists()
