"""Moves and recursive deletes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.emulator.storage.conftest import NAMESPACE, USER

if TYPE_CHECKING:
    import httpx

    from tests.emulator.storage.conftest import Storage

BASE = f"vos://cadc.nrc.ca~arc/home/{USER}"


def transfer(target: str, direction: str, content: str = "<vos:keepBytes>false</vos:keepBytes>") -> str:
    return (
        f'<vos:transfer xmlns:vos="{NAMESPACE}" version="2.1"><vos:target>{target}</vos:target>'
        f"<vos:direction>{direction}</vos:direction>{content}</vos:transfer>"
    )


def run(storage: Storage, created: httpx.Response) -> str:
    """Run a job, and return its description."""
    assert created.status_code == 303, created.text
    job = created.headers["location"]
    assert storage.http.get(f"{job}/phase").text == "PENDING"
    assert storage.http.post(f"{job}/phase", data={"PHASE": "RUN"}).status_code == 303
    described = storage.http.get(job, params={"WAIT": "30"})
    assert described.headers["content-type"].startswith("text/xml")
    return described.text


def move(storage: Storage, source: str, destination: str) -> str:
    return run(
        storage,
        storage.http.post("/transfers", content=transfer(f"{BASE}/{source}", f"{BASE}/{destination}")),
    )


def delete_all(storage: Storage, path: str) -> str:
    target = f"vos://cadc.nrc.ca~arc/{path}"
    return run(storage, storage.http.post("/async-delete", data={"target": target}))


def test_a_file_is_renamed_with_its_properties(storage: Storage) -> None:
    storage.put("x", b"1")
    job = move(storage, "x", "y")
    assert "<uws:phase>COMPLETED</uws:phase>" in job
    assert f'<uws:result id="destination" xlink:href="{BASE}/y"' in job
    assert [path.name for path in storage.home.iterdir()] == ["y"]
    assert "digest" in storage.get("y").headers


def test_a_folder_gets_what_is_moved_to_it(storage: Storage) -> None:
    storage.mkdir(f"home/{USER}/folder")
    storage.put("x", b"1")
    assert "COMPLETED" in move(storage, "x", "folder")
    assert (storage.home / "folder" / "x").exists()


@pytest.mark.parametrize(
    ("source", "destination", "sentence"),
    [
        ("missing", "z", f"NodeNotFound: /home/{USER}/missing"),
        ("x", "y", f"DuplicateNode: destination is an existing DataNode: /home/{USER}/y"),
        ("x", "none/y", f"NodeNotFound: Parent directory for destination /home/{USER}/none/y"),
        ("x", "full", f"DuplicateNode: destination is an existing DataNode: /home/{USER}/full/x"),
        (
            "full",
            "full/inside",
            (
                "InvalidArgument: Cannot move container node into its descendants: source path "
                f"/home/{USER}/full in resolved path /home/{USER}/full"
            ),
        ),
        ("x", "../x", "InvalidURI: a path may not contain . or .."),
    ],
)
def test_what_cannot_be_moved_fails_the_job(
    storage: Storage, source: str, destination: str, sentence: str
) -> None:
    storage.mkdir(f"home/{USER}/full")
    for name in ("x", "y", "full/x"):
        storage.put(name, b"1")
    job = move(storage, source, destination)
    assert "<uws:phase>ERROR</uws:phase>" in job
    assert f"<uws:message>{sentence}</uws:message>" in job
    assert sorted(path.name for path in storage.home.rglob("*")) == ["full", "x", "x", "y"]


def test_allocations_are_not_moved(storage: Storage) -> None:
    created = storage.http.post("/transfers", content=transfer(BASE, "vos://cadc.nrc.ca~arc/projects/mine"))
    assert f"PermissionDenied: /home/{USER}" in run(storage, created)
    assert storage.home.is_dir()


def test_there_is_no_copy(storage: Storage) -> None:
    storage.put("x", b"1")
    created = storage.http.post("/transfers", content=transfer(f"{BASE}/x", f"{BASE}/y", ""))
    assert "copyNode is not implemented" in run(storage, created)


def test_a_folder_is_deleted_with_all_in_it_but_not_what_links_lead_to(storage: Storage) -> None:
    for folder in ("a", "a/b", "kept"):
        storage.mkdir(f"home/{USER}/{folder}")
    for name in ("a/x", "a/b/y", "kept/z"):
        storage.put(name, b"1")
    (storage.home / "a" / "link").symlink_to("../kept")
    job = delete_all(storage, f"home/{USER}/a")
    assert "COMPLETED" in job
    assert "final:5" in job
    assert sorted(path.name for path in storage.home.rglob("*")) == ["kept", "z"]


def test_an_allocation_is_emptied_but_stays(storage: Storage) -> None:
    storage.put("x", b"1")
    job = delete_all(storage, f"home/{USER}")
    assert "ABORTED" in job
    assert list(storage.home.iterdir()) == []


def test_a_delete_of_nothing_fails(storage: Storage) -> None:
    assert "NodeNotFound: /home/astronomer/x" in delete_all(storage, f"home/{USER}/x")
    assert storage.http.post("/async-delete").text == "target argument required\n"


def test_a_job_that_was_aborted_does_not_run(storage: Storage) -> None:
    storage.put("x", b"1")
    job = storage.http.post("/async-delete", data={"target": f"{BASE}/x"}).headers["location"]
    for phase in ("ABORT", "RUN"):
        assert storage.http.post(f"{job}/phase", data={"PHASE": phase}).status_code == 303
    assert storage.http.get(f"{job}/phase").text == "ABORTED"
    assert storage.get("x").content == b"1"


def test_odd_calls_of_jobs_are_400_or_404(storage: Storage) -> None:
    job = storage.http.post("/async-delete", data={"target": f"{BASE}/x"}).headers["location"]
    assert storage.http.post(f"{job}/phase", data={"PHASE": "FLY"}).text == "invalid PHASE: FLY\n"
    assert storage.http.get(job, params={"WAIT": "x"}).text == "invalid WAIT: x\n"
    assert storage.http.get(f"{job}/results/none").status_code == 404
    assert storage.http.get("/transfers/none").status_code == 404
    assert storage.http.get(job, headers={"Authorization": ""}).status_code == 403
