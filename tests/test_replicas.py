"""Dividing work between replicas."""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar import replicas
from airflow_provider_canfar.replicas import chunk, stripe


@given(count=st.integers(min_value=0, max_value=40), total=st.integers(min_value=1, max_value=12))
def test_all_replicas_together_cover_each_item_once(count: int, total: int) -> None:
    numbers = range(1, total + 1)
    assert [item for n in numbers for item in chunk(range(count), n, total)] == list(range(count))
    assert sorted(item for n in numbers for item in stripe(range(count), n, total)) == list(range(count))


@pytest.mark.parametrize(
    ("count", "shares"),
    [
        (12, [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]),
        (10, [[0, 1], [2, 3], [4, 5], [6, 7, 8, 9]]),
        (4, [[0], [1], [2], [3]]),
        (3, [[0], [1], [2], []]),
        (0, [[], [], [], []]),
    ],
)
def test_chunks_are_contiguous_and_the_last_takes_the_remainder(count: int, shares: list[list[int]]) -> None:
    assert [list(chunk(range(count), n, 4)) for n in (1, 2, 3, 4)] == shares


def test_stripes_are_every_nth_item() -> None:
    assert [list(stripe(range(10), n, 3)) for n in (1, 2, 3)] == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]


def test_a_stripe_of_an_infinite_iterable_is_lazy() -> None:
    assert list(itertools.islice(stripe(itertools.count(), 2, 5), 3)) == [1, 6, 11]


def test_the_environment_gives_the_replica_and_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICA_ID", "2")
    monkeypatch.setenv("REPLICA_COUNT", "3")
    assert list(chunk(range(9))) == [3, 4, 5]
    assert list(stripe(range(9))) == [1, 4, 7]


def test_without_the_variables_one_replica_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLICA_ID", raising=False)
    monkeypatch.delenv("REPLICA_COUNT", raising=False)
    assert list(chunk("abc")) == list(stripe("abc")) == ["a", "b", "c"]


@pytest.mark.parametrize(("replica", "total"), [(0, 3), (4, 3), (-1, 3), (1, 0), (1, -1)])
def test_chunk_rejects_a_bad_replica_in_the_call(replica: int, total: int) -> None:
    """The platform's own function raises only when its result is first iterated."""
    with pytest.raises(
        ValueError, match=f"There is no replica {replica} of {total}: replica numbers run from 1"
    ):
        chunk([], replica, total)


def test_stripe_rejects_a_bad_total_in_the_call() -> None:
    with pytest.raises(ValueError, match="total must be positive"):
        stripe([], 1, 0)


@pytest.mark.parametrize("variable", ["REPLICA_ID", "REPLICA_COUNT"])
@pytest.mark.parametrize("text", ["", "two", "1.0"])
def test_the_error_names_a_variable_that_is_not_a_number(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    for divide in (chunk, stripe):
        with pytest.raises(ValueError, match=f"{variable} is {text!r}; it must be an integer"):
            divide([])


def test_the_file_can_be_copied_into_any_image() -> None:
    """It imports only the standard library."""
    tree = ast.parse(Path(str(replicas.__file__)).read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
        )
    }
    assert imported
    assert imported <= sys.stdlib_module_names


def test_a_replica_s_number_is_importable_and_read_when_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REPLICA_ID", raising=False)
    assert replicas.REPLICA_ID == 1
    monkeypatch.setenv("REPLICA_ID", "3")
    monkeypatch.setenv("REPLICA_COUNT", "4")
    from airflow_provider_canfar.replicas import REPLICA_COUNT, REPLICA_ID

    assert (REPLICA_ID, REPLICA_COUNT) == (3, 4)
    assert f"{REPLICA_ID + 1}" == "4"
    with pytest.raises(AttributeError, match="no attribute 'REPLICA'"):
        replicas.REPLICA  # noqa: B018 - reading it raises
