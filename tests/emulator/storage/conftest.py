"""A client of the emulator's file service, and the folder that stands for ``/arc``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.emulator.browser import root_of

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

USER = "astronomer"
NAMESPACE = "http://www.ivoa.net/xml/VOSpace/v2.0"


@dataclass(frozen=True)
class Storage:
    """The file service of an emulator.

    :param http: has the address up to ``/arc``, and the token.
    :param mount: the folder that stands for ``/arc``.
    """

    caller: Caller
    http: httpx.Client
    mount: Path

    @property
    def home(self) -> Path:
        """The user's folder, as sessions see it."""
        return self.mount / "home" / USER

    def get(self, name: str) -> httpx.Response:
        """Read a file in the user's home."""
        return self.http.get(f"/files/home/{USER}/{name}")

    def head(self, name: str) -> httpx.Response:
        """Read the headers of a file in the user's home."""
        return self.http.head(f"/files/home/{USER}/{name}")

    def put(self, name: str, content: bytes, **headers: str) -> httpx.Response:
        """Write a file in the user's home."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return self.http.put(f"/files/home/{USER}/{name}", content=content, headers=named)

    def node(self, path: str, **parameters: str) -> httpx.Response:
        """Read a node, by its whole path."""
        return self.http.get(f"/nodes/{path}", params=parameters)

    def mkdir(self, path: str) -> httpx.Response:
        """Create a folder, by its whole path."""
        return self.create(path, "ContainerNode", "<vos:nodes/>")

    def create(self, path: str, kind: str, content: str = "") -> httpx.Response:
        """Create a node, by its whole path."""
        return self.http.put(
            f"/nodes/{path}", content=document(f"vos://cadc.nrc.ca~arc/{path}", kind, content)
        )


def document(uri: str, kind: str, content: str = "") -> str:
    """Return the document of a node."""
    return (
        f'<vos:node xmlns:vos="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'uri="{uri}" xsi:type="vos:{kind}">{content}</vos:node>'
    )


def uris(response: httpx.Response) -> list[str]:
    """Return the URIs of the nodes in a folder."""
    assert response.status_code == 200, response.text
    _, *children = re.findall(r'<vos:node [^>]*?uri="([^"]*)"', response.text)
    return children


def prop(response: httpx.Response, name: str) -> str | None:
    """Return the first property with a name."""
    found = re.search(rf'<vos:property uri="[^"]*#{name}"[^>]*>([^<]*)<', response.text)
    return found[1] if found else None


@pytest.fixture
def storage(caller: Caller) -> Iterator[Storage]:
    """Return the file service of a new emulator."""
    headers = {"Authorization": f"Bearer {caller.emulator.token}"}
    with httpx.Client(
        base_url=f"{root_of(caller)}/arc", headers=headers, timeout=60, trust_env=False
    ) as http:
        mount = http.get("/mount").raise_for_status().json()["storage_mount"]
        yield Storage(caller, http, Path(mount))
