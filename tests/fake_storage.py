"""The storage service in memory, with the server's warts, and a script of what goes wrong."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr

import httpx

URL = "https://storage.test/arc"
AUTHORITY = "vos://cadc.nrc.ca~arc"

_XMLNS = (
    'xmlns:vos="http://www.ivoa.net/xml/VOSpace/v2.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)

#: Responds in the server's place; it gets the request, and what the server itself would do.
Fault = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]


@dataclass
class StoredFile:
    """A file's bytes, the digest of its last upload, and when it changed."""

    data: bytes
    digest: str | None
    modified: float


@dataclass
class FakeStorage:
    """Files and folders by their paths.

    :param faults: what happens to the next requests of a method, in turn; None for nothing.
    """

    now: Callable[[], float]
    files: dict[str, StoredFile] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"/", "/home", "/home/jdoe"})
    links: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Fault | None]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    quota: int | None = None
    jobs: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._respond)

    def sent(self) -> list[str]:
        """Return the requests, as ``PUT files/home/jdoe/x``."""
        return [f"{one.method} {self._path(one)}" for one in self.requests]

    def write(self, path: str, data: bytes) -> None:
        """Write a file as a session does: in place, so that an earlier upload's digest stays."""
        digest = self.files[path].digest if path in self.files else None
        self.files[path] = StoredFile(data, digest, self.now())

    def _path(self, request: httpx.Request) -> str:
        return unquote(request.url.raw_path.decode().partition("?")[0]).removeprefix("/arc/")

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        script = self.faults.get(request.method, [])
        fault = script.pop(0) if script else None
        if fault is None:
            return self._serve(request)
        return fault(request, lambda: self._serve(request))

    def _serve(self, request: httpx.Request) -> httpx.Response:
        service, _, rest = self._path(request).partition("/")
        path = f"/{rest}"
        if service == "transfers":
            return self._transfer(request, rest)
        if service == "capabilities":
            standard = "ivo://ivoa.net/std/VOSpace/v2.0#nodes"
            return httpx.Response(200, text=f'<c><capability standardID="{standard}"/></c>')
        if service not in {"files", "nodes"}:
            return httpx.Response(404, text="<html>Not Found</html>", headers={"Content-Type": "text/html"})
        name = f"_{service}_{request.method.lower()}"
        response: httpx.Response = getattr(self, name)(request, path)
        return response

    # files --------------------------------------------------------------------------------------------------

    def _files_get(self, _request: httpx.Request, path: str) -> httpx.Response:
        path = self.links.get(path, path)
        if path in self.folders:
            return text(400, "GET for directories not supported")
        if path not in self.files:
            return text(404, f"not found: {path}")
        file = self.files[path]
        # A stream, as what arrives over a connection: httpx has read any other content already.
        stream = httpx.ByteStream(file.data)
        return httpx.Response(200 if file.data else 204, headers=self._headers(path), stream=stream)

    def _files_head(self, request: httpx.Request, path: str) -> httpx.Response:
        response = self._files_get(request, path)
        if path not in self.files:
            return httpx.Response(response.status_code)
        return httpx.Response(200, headers=self._headers(path))

    def _headers(self, path: str) -> dict[str, str]:
        file = self.files[path]
        headers = {
            "Content-Length": str(len(file.data)),
            "Content-Disposition": f'inline; filename="{path.rpartition("/")[2]}"',
            "Last-Modified": http_date(file.modified),
            "Date": http_date(self.now()),
        }
        if path.endswith(".html"):
            headers["Content-Type"] = "text/html"
        return headers | ({"Digest": file.digest} if file.digest else {})

    def _files_put(self, request: httpx.Request, path: str) -> httpx.Response:
        if self._parent(path) not in self.folders:
            return text(404, "not found: parent container vos://")
        if path in self.folders or path in self.links:
            return text(400, "not a data node")
        self.write(path, b"")
        if "form" in request.headers.get("Content-Type", ""):
            return text(500, "unexpected exception: NullPointerException")
        data = request.content
        if self.quota is not None and len(data) > self.quota:
            return text(413, f"limit: {self.quota}")
        digest = f"md5={base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()}"
        if request.headers["Digest"] != digest:
            return text(412, "checksum mismatch")
        self.files[path] = StoredFile(data, digest, self.now())
        return httpx.Response(201, headers={"Digest": digest})

    # nodes --------------------------------------------------------------------------------------------------

    def _nodes_get(self, request: httpx.Request, path: str) -> httpx.Response:
        if (document := self._document(path, with_children=request.url.params.get("limit") != "0")) is None:
            return text(404, f"NodeNotFound: {AUTHORITY}{path}")
        return httpx.Response(200, text=document, headers={"Content-Type": "text/xml"})

    def _document(self, path: str, *, with_children: bool = False) -> str | None:
        kind, inner = "DataNode", ""
        properties = {
            "quota": self.quota if path == "/home/jdoe" else None,
            "date": "2026-11-25T10:00:00.000",
        }
        if path in self.folders:
            every = sorted({*self.folders, *self.files, *self.links} - {"/"})
            children = [one for one in every if self._parent(one) == path] if with_children else []
            kind = "ContainerNode"
            inner = f"<vos:nodes>{''.join(self._document(one) or '' for one in children)}</vos:nodes>"
        elif path in self.links:
            kind, inner = "LinkNode", f"<vos:target>{AUTHORITY}{self.links[path]}</vos:target>"
        elif path in self.files:
            properties["length"] = len(self.files[path].data)
        else:
            return None
        listed = "".join(
            f'<vos:property uri="ivo://ivoa.net/vospace/core#{name}">{value}</vos:property>'
            for name, value in properties.items()
            if value is not None
        )
        uri = quoteattr(f"{AUTHORITY}{path}".rstrip("/"))
        return (
            f'<vos:node {_XMLNS} xsi:type="vos:{kind}" uri={uri}>'
            f"<vos:properties>{listed}</vos:properties>{inner}</vos:node>"
        )

    def _nodes_put(self, request: httpx.Request, path: str) -> httpx.Response:
        if f'uri="{AUTHORITY}{path}"' not in request.content.decode():
            return text(400, "InvalidURI: mismatch")
        if path in self.folders or path in self.files:
            return text(409, f"DuplicateNode: {AUTHORITY}{path}")
        if self._parent(path) not in self.folders:
            return text(404, f"ContainerNotFound: {AUTHORITY}{path}")
        self.folders.add(path)
        return httpx.Response(201)

    def _nodes_delete(self, _request: httpx.Request, path: str) -> httpx.Response:
        if self.links.pop(path, None) or self.files.pop(path, None):
            return httpx.Response(200)
        if path not in self.folders:
            return text(404, f"NodeNotFound: Target {path}")
        if any(self._parent(one) == path for one in {*self.folders, *self.files} - {path}):
            return text(400, f"container node '{path}' is not empty")
        self.folders.remove(path)
        return httpx.Response(200)

    @staticmethod
    def _parent(path: str) -> str:
        return path.rpartition("/")[0] or "/"

    def _transfer(self, request: httpx.Request, rest: str) -> httpx.Response:
        if not rest:
            document = request.content.decode()
            source, target = (
                re.findall(f"<vos:{tag}>{AUTHORITY}(.*?)</vos:{tag}>", document)[0]
                for tag in ("target", "direction")
            )
            self.jobs.append((source, target, "PENDING"))
            return httpx.Response(303, headers={"Location": f"{URL}/transfers/{len(self.jobs) - 1}"})
        number, _, action = rest.partition("/")
        source, target, phase = self.jobs[int(number)]
        if action == "phase":
            if target in self.folders:  # The server moves it into that folder.
                target = f"{target}/{source.rpartition('/')[2]}"
            self.jobs[int(number)] = (source, target, self._move(source, target))
            return httpx.Response(303, headers={"Location": f"{URL}/transfers/{number}"})
        summary = "<uws:errorSummary><uws:message>DuplicateNode</uws:message></uws:errorSummary>"
        return httpx.Response(
            200,
            text=f'<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"><uws:phase>{phase}</uws:phase>'
            f"{summary if phase == 'ERROR' else ''}<uws:results><uws:result "
            f'xmlns:xlink="http://www.w3.org/1999/xlink" id="destination" xlink:href="{AUTHORITY}{target}"/>'
            "</uws:results></uws:job>",
        )

    def _move(self, source: str, target: str) -> str:
        if target in self.files or target in self.folders:
            return "ERROR"
        if source in self.files:
            self.files[target] = self.files.pop(source)
        else:
            self.folders = {re.sub(f"^{source}(?=/|$)", target, one) for one in self.folders}
            self.files = {re.sub(f"^{source}(?=/)", target, one): file for one, file in self.files.items()}
        return "COMPLETED"


def http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)


def text(status: int, words: str) -> httpx.Response:
    return httpx.Response(status, text=words, headers={"Content-Type": "text/plain"})


# What goes wrong -------------------------------------------------------------------------------------------


def lost_before(request: httpx.Request, _serve: Callable[[], httpx.Response]) -> httpx.Response:
    """Drop the connection before the server acts."""
    raise httpx.ReadError("connection reset", request=request)


def lost_after(request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
    """Drop the connection after the server has acted."""
    serve()
    raise httpx.ReadError("connection reset", request=request)


def responds(status: int, words: str = "", **headers: str) -> Fault:
    """Respond without acting."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request, _serve: httpx.Response(status, text=words, headers=named)
