"""The platform's own clients of its storage, unchanged: ``vosfs``, and ``canfar data``, which uses it.

They refuse to send a token over plain HTTP, so their emulator speaks HTTPS.
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme

from airflow_provider_canfar.testing import running_emulator
from tests.emulator.storage.conftest import USER

HOME = f"/home/{USER}"
CONFIGURATION = """
version: 2
servers:
  canfar:
    idp: cadc
    uri: ivo://cadc.nrc.ca/skaha
    url: {url}/skaha
    version: v1
    auths: [x509]
    storage:
      arc: {{uri: "ivo://cadc.nrc.ca/arc", url: "{url}/arc"}}
"""


@dataclass(frozen=True)
class Client:
    """Runs the platform's clients as programs of their own, and calls the service as well.

    :param environment: of those programs.
    :param folder: their home.
    :param http: has the address up to ``/arc``, and the token.
    """

    environment: dict[str, str]
    folder: Path
    http: httpx.Client

    def vosfs(self, script: str) -> object:
        """Run a script that has a file system ``fs`` and leaves its result in ``found``."""
        text = (
            "import json, os; from vosfs import VOSpaceFileSystem\n"
            'fs = VOSpaceFileSystem(os.environ["URL"] + "/arc", token=os.environ["CANFAR_TOKEN"])\n'
            f"{script}\nprint(json.dumps(found))"
        )
        return json.loads(self._run(sys.executable, "-c", text))

    def paths(self, script: str) -> object:
        """Run a script with our paths of this emulator, ``home``, which leaves its result in ``found``."""
        text = (
            "import json, airflow_provider_canfar.fs.paths; from airflow.sdk import ObjectStoragePath\n"
            f'home = ObjectStoragePath("arc://canfar_default@{HOME}")\n'
            f"{script}\nprint(json.dumps(found))"
        )
        return json.loads(self._run(sys.executable, "-c", text).splitlines()[-1])

    def data(self, *arguments: str) -> str:
        """Run ``canfar data``."""
        return self._run(str(Path(sys.executable).with_name("canfar")), "data", *arguments)

    def _run(self, *command: str) -> str:
        ended = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Run an emulator with a certificate, and return the clients of it."""
    folder = tmp_path_factory.mktemp("client")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate = folder / "certificate.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    with running_emulator(certificate=certificate) as emulator:
        url = emulator.url.removesuffix("/skaha/v1")
        (folder / ".canfar").mkdir()
        (folder / ".canfar" / "config.yaml").write_text(CONFIGURATION.format(url=url))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SSL_CERT_FILE": str(folder / "authority.pem"),
            "URL": url,
            "CANFAR_TOKEN": emulator.token,
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW_CONN_CANFAR_DEFAULT": json.dumps(emulator.connection),
        }
        context = ssl.create_default_context(cafile=folder / "authority.pem")
        headers = {"Authorization": f"Bearer {emulator.token}"}
        with httpx.Client(base_url=f"{url}/arc", headers=headers, verify=context, trust_env=False) as http:
            yield Client(environment, folder, http)


def test_vosfs_reads_what_is_put_and_writes_what_is_got(client: Client) -> None:
    assert client.http.put(f"/files{HOME}/ours", content=b"ours").status_code == 201
    found = client.vosfs(
        f"""
found = {{"ours": fs.cat_file("{HOME}/ours").decode(), "size": fs.info("{HOME}/ours")["size"]}}
fs.pipe_file("{HOME}/theirs", b"theirs")
fs.pipe_file("{HOME}/empty", b"")
found["empty"] = fs.cat_file("{HOME}/empty").decode()
"""
    )
    assert found == {"ours": "ours", "size": 4, "empty": ""}
    assert client.http.get(f"/files{HOME}/theirs").content == b"theirs"
    assert client.http.get(f"/files{HOME}/empty").status_code == 204


def test_vosfs_makes_lists_moves_and_deletes(client: Client) -> None:
    found = client.vosfs(
        f"""
root = "{HOME}/tree"
fs.makedirs(root + "/a/b", exist_ok=True)
fs.pipe_file(root + "/a/x", b"1")
fs.mv(root + "/a/x", root + "/a/b/y")
fs.cp_file(root + "/a/b/y", root + "/z")
found = {{"all": fs.find(root), "listed": sorted(fs.ls(root, detail=False)), "types": []}}
found["types"] = sorted(each["type"] for each in fs.ls(root, detail=True))
fs.rm(root + "/a", recursive=True)
found["left"] = fs.find(root)
try:
    fs.cat_file(root + "/missing")
except FileNotFoundError as error:
    found["missing"] = str(error)
"""
    )
    root = f"{HOME}/tree"
    assert found == {
        "all": [f"{root}/a/b/y", f"{root}/z"],
        "listed": [f"{root}/a", f"{root}/z"],
        "types": ["directory", "file"],
        "left": [f"{root}/z"],
        "missing": f"VOSpace request failed for {root}/missing: NodeNotFound: "
        f"vos://cadc.nrc.ca~arc{root}/missing (HTTP 404)",
    }


def test_canfar_data_copies_both_ways(client: Client) -> None:
    (client.folder / "in").write_bytes(b"stars" * 100_000)
    client.data("cp", f"local:{client.folder}/in", f"arc:{HOME}/stars")
    assert client.http.get(f"/files{HOME}/stars").content == b"stars" * 100_000
    client.data("mv", f"arc:{HOME}/stars", f"arc:{HOME}/moved")
    client.http.put(f"/files{HOME}/ours", content=b"more stars")
    client.data("cp", f"arc:{HOME}/ours", f"local:{client.folder}/out")
    assert (client.folder / "out").read_bytes() == b"more stars"
    assert {"moved", "ours"} <= {*client.data("ls", f"arc:{HOME}").split()}


def test_canfar_data_reads_what_our_paths_have_written_and_the_other_way_round(client: Client) -> None:
    (client.folder / "theirs").write_bytes(b"theirs" * 500_000)
    (client.folder / "nothing").touch()
    client.data("mkdir", f"arc:{HOME}/shared")
    client.data("cp", f"local:{client.folder}/theirs", f"arc:{HOME}/shared/theirs;v=2")
    client.data("cp", f"local:{client.folder}/nothing", f"arc:{HOME}/shared/nothing")
    found = client.paths(
        """
import hashlib
folder = home / "shared"
found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}
(folder / "new" / "é,ours=1").write_bytes(b"ours" * 1_000_000)
(folder / "new" / "empty").touch()
(folder / "theirs;v=2").rename(folder / "new" / "moved")
"""
    )
    assert found == {
        "theirs;v=2": hashlib.sha256(b"theirs" * 500_000).hexdigest(),
        "nothing": hashlib.sha256(b"").hexdigest(),
    }
    for name, content in {
        "é,ours=1": b"ours" * 1_000_000,
        "empty": b"",
        "moved": b"theirs" * 500_000,
    }.items():
        client.data("cp", f"arc:{HOME}/shared/new/{name}", f"local:{client.folder}/back")
        assert (client.folder / "back").read_bytes() == content
        (client.folder / "back").unlink()
