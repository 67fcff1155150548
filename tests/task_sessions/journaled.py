"""Batches as Airflow's database keeps them: in a journal."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_canfar.task_sessions.batch import Batch
from airflow_provider_canfar.task_sessions.journal import ENTRY, PAGE_BYTES, Journal, Store
from tests.fake_task import FakeStore

if TYPE_CHECKING:
    from airflow_provider_canfar.task_sessions.saved_state import SavedState


def journal(store: Store | None, page_bytes: int = PAGE_BYTES) -> Journal:
    """Return a task's journal as a new process reads it."""
    return Journal(store, ENTRY, lambda line: None, page_bytes)


def resumed(batch: Batch, store: Store) -> Batch:
    """Return what a phase knows that resumes the task of this batch."""
    return journal(store).resume(Batch.from_json(json.loads(json.dumps(batch.to_json()))))


def completed(batch: Batch, store: Store) -> Batch:
    """Return all that is known of the task of this batch."""
    return journal(store).complete(resumed(batch, store))


def over_a_deferral(batch: Batch) -> Batch:
    """Return a batch as the next phase knows it."""
    store = FakeStore()
    one = journal(store)
    one.begin(replace(batch, launched={}, outcomes={}, ended={}, gone=(), discarded=()))
    one.record(batch)
    return resumed(batch, store)


def saved(batch: Batch) -> SavedState:
    """Return what a batch leaves to later tries."""
    store = FakeStore()
    one = journal(store)
    one.begin(replace(batch, outcomes={}))
    one.record(batch)
    state = journal(store).saved
    assert state is not None
    return state
