"""The XML documents of VOSpace."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.storage import documents
from airflow_provider_canfar.skaha.storage.documents import Type

LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<vos:node xmlns:vos="http://www.ivoa.net/xml/VOSpace/v2.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    uri="vos://cadc.nrc.ca~arc/home/jdoe" xsi:type="vos:ContainerNode">
  <vos:properties>
    <vos:property uri="ivo://ivoa.net/vospace/core#quota" readOnly="true">200000000000</vos:property>
    <vos:property uri="ivo://ivoa.net/vospace/core#length" readOnly="true">1234</vos:property>
    <vos:property uri="ivo://cadc.nrc.ca/vospace/core#writable">false</vos:property>
  </vos:properties>
  <vos:nodes>
    <vos:node uri="vos://cadc.nrc.ca~arc/home/jdoe/a%20b#c" xsi:type="vos:DataNode" busy="false">
      <vos:properties>
        <vos:property uri="ivo://ivoa.net/vospace/core#length">12</vos:property>
        <vos:property uri="ivo://ivoa.net/vospace/core#date">2026-11-25T10:00:00.123</vos:property>
        <vos:property uri="ivo://ivoa.net/vospace/core#description" xsi:nil="true"/>
      </vos:properties>
    </vos:node>
    <vos:node uri="vos://cadc.nrc.ca~arc/home/jdoe/in" xsi:type="vos:LinkNode">
      <vos:target>vos://cadc.nrc.ca!arc/projects/m13</vos:target>
    </vos:node>
    <vos:node uri="vos://cadc.nrc.ca~arc/home/jdoe/out" xsi:type="vos:LinkNode">
      <vos:target>file:///arc/projects/m13</vos:target>
    </vos:node>
  </vos:nodes>
</vos:node>
"""


def test_a_folder_and_what_is_in_it_are_read() -> None:
    folder, (file, link, dangling) = documents.node(LISTING)
    assert (folder.path, folder.type, folder.size, folder.quota) == (
        "/home/jdoe",
        Type.FOLDER,
        1234,
        200_000_000_000,
    )
    assert not folder.is_writable
    assert (file.path, file.type, file.size) == ("/home/jdoe/a b#c", Type.FILE, 12)
    assert file.modified == datetime(2026, 11, 25, 10, 0, 0, 123000, UTC)
    assert file.is_writable
    assert (link.type, link.target) == (Type.LINK, "/projects/m13")
    assert dangling.target is None


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<vos:node xmlns:vos="http://www.ivoa.net/xml/VOSpace/v2.0">&b;</vos:node>"""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BOMB.encode(), "DOCTYPE"),
        (BOMB.encode("utf-16"), "utf-8"),
        (b"<html><body>maintenance</body></html>", "it is a html"),
        (b"not XML", "syntax error"),
        (b"", "no element"),
        (LISTING.replace(b"DataNode", b"OddNode"), "OddNode"),
        (LISTING.replace(b"vos://cadc.nrc.ca~arc/home/jdoe/in", b"elsewhere"), "without an address"),
    ],
)
def test_what_is_no_node_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        documents.node(body)


@given(st.binary(max_size=200))
def test_whatever_a_server_sends_is_read_or_refused(body: bytes) -> None:
    for parse in (documents.node, documents.job, documents.is_storage):
        with pytest.raises(ValueError):  # noqa: PT011 (the message is the parser's)
            parse(body)


@given(st.text(st.characters(exclude_categories=["C"]), max_size=40))
def test_a_name_is_the_same_in_a_document(name: str) -> None:
    uri = f"vos://cadc.nrc.ca~arc/home/{name}"
    assert documents.parse(documents.container(uri)).get("uri") == uri
    moved = documents.parse(documents.move(uri, f"{uri}2"))
    assert [child.text for child in moved] == [uri, f"{uri}2", "false"]
