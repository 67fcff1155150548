"""Paths in the storage: their spellings, and the names that the server would cut or refuse."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.storage import names

SAFE = st.text(
    st.characters(exclude_categories=["Z", "C"], exclude_characters='/#?%[]{}<>|\\^"`'),
    min_size=1,
    max_size=60,
).filter(lambda name: name not in {".", ".."})


@pytest.mark.parametrize(
    "spelling",
    [
        "arc://canfar_default@home/jdoe/x",
        "arc://canfar_default@/home/jdoe/x",
        "arc://home/jdoe/x",
        "arc:///home/jdoe/x",
        "arc:home/jdoe/x",
        "arc:/home/jdoe/x/",
        "/home/jdoe/x",
        "home/jdoe/x/",
    ],
)
def test_all_spellings_are_one_path(spelling: str) -> None:
    assert names.node_path(spelling) == "/home/jdoe/x"


@given(st.lists(SAFE, min_size=1, max_size=5))
def test_a_safe_name_arrives_as_it_is(parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert names.check_path(path) == path
    assert unquote(names.url_path(path)) == path[1:]
    assert names.url_path(path).isascii()


@pytest.mark.parametrize("character", '#?%[]{}<>|\\^"` \t\n\x7f\u00a0\u2003\u2028\ud800\uffff')
def test_a_name_that_the_server_would_cut_or_refuse_is_refused(character: str) -> None:
    with pytest.raises(SpecError, match=r"Invalid path .*Choose another name"):
        names.check_path(f"/home/jdoe/a{character}b")


@pytest.mark.parametrize("path", ["/home//x", "/home/../x", "/home/./x", "/home/x/.."])
def test_a_path_that_the_server_would_resolve_otherwise_is_refused(path: str) -> None:
    with pytest.raises(SpecError, match="must not contain the name"):
        names.check_path(path)


def test_a_name_that_no_file_system_can_store_is_refused() -> None:
    names.check_path("/home/" + "é" * 127)
    with pytest.raises(SpecError, match="255 bytes"):
        names.check_path("/home/" + "é" * 128)
