"""What is known of a task's replicas, in Airflow's database: row by row, each of which is written once.

A task of ten thousand replicas is woken two thousand times. So a deferral carries nothing that grows with
them: each phase appends to this journal what is new, and the next one reads it all. The newest rows are in
the journal's entry itself, which each phase writes. When they are many, they become a page, which is written
no more.

The entry is in Airflow's task state store, which Airflow has since 3.3 and which outlives a retry and a
clear. An older Airflow keeps it among the task's XComs, and clears those when a try begins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.task_sessions.journal_rows import Row, new_rows, replay, successes
from airflow_provider_canfar.task_sessions.packed import pack, unpack
from airflow_provider_canfar.task_sessions.saved_state import SavedState

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch

#: The journal's entry. One per task instance.
ENTRY = "canfar_task"

#: The size of a page, in bytes: some 400 replicas. Airflow's store warns of values above 64 kB.
PAGE_BYTES = 12_000

#: After this many bytes of rows, in JSON, the size of the page that they make is looked at.
CHECK_EVERY = 24_000


class Store(Protocol):
    """Keeps JSON values by key, as Airflow's task state store does."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of an entry."""

    def set(self, key: str, value: Any) -> None:
        """Write the value of an entry."""


class Journal:
    """The journal of one task instance.

    :param store: where it is kept; None to keep nothing.
    :param entry: its entry there. Pages have a number behind that.
    :param emit: writes one line to the task's log.
    """

    def __init__(self, store: Store | None, entry: str, emit: Callable[[str], None]) -> None:
        self._store = store
        self._entry = entry
        self._emit = emit
        self._pages = 0
        #: Rows that are in no page yet.
        self._newest: list[Row] = []
        self._written: Batch | None = None
        self._rows: list[Row] = []
        self._head = self._load()

    @cached_property
    def saved(self) -> SavedState | None:
        """What earlier tries have saved, in whatever epoch; None where they have saved nothing."""
        head = self._head
        if head is None:
            return None
        return SavedState(
            head["key"],
            head["epoch"],
            head["replicas"],
            successes(self._rows),
            head.get("first_try", 0),
            head.get("result_key", ""),
        )

    def _load(self) -> Mapping[str, Any] | None:
        """Read the rows, and return what the entry says besides."""
        data = self._store.get(self._entry) if self._store is not None else None
        if not isinstance(data, Mapping):
            return None
        self._pages = data.get("pages", 0)
        for number in range(1, self._pages + 1):
            page = self._store.get(self._page(number)) if self._store is not None else None
            if isinstance(page, str):
                self._rows += unpack(page)
            else:
                self._emit(
                    WarningLine(f"The outcomes in {self._page(number)} are lost: somebody has deleted it.")
                )
        if "rows" in data:
            self._newest = unpack(data["rows"])
        else:
            # Version 0.1 saved successes only, in columns.
            self._newest = [["outcome", *row] for row in data.get("successes", ())]
        self._rows += self._newest
        return data

    def begin(self, batch: Batch) -> None:
        """Begin a try, before it launches anything: the next one finds what it has launched.

        :param batch: what is known of the replicas. Without any outcome to keep, the journal starts over.
        """
        pages, newest = (self._pages, self._newest) if batch.outcomes else (0, [])
        self._write(batch, pages, newest)
        self._written = batch

    def resume(self, batch: Batch) -> Batch:
        """Return what is known of a try that goes on after a wait.

        :param batch: what the deferral has carried of it.
        """
        head, identity = self._head, batch.identity
        is_its = head is not None and (head["epoch"], head["replicas"]) == (identity.epoch, batch.replicas)
        rows = self._rows if is_its else []
        self._written = replay(_bare(batch), rows)
        # Version 0.1 has carried more than what its entry says.
        return self._written if batch == _bare(batch) else replay(batch, rows)

    def record(self, batch: Batch) -> None:
        """Write what has become known since the last time; repeated after an error, it writes the same."""
        rows = new_rows(self._written or _bare(batch), batch)
        if rows:
            full, newest = _pages([*self._newest, *rows])
            for number, page in enumerate(full, self._pages + 1):
                self._set(self._page(number), page)
            self._write(batch, self._pages + len(full), newest)
        self._written = batch

    def _write(self, batch: Batch, pages: int, newest: list[Row]) -> None:
        identity = batch.identity
        head = {
            "key": identity.key,
            "epoch": identity.epoch,
            "replicas": batch.replicas,
            "first_try": batch.first_try,
            "result_key": identity.result_key,
        }
        self._set(self._entry, head | {"pages": pages, "rows": pack(newest)})
        self._pages, self._newest = pages, newest

    def _set(self, key: str, value: Any) -> None:
        if self._store is not None:
            self._store.set(key, value)

    def _page(self, number: int) -> str:
        return f"{self._entry}_{number}"


def _bare(batch: Batch) -> Batch:
    return replace(batch, launched={}, outcomes={}, ended={}, gone=(), discarded=())


def _pages(rows: Iterable[Row]) -> tuple[list[str], list[Row]]:
    """Return the pages that rows fill, and the rows that fill none."""
    pages: list[str] = []
    newest: list[Row] = []
    unchecked = 0
    for row in rows:
        newest.append(row)
        unchecked += len(json.dumps(row))
        if unchecked >= CHECK_EVERY:
            unchecked = 0
            if len(page := pack(newest)) >= PAGE_BYTES:
                pages.append(page)
                newest = []
    return pages, newest
