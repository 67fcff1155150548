"""What is known of a task's replicas, in Airflow's database."""

from __future__ import annotations

import json
import random
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.naming import Identity
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.batch_states import fold
from airflow_provider_canfar.task_sessions.folded import UNFOLDED
from airflow_provider_canfar.task_sessions.journal import ENTRY, PAGE_BYTES, Journal
from airflow_provider_canfar.task_sessions.journal_rows import new_rows
from airflow_provider_canfar.task_sessions.packed import pack
from tests.fake_task import FakeStore
from tests.task_sessions.journaled import completed, journal, resumed

IDENTITY = Identity("stars", "k3v5x2qamd", 0)
#: A replica, and one of the sessions that may stand for it.
SESSIONS = st.tuples(st.integers(1, 4), st.sampled_from("ab"))
IDS = SESSIONS.map(lambda one: f"id{one[0]}{one[1]}")

LAUNCHES = st.tuples(SESSIONS, st.booleans()).map(
    lambda one: (
        lambda batch: batch.assign(
            {
                one[0][0]: AssignedSession(
                    f"id{one[0][0]}{one[0][1]}", batch.name(one[0][0]), 1.5, has_started=one[1]
                )
            }
        )
    )
)
OUTCOMES = st.builds(
    lambda session, **others: Outcome(replica=session[0], session_id=f"id{session[0]}{session[1]}", **others),
    session=SESSIONS,
    name=st.sampled_from(["stars-k3v5x2qamd-0-1-1", "stars-k3v5x2qamd-0-2-1"]),
    status=st.sampled_from(["Completed", "Failed", "Gone"]),
    succeeded=st.booleans(),
    try_number=st.just(2),
    started=st.none() | st.just("2026-03-04T18:22:10+00:00"),
    result=st.none() | st.text(max_size=3),
    reason=st.none() | st.text(max_size=3),
    retryable=st.booleans(),
).map(lambda one: lambda batch: batch.record([one]))
ENDS = IDS.map(lambda one: lambda batch: batch.with_observations({one: "Failed"}, ()))
GONE = IDS.map(lambda one: lambda batch: batch.with_observations({}, [one]))
DISCARDS = IDS.map(lambda one: lambda batch: replace(batch, discarded=(*batch.discarded, one)))


def unsettled_only(batch: Batch) -> Batch:
    """Leave out what says nothing about a session whose outcome is known."""
    settled = {one.session_id for one in batch.outcomes.values()}
    return replace(
        batch,
        ended={one: word for one, word in batch.ended.items() if one not in settled},
        gone=tuple(one for one in batch.gone if one not in settled),
        discarded=tuple(dict.fromkeys(batch.discarded)),
    )


PHASE = st.lists(LAUNCHES | OUTCOMES | ENDS | GONE | DISCARDS, max_size=4)
PHASES = st.lists(PHASE, max_size=5)


@given(phases=PHASES)
def test_every_phase_knows_what_those_before_have_learnt(phases: list[list[Any]]) -> None:
    store, batch = FakeStore(), Batch(IDENTITY, 2, 4)
    journal(store).begin(batch)
    for phase in phases:
        kept = journal(store)
        known = kept.resume(Batch.from_json(batch.to_json()))
        assert unsettled_only(replace(known, gone=tuple(sorted(known.gone)))) == unsettled_only(batch)
        for learns in phase:
            batch = learns(batch)
        kept.record(batch)


def of_unsettled(batch: Batch) -> Batch:
    """Fold a batch, and put its ids in order."""
    folded = fold(batch)
    return replace(
        folded, gone=tuple(sorted(folded.gone)), discarded=tuple(dict.fromkeys(sorted(folded.discarded)))
    )


def seen(batch: Batch) -> set[str]:
    """Return the sessions whose end or disappearance has been seen."""
    return {*batch.ended, *batch.gone}


def ids(batch: Batch) -> set[str]:
    """Return the sessions that have been launched."""
    return {one.session_id for one in batch.launched.values()}


@given(phases=st.lists(st.tuples(PHASE, st.booleans()), max_size=5), page_bytes=st.sampled_from([1, 40, 200]))
def test_from_pages_a_phase_knows_the_unsettled_and_all_when_it_asks(
    phases: list[tuple[list[Any], bool]], page_bytes: int
) -> None:
    store, batch = FakeStore(), Batch(IDENTITY, 2, 4)
    kept, known = journal(store, page_bytes), batch
    kept.begin(batch)
    for phase, waits_in_worker in phases:
        if waits_in_worker:
            known = kept.fold(known)
        else:
            kept = journal(store, page_bytes)
            known = kept.resume(Batch.from_json(batch.to_json()))
        if known.folded != UNFOLDED:
            assert known.outcomes == {}
        assert of_unsettled(known) == of_unsettled(batch)
        for learns in phase:
            settled = known
            known = learns(known)
            is_left_alone = any(
                settled.is_settled(one) for one in known.outcomes.keys() | known.launched.keys()
            )
            if is_left_alone or not seen(known) - seen(settled) <= ids(settled):
                # A settled replica is left alone for the rest of its try, and only a known session is seen.
                known = settled
            else:
                batch = learns(batch)
        kept.record(known)
        whole = kept.complete(known)
        assert whole.outcomes == batch.outcomes
        assert whole.launched == batch.launched


# --- ten thousand replicas

MANY = 10_000


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - no secret's randomness


def session_id(one_dice: random.Random) -> str:
    return "".join(one_dice.choices(string.ascii_lowercase + string.digits, k=8))


def launch(batch: Batch, replicas: range, one_dice: random.Random) -> Batch:
    return batch.assign(
        {one: AssignedSession(session_id(one_dice), batch.name(one), 1.8e9 + one // 8) for one in replicas}
    )


def end(batch: Batch, replicas: range) -> Batch:
    return batch.record(
        Outcome(
            replica=one,
            session_id=batch.launched[one].session_id,
            name=batch.launched[one].name,
            status="Completed",
            succeeded=True,
            try_number=batch.try_number,
            started=f"2026-11-26T{one % 24:02d}:{one % 60:02d}:{one % 59:02d}+00:00",
        )
        for one in replicas
    )


def done(count: int) -> tuple[Batch, FakeStore]:
    """Return a task of which so many replicas have ended, as its phases have written it."""
    one_dice, store, batch = dice(count), FakeStore(), Batch(IDENTITY, 1, MANY)
    kept = journal(store)
    kept.begin(batch)
    for first in range(1, count + 1, 100):
        batch = end(launch(batch, range(first, first + 100), one_dice), range(first, first + 100))
        kept.record(batch)
    return batch, store


def written_in(store: FakeStore, kept: Journal, batch: Batch) -> list[str]:
    """Record, and return the keys that were written."""
    before = dict(store.rows)
    kept.record(batch)
    return [key for key, text in store.rows.items() if before.get(key) != text]


@pytest.mark.parametrize("count", [0, 5_000, 9_900])
def test_a_phase_writes_what_is_new_whatever_is_done(count: int) -> None:
    batch, store = done(count)
    kept = journal(store)
    batch = kept.resume(batch)
    more = launch(batch, range(count + 1, count + 51), dice(1))
    assert ENTRY in (written := written_in(store, kept, more))
    assert len(written) <= 2
    assert sum(len(store.rows[key]) for key in written) < 3 * PAGE_BYTES


def test_a_page_is_written_once_and_fits_into_any_column() -> None:
    _, store = done(5_000)
    pages = {key: text for key, text in store.rows.items() if key != ENTRY}
    assert len(pages) > 5
    assert all(PAGE_BYTES <= len(text) < 50_000 for text in store.rows.values() if text in pages.values())
    kept = journal(store)
    batch = kept.resume(Batch(IDENTITY, 1, MANY))
    kept.record(end(launch(batch, range(5_001, 10_001), dice(2)), range(5_001, 10_001)))
    assert {key: store.rows[key] for key in pages} == pages
    assert max(map(len, store.rows.values())) < 60_000


def test_what_could_not_be_written_is_written_with_the_next() -> None:
    class FullDisk(FakeStore):
        is_full = False

        def set(self, key: str, value: Any) -> None:
            if self.is_full and key == ENTRY:
                raise OSError(28, "No space left on device")
            super().set(key, value)

    store, batch = FullDisk(), Batch(IDENTITY, 1, MANY)
    kept = journal(store)
    kept.begin(batch)
    batch = end(launch(batch, range(1, 2_001), dice(3)), range(1, 2_001))
    store.is_full = True
    with pytest.raises(OSError, match="No space"):
        kept.record(batch)
    store.is_full = False
    kept.record(batch)
    assert completed(batch, store) == batch


def test_a_page_that_somebody_has_deleted_is_missed_and_the_others_count() -> None:
    batch, store = done(2_000)
    del store.rows[f"{ENTRY}_1"]
    lines: list[str] = []
    kept = Journal(store, ENTRY, lines.append)
    known = kept.resume(Batch.from_json(batch.to_json()))
    assert known.succeeded_count == 2_000
    assert lines == []
    known = kept.complete(known)
    assert 0 < known.succeeded_count < 2_000
    assert lines == ["The outcomes in canfar_task_1 are lost: somebody has deleted it."]


class ReadsCounted(FakeStore):
    """Remembers what has been read."""

    def __init__(self, rows: dict[str, str]) -> None:
        super().__init__()
        self.rows = rows
        self.read: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        self.read.append(key)
        return super().get(key, default)


def test_a_phase_reads_a_page_only_for_sessions_that_have_not_ended() -> None:
    batch, store = done(5_000)
    counted = ReadsCounted(store.rows)
    assert resumed(batch, counted).launched == {}
    assert counted.read == [ENTRY]
    kept = journal(store)
    batch = launch(kept.resume(batch), range(5_001, 6_001), dice(1))
    kept.record(batch)
    counted.read = []
    assert resumed(batch, counted).launched == batch.launched
    assert 1 < len(counted.read) < 5


def test_a_journal_without_the_letters_is_read_whole_and_gets_them() -> None:
    """As it was written before there were any."""
    batch, store = done(2_000)
    head = json.loads(store.rows[ENTRY])
    del head["folded"]
    store.set(ENTRY, head)
    kept = journal(store)
    assert kept.resume(Batch.from_json(batch.to_json())) == batch
    more = launch(batch, range(2_001, 2_011), dice(1))
    kept.record(more)
    assert resumed(more, store) == fold(more)


def test_an_outcome_counts_though_the_page_with_its_launch_is_lost() -> None:
    store, batch = FakeStore(), launch(Batch(IDENTITY, 1, 1), range(1, 2), dice(4))
    rows = [row for row in new_rows(Batch(IDENTITY, 1, 1), end(batch, range(1, 2))) if row[0] == "outcome"]
    store.set(ENTRY, {"key": IDENTITY.key, "epoch": 0, "replicas": 1, "pages": 0, "rows": pack(rows)})
    assert resumed(batch, store).outcomes[1].succeeded


def test_a_try_of_which_nothing_is_to_count_begins_anew() -> None:
    _, store = done(2_000)
    now = Batch(IDENTITY, 2, MANY)
    journal(store).begin(now)
    assert resumed(now, store) == now
    state = journal(store).saved
    assert state is not None
    assert state.successes == {}


def test_a_failure_of_an_earlier_try_and_its_launches_are_not_this_one_s() -> None:
    batch, store = done(100)
    failed = replace(batch.outcomes[1], status="Failed", succeeded=False)
    kept = journal(store)
    kept.resume(batch)
    kept.record(batch.record([failed]))
    kept = journal(store)
    assert kept.saved is not None
    retry = kept.saved.apply_to(Batch(IDENTITY, 2, MANY), resume=False)
    kept.begin(retry)
    assert sorted(retry.outcomes) == list(range(2, 101))
    assert resumed(retry, store) == retry
