"""One way of transferring files to and from a storage, in a process of its own: ``storage.py`` starts it.

It prints one line of JSON for each measurement.
"""

from __future__ import annotations

import json
import os
import resource
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

#: The bytes that plain httpx reads or writes at once.
CHUNK = 1024 * 1024


class Way(Protocol):
    """Transfers files, and lists a folder."""

    def put(self, source: Path, path: str) -> None:
        """Upload a file."""

    def get(self, path: str, target: Path) -> None:
        """Download a file."""

    def names(self, path: str) -> list[str]:
        """List a folder."""


class PlainHttpx:
    """One ``httpx.Client`` that sends the bytes, and checks nothing but the status."""

    def __init__(self, url: str, token: str) -> None:
        import httpx

        headers = {"Authorization": f"Bearer {token}"}
        context = ssl.create_default_context()
        self._http = httpx.Client(base_url=url, headers=headers, verify=context, trust_env=False, timeout=600)

    def put(self, source: Path, path: str) -> None:
        headers = {"Content-Length": str(source.stat().st_size), "Content-Type": "application/octet-stream"}
        with source.open("rb") as file:
            pieces = iter(partial(file.read, CHUNK), b"")
            self._http.put(f"/files{quote(path)}", content=pieces, headers=headers).raise_for_status()

    def get(self, path: str, target: Path) -> None:
        with self._http.stream("GET", f"/files{quote(path)}") as response, target.open("wb") as file:
            response.raise_for_status()
            for piece in response.iter_raw(CHUNK):
                file.write(piece)

    def names(self, path: str) -> list[str]:
        text = self._http.get(f"/nodes{quote(path)}", params={"detail": "max"}).raise_for_status().text
        return text.split("<vos:node ")[2:]


class Fsspec:
    """A file system of fsspec's kind."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs

    def put(self, source: Path, path: str) -> None:
        self._fs.put_file(str(source), path)

    def get(self, path: str, target: Path) -> None:
        self._fs.get_file(path, str(target))

    def names(self, path: str) -> list[str]:
        return [one["name"] for one in self._fs.ls(path, detail=True)]


def provider(url: str, token: str) -> Way:
    """Return this provider's file system, whose connection is in the environment."""
    fields = {"conn_type": "canfar", "host": url.replace("/arc", "/skaha/v1"), "password": token}
    os.environ["AIRFLOW_CONN_BENCH"] = json.dumps(fields)
    from airflow_provider_canfar.fs._filesystem import ArcFileSystem

    return Fsspec(ArcFileSystem("bench"))


def vosfs(url: str, token: str) -> Way:
    """Return the platform's own file system."""
    from vosfs import VOSpaceFileSystem

    return Fsspec(VOSpaceFileSystem(url, token=token, use_listings_cache=False))


WAYS: dict[str, Callable[[str, str], Way]] = {
    "provider": provider,
    "vosfs": vosfs,
    "httpx": PlainHttpx,
}


def measure(name: str, call: Callable[[], object]) -> None:
    """Print the seconds, the CPU seconds and the growth of memory of a call."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.monotonic(), time.process_time()
    call()
    figures = {
        "name": name,
        "seconds": time.monotonic() - started,
        "cpu": time.process_time() - cpu,
        "growth": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024 / 1e6,
    }
    print(json.dumps(figures), flush=True)


def main(way: str, url: str, folder: str, local: str, files: str) -> None:
    """Measure one way.

    :param folder: in the storage; exists.
    :param local: has the file ``large``, and takes what is downloaded.
    :param files: how many small files there are.
    """
    client = WAYS[way](url, os.environ["BENCH_TOKEN"])
    here, count = Path(local), int(files)
    small = here / "small"
    # The first request pays for imports and the handshake.
    client.put(small, f"{folder}/warm")
    client.get(f"{folder}/warm", here / "warm")
    measure("put large", lambda: client.put(here / "large", f"{folder}/large"))
    measure("get large", lambda: client.get(f"{folder}/large", here / "got"))
    if (here / "got").stat().st_size != (here / "large").stat().st_size:
        raise RuntimeError("The large file has not arrived whole.")
    many = [f"{folder}/many/{number:05}" for number in range(count)]

    def put_all() -> None:
        for path in many:
            client.put(small, path)

    def get_all() -> None:
        for path in many:
            client.get(path, here / "got")

    measure("put small", put_all)
    measure("get small", get_all)
    listed: list[str] = []
    measure("list", lambda: listed.extend(client.names(f"{folder}/many")))
    if len(listed) != count:
        raise RuntimeError(f"{len(listed)} of {count} files are listed.")


if __name__ == "__main__":
    main(*sys.argv[1:])
