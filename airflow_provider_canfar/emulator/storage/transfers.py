"""Transfer documents (*TransferReader*, *TransferWriter*)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from airflow_provider_canfar.emulator.api.http_errors import bad_request
from airflow_provider_canfar.emulator.storage.node_xml import VOS, document, parse

PULL, PUSH = "pullFromVoSpace", "pushToVoSpace"


@dataclass(frozen=True)
class Protocol:
    """A way to transfer bytes.

    :param uri: the protocol.
    :param security_method: how to authenticate; None for without.
    :param endpoint: the address; None in a request.
    """

    uri: str
    security_method: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True)
class Transfer:
    """What a client wants transferred, as it says so.

    :param target: the node.
    :param direction: :data:`PULL` or :data:`PUSH`, or for a move the URI of its destination.
    :param protocols: the ways that the client knows.
    :param keep_bytes: whether the node is copied rather than moved.
    """

    target: str
    direction: str
    protocols: tuple[Protocol, ...]
    keep_bytes: bool = False


def read_transfer(body: bytes) -> Transfer:
    """Return the transfer that a document describes (*TransferReader*).

    :raises HttpError: 400 for another document.
    """
    root = parse(body)
    targets = [element.text or "" for element in root.iterfind(f"{{{VOS}}}target")]
    direction = root.findtext(f"{{{VOS}}}direction")
    if root.tag != f"{{{VOS}}}transfer" or len(targets) != 1 or not direction:
        raise bad_request("Invalid input: a transfer needs one target and a direction")
    protocols = []
    for element in root.iterfind(f"{{{VOS}}}protocol"):
        method = element.find(f"{{{VOS}}}securityMethod")
        protocols.append(Protocol(element.get("uri", ""), None if method is None else method.get("uri")))
    keep_bytes = (root.findtext(f"{{{VOS}}}keepBytes") or "true").strip() == "true"
    return Transfer(targets[0].strip(), direction.strip(), tuple(protocols), keep_bytes)


def transfer_document(transfer: Transfer, protocols: list[Protocol]) -> str:
    """Return the document that answers a transfer (*TransferWriter*).

    :param protocols: ways to transfer the bytes; none after an error.
    """
    root = ET.Element(f"{{{VOS}}}transfer", {"version": "2.1"})
    ET.SubElement(root, f"{{{VOS}}}target").text = transfer.target
    ET.SubElement(root, f"{{{VOS}}}direction").text = transfer.direction
    for protocol in protocols:
        element = ET.SubElement(root, f"{{{VOS}}}protocol", {"uri": protocol.uri})
        ET.SubElement(element, f"{{{VOS}}}endpoint").text = protocol.endpoint
        if protocol.security_method is not None:
            ET.SubElement(element, f"{{{VOS}}}securityMethod", {"uri": protocol.security_method})
    ET.SubElement(root, f"{{{VOS}}}keepBytes").text = str(transfer.keep_bytes).lower()
    return document(root)
