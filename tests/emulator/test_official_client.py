"""The platform's own Python client, unchanged, in a separate program against the emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.emulator.conftest import Caller

SYNCHRONOUS = """
import json, time
from canfar.sessions import Session

def until(session_id, status):
    while session.info(session_id)[0]["status"] != status:
        time.sleep(0.02)

IMAGE = "images.canfar.net/skaha/astroml:24.07"
found = {}
with Session() as session:
    found["created"] = ids = session.create(
        name="batch", image=IMAGE, kind="headless", cmd="env", env={"TEST": "x"}, replicas=3, cores=1, ram=2
    )
    for each in ids:
        until(each, "Completed")
    [slow] = session.create(name="slow", image=IMAGE, cmd="sleep", args="600")
    [notebook] = session.create(name="notes", image=IMAGE, kind="notebook")
    until(slow, "Running")
    until(notebook, "Running")
    found["slow"], found["notebook"] = slow, notebook
    found["fetched"] = session.fetch()
    found["headless"] = [each["id"] for each in session.fetch(kind="headless")]
    found["running"] = [each["id"] for each in session.fetch(status="Running")]
    found["both"] = [each["id"] for each in session.fetch(kind="headless", status="Running")]
    found["info"] = session.info(ids)
    found["logs"] = session.logs(ids)
    found["events"] = session.events(slow)
    found["renewed"] = session.renew(notebook)
    found["stats"] = session.stats()
    found["destroyed_with"] = session.destroy_with("batch")
    found["destroyed_by_regex"] = session.destroy_with("^sl.w$", status="Running")
    found["destroyed"] = session.destroy([notebook, "unknown1"])
    found["left"] = session.fetch()
    found["refused"] = session.create(name="a_b", image=IMAGE)
print(json.dumps(found))
"""

ASYNCHRONOUS = """
import asyncio, json
from canfar.sessions import AsyncSession

async def main():
    async with AsyncSession() as session:
        ids = await session.create(
            name="many", image="images.canfar.net/skaha/astroml:24.07", cmd="sleep", args="600", replicas=8
        )
        fetched = await session.fetch(kind="headless")
        destroyed = await session.destroy_with("many", status="Running")
        while any(each["status"] == "Pending" for each in await session.fetch()):
            destroyed |= await session.destroy_with("many", status="Pending")
        destroyed |= await session.destroy_with("many", status="Running")
        return {"ids": ids, "fetched": fetched, "destroyed": destroyed, "left": await session.fetch()}

print(json.dumps(asyncio.run(main())))
"""


@pytest.fixture
def run_client(caller: Caller, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Return a function that runs a script with the client, which has a token and an empty home."""

    def run(script: str) -> dict[str, Any]:
        ended = subprocess.run(
            [sys.executable, "-c", script],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "CANFAR_URL": caller.emulator.url,
                "CANFAR_TOKEN": caller.emulator.token,
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    return run


def test_the_official_client_works(caller: Caller, run_client: Callable[[str], dict[str, Any]]) -> None:
    found = run_client(SYNCHRONOUS)
    ids, slow, notebook = found["created"], found["slow"], found["notebook"]
    names = sorted(session["name"] for session in found["fetched"])
    assert names == ["batch-1", "batch-2", "batch-3", "notes", "slow"]
    assert found["headless"] == sorted([*ids, slow])
    assert found["running"] == [slow, notebook]
    assert found["both"] == [slow]
    assert [session["id"] for session in found["info"]] == ids
    assert all(session["requestedRAM"] == "2.15" for session in found["info"])
    for replica, session in enumerate(ids, start=1):
        variables = found["logs"][session].splitlines()
        assert {f"REPLICA_ID={replica}", "REPLICA_COUNT=3", "TEST=x"} <= {*variables}
    assert "Started" in found["events"][0][slow]
    assert found["renewed"] == {notebook: True}
    assert found["stats"]["cores"]["cpuCoresAvailable"] > 0
    assert found["destroyed_with"] == dict.fromkeys(ids, True)
    assert found["destroyed_by_regex"] == {slow: True}
    # True only means that the response was a 200, which it always is.
    assert found["destroyed"] == {notebook: True, "unknown1": True}
    assert found["left"] == []
    assert found["refused"] == []
    assert [session["live"] for session in caller.emulator.all_sessions()] == [False] * 5


def test_the_official_async_client_works(caller: Caller, run_client: Callable[[str], dict[str, Any]]) -> None:
    found = run_client(ASYNCHRONOUS)
    names = sorted(session["name"] for session in found["fetched"])
    assert names == [f"many-{replica}" for replica in range(1, 9)]
    assert {*found["ids"]} == {*found["destroyed"]}
    assert found["left"] == []
    assert len(caller.emulator.all_sessions()) == 8
