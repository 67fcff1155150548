"""What is known of a task's replicas, in Airflow's database: row by row, each of which is written once.

A task of ten thousand replicas is woken two thousand times. So a deferral carries nothing that grows with
them: each phase appends to this journal what is new. The newest rows are in the journal's entry itself, which
each phase writes. When they are many, they become a page, which is written no more. Then the entry also has a
letter for each settled replica (``folded.py``), and a page with nothing else is read only once more: when all
is to be known, at the end.

The entry is in Airflow's task state store, which Airflow has since 3.3 and which outlives a retry and a
clear. An older Airflow keeps it among the task's XComs, and clears those when a try begins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_canfar.skaha.log_line import WarningLine
from airflow_provider_canfar.task_sessions.batch_states import fold
from airflow_provider_canfar.task_sessions.folded import UNFOLDED, Folded
from airflow_provider_canfar.task_sessions.journal_rows import Row, needed, new_rows, replay, successes
from airflow_provider_canfar.task_sessions.packed import pack, unpack
from airflow_provider_canfar.task_sessions.saved_state import SavedState

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.batch import Batch

#: The journal's entry. One per task instance.
ENTRY = "canfar_task"

#: The size of a page, in bytes: some 400 replicas. Airflow's store warns of values above 64 kB.
PAGE_BYTES = 12_000


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
    :param page_bytes: the size of a page.
    """

    def __init__(
        self,
        store: Store | None,
        entry: str,
        emit: Callable[[str], None],
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        self._store = store
        self._page_bytes = page_bytes
        self._entry = entry
        self._emit = emit
        data = store.get(entry) if store is not None else None
        self._head: Mapping[str, Any] | None = data if isinstance(data, Mapping) else None
        self._pages = 0
        #: Rows that are in no page yet, and how long they are when packed.
        self._newest: list[Row] = []
        self._newest_bytes = 0
        if self._head is not None:
            packed = self._head["rows"]
            self._pages, self._newest, self._newest_bytes = self._head["pages"], unpack(packed), len(packed)
        #: Rows of the pages that are not about settled replicas only, by number.
        self._open: dict[int, list[Row]] = {}
        self._written: Batch | None = None

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
            successes(_rows(self._read(range(1, self._pages + 1)), self._newest)),
            head["first_try"],
            head["result_key"],
        )

    def _read(self, numbers: Iterable[int]) -> dict[int, list[Row]]:
        """Read pages, by number."""
        pages = {}
        for number in numbers:
            page = self._store.get(self._page(number)) if self._store is not None else None
            if isinstance(page, str):
                pages[number] = unpack(page)
            else:
                line = f"The outcomes in {self._page(number)} are lost: somebody has deleted it."
                self._emit(WarningLine(line))
        return pages

    def begin(self, batch: Batch) -> None:
        """Begin a try, before it launches anything: the next one finds what it has launched.

        :param batch: what is known of the replicas. Without any outcome to keep, the journal starts over.
        """
        pages, newest = (self._pages, self._newest) if batch.outcomes else (0, [])
        self._write(batch, pages, newest, {})
        self._written = batch

    def resume(self, batch: Batch) -> Batch:
        """Return what a try that goes on after a wait has to know; of settled replicas, a letter each.

        :param batch: what the deferral has carried of it.
        """
        head, identity = self._head, batch.identity
        if head is None or (head["epoch"], head["replicas"]) != (identity.epoch, batch.replicas):
            self._written = _bare(batch)
            return batch
        folded = head.get("folded")
        if folded is not None and folded["try_number"] == batch.try_number:
            batch = replace(_bare(batch), folded=Folded.from_json(folded))
            self._open = self._read(folded["open"])
            rows = [row for row in _rows(self._open, self._newest) if row[0] != "outcome"]
            self._written = replace(fold(replay(batch, rows)), folded=batch.folded)
            return self._written
        self._open = self._read(range(1, self._pages + 1))
        self._written = replay(_bare(batch), _rows(self._open, self._newest))
        return self._written

    def fold(self, batch: Batch) -> Batch:
        """Return what a try that goes on in the same process has to know, as :meth:`resume` in another.

        :param batch: what has been recorded.
        """
        if self._store is None or not self._pages:
            return batch
        self._written = fold(batch)
        return self._written

    def complete(self, batch: Batch) -> Batch:
        """Return all that is known of a try, and not only what :meth:`resume` has returned.

        A settled replica whose page somebody has deleted is settled no more.

        :param batch: what the phase knows by now.
        """
        if not batch.folded.states:
            return batch
        rows = _rows(self._read(range(1, self._pages + 1)), self._newest)
        written = self._written = replay(_bare(batch), rows)
        return replace(
            written,
            launched={**written.launched, **batch.launched},
            outcomes={**written.outcomes, **batch.outcomes},
            ended={**written.ended, **batch.ended},
            gone=tuple(dict.fromkeys((*written.gone, *batch.gone))),
            discarded=tuple(dict.fromkeys((*written.discarded, *batch.discarded))),
        )

    def record(self, batch: Batch) -> None:
        """Write what has become known since the last time; repeated after an error, it writes the same."""
        rows = new_rows(self._written or _bare(batch), batch)
        if rows:
            full, newest = self._fill_pages(rows)
            pages = dict(enumerate(full, self._pages + 1))
            for number, (_, packed) in pages.items():
                self._set(self._page(number), packed)
            still_open = self._open | {number: page for number, (page, _) in pages.items()}
            self._write(batch, self._pages + len(full), newest, still_open)
        self._written = batch

    def _fill_pages(self, rows: Iterable[Row]) -> tuple[list[tuple[list[Row], str]], list[Row]]:
        """Return the pages that the newest rows and these fill, as they are and packed, and the rest."""
        pages: list[tuple[list[Row], str]] = []
        # Packing takes its time, and makes rows half as long at least.
        newest, length = [*self._newest], 2 * self._newest_bytes
        for row in rows:
            newest.append(row)
            length += len(json.dumps(row))
            if length >= 2 * self._page_bytes:
                length = 0
                if len(packed := pack(newest)) >= self._page_bytes:
                    pages.append((newest, packed))
                    newest = []
        return pages, newest

    def _write(self, batch: Batch, pages: int, newest: list[Row], still_open: dict[int, list[Row]]) -> None:
        identity = batch.identity
        head = {
            "key": identity.key,
            "epoch": identity.epoch,
            "replicas": batch.replicas,
            "first_try": batch.first_try,
            "result_key": identity.result_key,
            "pages": pages,
            "rows": (packed := pack(newest)),
        }
        still_open = {number: rows for number, page in still_open.items() if (rows := needed(batch, page))}
        if pages:
            folded = fold(batch).folded.to_json()
            head["folded"] = folded | {"try_number": batch.try_number, "open": [*still_open]}
        self._set(self._entry, head)
        self._pages, self._open = pages, still_open
        self._newest, self._newest_bytes = newest, len(packed)

    def _set(self, key: str, value: Any) -> None:
        if self._store is not None:
            self._store.set(key, value)

    def _page(self, number: int) -> str:
        return f"{self._entry}_{number}"


def _bare(batch: Batch) -> Batch:
    return replace(batch, launched={}, outcomes={}, ended={}, gone=(), discarded=(), folded=UNFOLDED)


def _rows(pages: Mapping[int, list[Row]], newest: list[Row]) -> list[Row]:
    return [*chain.from_iterable(pages.values()), *newest]
