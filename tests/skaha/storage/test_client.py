"""Files and folders of the storage."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from airflow_provider_canfar.skaha.credentials import Authorization
from airflow_provider_canfar.skaha.errors import (
    AuthenticationError,
    NotFound,
    Rejected,
    RequestError,
    ResponseTooLarge,
    ServerError,
    SpecError,
    Unreachable,
)
from airflow_provider_canfar.skaha.storage import documents
from airflow_provider_canfar.skaha.storage.client import StorageClient
from airflow_provider_canfar.skaha.storage.documents import Type
from airflow_provider_canfar.skaha.storage.tree import remove_tree
from tests.fake_storage import FakeStorage, lost_after, lost_before, responds

if TYPE_CHECKING:
    from tests.skaha.conftest import Time

BASE = "/home/jdoe/m13"


@pytest.fixture(name="tree")
def _tree(storage: FakeStorage) -> FakeStorage:
    storage.folders |= {BASE, f"{BASE}/parts", f"{BASE}/empty"}
    for number in range(3):
        storage.write(f"{BASE}/parts/{number}.csv", b"x,y\n" * number)
    storage.links[f"{BASE}/link"] = "/home/jdoe/other"
    storage.folders.add("/home/jdoe/other")
    storage.write("/home/jdoe/other/keep", b"keep")
    return storage


async def read(client: StorageClient, path: str) -> bytes:
    target = io.BytesIO()
    await client.get(path, target)
    return target.getvalue()


# Reading ---------------------------------------------------------------------------------------------------


async def test_a_file_is_read_whole(client: StorageClient, tree: FakeStorage) -> None:
    assert await read(client, f"{BASE}/parts/2.csv") == b"x,y\nx,y\n"
    assert tree.requests[-1].headers["Accept-Encoding"] == "identity"


async def test_a_page_is_a_file_like_any_other(client: StorageClient, tree: FakeStorage) -> None:
    tree.write(f"{BASE}/plot.html", b"<html>")
    assert await read(client, f"{BASE}/plot.html") == b"<html>"
    assert (await client.head(f"{BASE}/plot.html")).size == 6


async def test_a_cut_download_begins_again_and_overwrites_what_it_had(
    client: StorageClient, tree: FakeStorage
) -> None:
    def cut(_request: httpx.Request, _serve: object) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Length": "8"}, stream=httpx.ByteStream(b"x,yy"))

    tree.faults["GET"] = [cut, lost_before, responds(503, "System is offline for maintainence")]
    target = io.BytesIO(b"longer than what comes")
    assert await client.get(f"{BASE}/parts/2.csv", target) == 8
    assert target.getvalue() == b"x,y\nx,y\n"


async def test_a_stale_digest_does_not_spoil_a_download(client: StorageClient, storage: FakeStorage) -> None:
    await client.put("/home/jdoe/x", io.BytesIO(b"old"))
    storage.write("/home/jdoe/x", b"new!")
    assert await read(client, "/home/jdoe/x") == b"new!"


async def test_an_outage_is_not_a_missing_file(client: StorageClient, tree: FakeStorage) -> None:
    """A proxy without its service says 404, too, in its own words."""
    tree.faults["GET"] = [responds(404, "<html>Not Found</html>", Content_Type="text/html")] * 1000
    with pytest.raises(ServerError, match="did not come from the platform"):
        await client.node(BASE)


async def test_a_listing_that_a_vanishing_file_spoils_is_repeated(
    client: StorageClient, tree: FakeStorage
) -> None:
    tree.faults["GET"] = [responds(500, "unexpected exception: NullPointerException")]
    assert [node.path for node in await client.listdir(f"{BASE}/parts")] == [
        f"{BASE}/parts/{number}.csv" for number in range(3)
    ]


async def test_a_folder_that_cannot_be_listed_says_what_may_be_in_it(
    client: StorageClient, tree: FakeStorage
) -> None:
    tree.faults["GET"] = [responds(500, "unexpected exception: x")] * 1000
    with pytest.raises(ServerError, match="FIFO or a socket"):
        await client.listdir(BASE)


async def test_a_link_to_a_folder_lists_that_folder(client: StorageClient, tree: FakeStorage) -> None:
    assert [node.path for node in await client.listdir(f"{BASE}/link")] == ["/home/jdoe/other/keep"]
    tree.links[f"{BASE}/link"] = f"{BASE}/link"
    with pytest.raises(NotADirectoryError, match="link to a link"):
        await client.listdir(f"{BASE}/link")
    with pytest.raises(NotADirectoryError, match="not a folder"):
        await client.listdir(f"{BASE}/parts/1.csv")


async def test_a_document_is_read_up_to_a_bound(
    client: StorageClient, tree: FakeStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT", 100)
    with pytest.raises(ResponseTooLarge, match="more than 100 bytes"):
        await client.listdir(BASE)


async def test_no_redirect_is_followed_and_no_preauthorized_path_is_quoted(
    client: StorageClient, tree: FakeStorage
) -> None:
    target = "https://elsewhere.test/minoc/preauth:SECRETSECRET/cadc:x"
    tree.faults["GET"] = [responds(303, "", Location=target)]
    with pytest.raises(Rejected, match="Redirects are not followed") as caught:
        await read(client, f"{BASE}/parts/1.csv")
    assert "SECRET" not in str(caught.value)
    assert len(tree.requests) == 1


class Renewable:
    """A credential that can be refreshed once."""

    name, renewal, expires_at = "a token", "Get another.", None

    def __init__(self) -> None:
        self.authorizations = [Authorization({"Authorization": f"Bearer {word}"}) for word in ("old", "new")]

    async def authorize(self) -> Authorization:
        return self.authorizations[0]

    async def refresh(self, rejected: Authorization) -> bool:
        if len(self.authorizations) == 1:
            return False
        self.authorizations.pop(0)
        return True


async def test_an_expired_credential_is_refreshed_once_and_the_upload_sent_again(
    storage: FakeStorage, time: Time
) -> None:
    storage.faults["PUT"] = [responds(401, "expired")]
    async with StorageClient(
        "https://storage.test/arc", Renewable(), transport=storage.transport, sleep=time.sleep
    ) as client:
        await client.put("/home/jdoe/x", io.BytesIO(b"data"))
        assert storage.files["/home/jdoe/x"].data == b"data"
        storage.faults["GET"] = [responds(401, "expired")] * 5
        with pytest.raises(AuthenticationError, match="Get another"):
            await client.node("/home/jdoe/x")
    assert len(storage.sent()) == 3


# Folders ---------------------------------------------------------------------------------------------------


async def test_missing_folders_are_created_from_the_top(client: StorageClient, storage: FakeStorage) -> None:
    await client.makedirs("/home/jdoe/a/b/c")
    assert {"/home/jdoe/a", "/home/jdoe/a/b", "/home/jdoe/a/b/c"} <= storage.folders
    await client.makedirs("/home/jdoe/a/b/c")


@pytest.mark.parametrize("fault", [lost_before, lost_after, responds(500, "failed to create/update node")])
async def test_a_lost_mkdir_is_looked_at_again(
    client: StorageClient, storage: FakeStorage, fault: Callable[..., httpx.Response]
) -> None:
    storage.faults["PUT"] = [fault]
    await client.mkdir("/home/jdoe/a")
    assert "/home/jdoe/a" in storage.folders


async def test_a_lost_race_for_a_folder_is_won_all_the_same(
    client: StorageClient, storage: FakeStorage
) -> None:
    def lose(_request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
        serve()
        return httpx.Response(500, text="failed to create/update node")

    def other_was_first(_request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
        serve()
        return serve()  # 409

    storage.faults["PUT"] = [lose, other_was_first]
    await client.makedirs("/home/jdoe/a/b")
    assert "/home/jdoe/a/b" in storage.folders


async def test_a_folder_that_exists_is_a_conflict(client: StorageClient, tree: FakeStorage) -> None:
    with pytest.raises(Rejected) as caught:
        await client.mkdir(BASE)
    assert caught.value.status == 409
    with pytest.raises(NotADirectoryError):
        await client.makedirs(f"{BASE}/parts/1.csv/x")
    with pytest.raises(NotFound):
        await client.mkdir("/home/jdoe/new/x")


# Deleting and moving ---------------------------------------------------------------------------------------


async def test_a_lost_delete_is_not_an_error(client: StorageClient, tree: FakeStorage) -> None:
    tree.faults["DELETE"] = [lost_after]
    await client.delete(f"{BASE}/parts/1.csv")
    assert f"{BASE}/parts/1.csv" not in tree.files
    with pytest.raises(NotFound):
        await client.delete(f"{BASE}/parts/1.csv")
    with pytest.raises(Rejected, match="is not empty"):
        await client.delete(f"{BASE}/parts")


async def test_a_tree_is_removed_and_what_its_links_lead_to_is_not(
    client: StorageClient, tree: FakeStorage
) -> None:
    await remove_tree(client, BASE)
    assert not [path for path in {*tree.folders, *tree.files, *tree.links} if path.startswith(BASE)]
    assert "/home/jdoe/other/keep" in tree.files


async def test_a_tree_that_cannot_be_removed_names_the_reason(
    client: StorageClient, tree: FakeStorage
) -> None:
    tree.faults["DELETE"] = [responds(403, "permission denied")]
    with pytest.raises(Rejected, match="permission denied"):
        await remove_tree(client, BASE)


async def test_a_folder_that_a_session_still_writes_into_is_emptied_again(
    client: StorageClient, tree: FakeStorage
) -> None:
    def write(_request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
        tree.write(f"{BASE}/parts/late.csv", b"late")
        return serve()

    tree.faults["DELETE"] = [None, None, None, write]
    await remove_tree(client, f"{BASE}/parts")
    assert f"{BASE}/parts" not in tree.folders


@pytest.mark.parametrize("path", ["/", "/home", "/home/jdoe", "/projects", "/projects/m13", "/other"])
async def test_an_allocation_is_never_removed(client: StorageClient, tree: FakeStorage, path: str) -> None:
    with pytest.raises(SpecError, match="allocation"):
        await remove_tree(client, path)
    assert not tree.requests


async def test_a_file_and_a_folder_are_moved_on_the_server(client: StorageClient, tree: FakeStorage) -> None:
    await client.move(f"{BASE}/parts/2.csv", f"{BASE}/two.csv")
    await client.move(f"{BASE}/parts", f"{BASE}/empty/parts")
    assert tree.files[f"{BASE}/two.csv"].data == b"x,y\nx,y\n"
    assert f"{BASE}/empty/parts/1.csv" in tree.files
    assert not [one for one in tree.sent() if "files/" in one]


async def test_nothing_is_moved_onto_what_exists(client: StorageClient, tree: FakeStorage) -> None:
    with pytest.raises(Rejected, match="exists already"):
        await client.move(f"{BASE}/parts/1.csv", f"{BASE}/parts/2.csv")
    assert not tree.jobs
    # Another one is faster: the server refuses it in the job.

    def other_was_first(_request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
        tree.write(f"{BASE}/new", b"")
        return serve()

    tree.faults["POST"] = [other_was_first]
    with pytest.raises(Rejected, match="DuplicateNode") as caught:
        await client.move(f"{BASE}/parts/1.csv", f"{BASE}/new")
    assert caught.value.status == 409


async def test_a_move_that_fails_names_both_paths(client: StorageClient, tree: FakeStorage) -> None:
    for status, facts in ((403, "permission denied"), (500, "out of memory")):
        tree.faults["POST"] = [responds(status, facts)] * 100
        with pytest.raises(RequestError, match=facts) as caught:
            await client.move(f"{BASE}/parts/1.csv", f"{BASE}/new")
        assert str(caught.value).startswith(f"While moving {BASE}/parts/1.csv to {BASE}/new: POST transfers")
        assert caught.value.status == status


async def test_a_folder_that_appears_at_the_target_meanwhile_is_not_taken_for_the_moved_one(
    client: StorageClient, tree: FakeStorage
) -> None:
    """The server moves the source into it, and calls that a success."""

    def other_was_first(_request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
        tree.folders.add(f"{BASE}/new")
        return serve()

    tree.faults["POST"] = [other_was_first]
    with pytest.raises(Rejected, match=f"into it, to {BASE}/new/parts") as caught:
        await client.move(f"{BASE}/parts", f"{BASE}/new")
    assert caught.value.status == 409
    assert f"{BASE}/new/parts/1.csv" in tree.files


async def test_a_move_survives_lost_responses(client: StorageClient, tree: FakeStorage) -> None:
    tree.faults["POST"] = [lost_after, None, lost_before]
    await client.move(f"{BASE}/parts/1.csv", f"{BASE}/new")
    assert f"{BASE}/new" in tree.files


# The service -----------------------------------------------------------------------------------------------


async def test_a_service_says_whether_it_is_a_storage(client: StorageClient, storage: FakeStorage) -> None:
    assert await client.is_storage()
    storage.faults["GET"] = [responds(200, "<capabilities/>")]
    assert not await client.is_storage()


async def test_only_the_emulator_announces_a_mount(client: StorageClient, storage: FakeStorage) -> None:
    assert await client.mount() is None
    storage.faults["GET"] = [responds(200, '{"storage_mount": "/somewhere/arc"}')]
    assert await client.mount() == "/somewhere/arc"


async def test_the_kinds_of_nodes(client: StorageClient, tree: FakeStorage) -> None:
    kinds = {node.path.rpartition("/")[2]: node.type for node in await client.listdir(BASE)}
    assert kinds == {"parts": Type.FOLDER, "empty": Type.FOLDER, "link": Type.LINK}


async def test_an_unreachable_storage_says_so(client: StorageClient, storage: FakeStorage) -> None:
    storage.faults["GET"] = [lost_before] * 1000
    with pytest.raises(Unreachable, match=r"storage\.test"):
        await client.node("/home/jdoe")
