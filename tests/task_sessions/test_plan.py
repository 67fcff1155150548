"""The plan: what to do now, given what is wanted, seen and known."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.models import Session, Status
from airflow_provider_canfar.skaha.naming import Identity, SessionName
from airflow_provider_canfar.skaha.statuses import GONE, NEVER_STARTED
from airflow_provider_canfar.task_sessions.batch import AssignedSession, Batch, Outcome
from airflow_provider_canfar.task_sessions.batch_states import fold, states_of
from airflow_provider_canfar.task_sessions.limits import Limits
from airflow_provider_canfar.task_sessions.plan import ListedSession, Plan, Verdict, own_sessions, plan
from airflow_provider_canfar.task_sessions.start_problem import StartFailure
from tests.task_sessions.journaled import over_a_deferral

IDENTITY = Identity("stars", "k3v5x2qamd", 3)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def seen(
    replica: int,
    word: str = "Running",
    *,
    session_id: str = "",
    try_number: int = 1,
    epoch: int = IDENTITY.epoch,
    minutes: float | None = 0,
) -> ListedSession:
    """Show a session in the list; ``minutes`` after noon is when it has started."""
    name = replace(IDENTITY, epoch=epoch).name(replica, try_number)
    started = None if minutes is None else NOON + timedelta(minutes=minutes)
    return ListedSession(session_id or f"id{replica}", name, Status.of(word), word, started)


def batch(replicas: int = 1, *, try_number: int = 1, **known: Any) -> Batch:
    return Batch(IDENTITY, try_number, replicas, **known)


def launched(*replicas: int, try_number: int = 1) -> dict[int, AssignedSession]:
    """Say what this try has launched; the ids are those that :func:`seen` shows."""
    return {
        replica: AssignedSession(f"id{replica}", str(IDENTITY.name(replica, try_number)))
        for replica in replicas
    }


def outcome(
    replica: int, word: str = "Completed", *, session_id: str = "", try_number: int = 1, **more: Any
) -> Outcome:
    return Outcome(
        replica=replica,
        session_id=session_id or f"id{replica}",
        name=str(IDENTITY.name(replica, try_number)),
        status=word,
        succeeded=Status.of(word).is_success,
        try_number=try_number,
        **more,
    )


def ids(of: tuple[ListedSession, ...]) -> list[str]:
    return sorted(one.session_id for one in of)


def standing(of: Plan) -> dict[int, str]:
    return {replica: one.session_id for replica, one in of.alive.items()}


def is_quiet(of: Plan) -> bool:
    """Whether there is nothing to do but to wait."""
    return not (of.launch or of.destroy or of.ended or of.verdict)


# Launching.


def test_at_first_every_replica_is_launched_in_order() -> None:
    now = plan(batch(3), [], limits=Limits())
    assert now.launch == (1, 2, 3)
    assert now.verdict is None


def test_a_batch_of_nothing_has_succeeded() -> None:
    assert plan(batch(0), [], limits=Limits()).verdict is Verdict.SUCCESS


@pytest.mark.parametrize(
    ("alive", "unlisted", "launch", "queued"),
    [
        ((), (), (1, 2), (3, 4, 5)),
        ((1,), (), (2,), (3, 4, 5)),
        ((1,), (2,), (), (3, 4, 5)),
        ((1, 2), (), (), (3, 4, 5)),
        ((1, 2, 3), (), (), (4, 5)),  # The author has lowered the bound since.
    ],
)
def test_no_more_are_launched_than_may_be_alive_at_once(
    alive: tuple[int, ...], unlisted: tuple[int, ...], launch: tuple[int, ...], queued: tuple[int, ...]
) -> None:
    """One that lists omit may be alive, and takes a place."""
    now = plan(
        batch(5, launched=launched(*alive, *unlisted)),
        [seen(replica) for replica in alive],
        limits=Limits(max_active=2),
    )
    assert (now.launch, now.queued) == (launch, queued)
    assert now.verdict is None


def test_an_end_makes_room_for_the_next() -> None:
    now = plan(
        batch(3, launched=launched(1, 2)),
        [seen(1, "Completed"), seen(2)],
        limits=Limits(max_active=2),
    )
    assert now.launch == (3,)


# Adopting.


@pytest.mark.parametrize("word", ["Pending", "Running", "Terminating", "Frozen", ""])
def test_whatever_has_not_ended_stands_for_its_replica(word: str) -> None:
    """A status that nobody has ever heard of is waited on; it is no end, and no success."""
    now = plan(batch(), [seen(1, word)], limits=Limits())
    assert standing(now) == {1: "id1"}
    assert is_quiet(now)


def test_a_retry_adopts_what_an_earlier_try_has_launched() -> None:
    now = plan(batch(2, try_number=3), [seen(1, try_number=1), seen(2, try_number=2)], limits=Limits())
    assert standing(now) == {1: "id1", 2: "id2"}
    assert is_quiet(now)


OLDEST_FIRST = [
    seen(1, session_id="try1", try_number=1, minutes=9),
    seen(1, "Pending", session_id="try1-not-started", try_number=1, minutes=None),
    seen(1, session_id="try2-a", try_number=2, minutes=0),
    seen(1, session_id="try2-b", try_number=2, minutes=0),
    seen(1, session_id="try2-later", try_number=2, minutes=1),
    seen(1, "Pending", session_id="try2-not-started", try_number=2, minutes=None),
    seen(1, "Terminating", session_id="try1-ending", try_number=1, minutes=0),
]


@pytest.mark.parametrize(("older", "younger"), list(itertools.combinations(OLDEST_FIRST, 2)), ids=str)
def test_of_two_live_twins_the_older_stays(older: ListedSession, younger: ListedSession) -> None:
    """By try, then by start. But one that is being ended anyway is not kept in place of one that lives."""
    for order in ([older, younger], [younger, older]):
        now = plan(batch(try_number=2), order, limits=Limits())
        assert standing(now) == {1: older.session_id}
        assert ids(now.destroy) == [younger.session_id]
        assert now.verdict is None


def test_a_live_twin_of_a_success_is_destroyed() -> None:
    now = plan(batch(), [seen(1, "Completed"), seen(1, session_id="twin")], limits=Limits())
    assert ids(now.destroy) == ["twin"]
    assert now.verdict is Verdict.SUCCESS


def test_a_live_twin_of_a_failure_is_a_second_chance() -> None:
    now = plan(batch(), [seen(1, "Failed"), seen(1, session_id="twin")], limits=Limits())
    assert standing(now) == {1: "twin"}
    assert is_quiet(now)


def test_a_live_twin_of_a_failure_that_is_recorded_is_destroyed() -> None:
    failed = outcome(1, "Failed")
    now = plan(batch(outcomes={1: failed}), [seen(1, session_id="twin")], limits=Limits())
    assert ids(now.destroy) == ["twin"]
    assert now.verdict is Verdict.FAILURE


def test_live_sessions_of_other_epochs_are_destroyed_and_stand_for_nothing() -> None:
    others = [seen(1, epoch=2, session_id="older"), seen(2, "Frozen", epoch=4, session_id="newer")]
    now = plan(batch(2), others, limits=Limits())
    assert ids(now.destroy) == ["newer", "older"]
    assert now.launch == (1, 2)


def test_what_has_ended_in_another_epoch_says_nothing() -> None:
    now = plan(
        batch(2), [seen(1, "Completed", epoch=2), seen(2, "Failed", epoch=2)], limits=Limits(max_failed=2)
    )
    assert now.launch == (1, 2)
    assert not now.destroy
    assert not now.ended


def test_where_the_author_has_lowered_the_replicas_the_surplus_is_destroyed_and_does_not_count() -> None:
    now = plan(
        batch(1, try_number=2),
        [seen(1, "Completed"), seen(2), seen(3, "Failed"), seen(4, "Completed")],
        limits=Limits(),
    )
    assert ids(now.destroy) == ["id2"]
    assert [one.replica for one in now.ended] == [1]
    assert now.verdict is Verdict.SUCCESS


def test_where_there_were_more_or_fewer_replicas_before_nothing_of_then_counts() -> None:
    """Each had another share of the work, be it done or under way."""
    now = plan(
        batch(3, try_number=2, first_try=2),
        [seen(1, "Completed"), seen(2), seen(3, "Failed")],
        limits=Limits(),
    )
    assert now.launch == (1, 2, 3)
    assert ids(now.destroy) == ["id2"]
    assert not now.ended


# Ends.


@pytest.mark.parametrize("word", ["Completed", "Succeeded"])
def test_a_success_is_recorded_once(word: str) -> None:
    now = plan(batch(launched=launched(1)), [seen(1, word)], limits=Limits())
    assert now.ended == (outcome(1, word, started=NOON.isoformat()),)
    again = plan(batch(launched=launched(1)).record(now.ended), [seen(1, word)], limits=Limits())
    assert not again.ended
    assert again.verdict is Verdict.SUCCESS


@pytest.mark.parametrize("word", ["Failed", "Error", "Failed (BackoffLimitExceeded)"])
def test_a_failure_of_this_try_is_its_outcome(word: str) -> None:
    now = plan(batch(launched=launched(1)), [seen(1, word)], limits=Limits())
    assert [(one.status, one.succeeded) for one in now.ended] == [(word, False)]
    assert now.verdict is Verdict.FAILURE


def test_a_failure_of_this_try_counts_also_where_the_answer_to_its_create_was_lost() -> None:
    now = plan(batch(try_number=2), [seen(1, "Failed", try_number=2)], limits=Limits())
    assert not now.launch
    assert now.verdict is Verdict.FAILURE


def test_a_failure_of_an_earlier_try_is_launched_again() -> None:
    now = plan(
        batch(3, try_number=2),
        [seen(1, "Completed"), seen(2, "Failed"), seen(3, "Running")],
        limits=Limits(),
    )
    assert now.launch == (2,)
    assert [one.replica for one in now.ended] == [1]
    assert standing(now) == {3: "id3"}


def test_a_failure_that_was_recorded_in_an_earlier_try_is_launched_again() -> None:
    known = batch(2, try_number=2, outcomes={1: outcome(1), 2: outcome(2, "Failed")})
    now = plan(known, [], limits=Limits())
    assert now.launch == (2,)
    assert not known.failed()


def test_what_this_try_has_adopted_fails_in_this_try() -> None:
    adopted = batch(try_number=2, launched=launched(1, try_number=1))
    now = plan(adopted, [seen(1, "Failed", try_number=1)], limits=Limits())
    assert [one.try_number for one in now.ended] == [2]
    assert now.verdict is Verdict.FAILURE


def test_the_success_of_any_try_is_a_success() -> None:
    now = plan(
        batch(try_number=3),
        [seen(1, "Failed", session_id="last", try_number=3), seen(1, "Completed", try_number=1)],
        limits=Limits(),
    )
    assert [one.session_id for one in now.ended] == ["id1"]
    assert now.verdict is Verdict.SUCCESS


def test_a_success_that_is_known_needs_no_list() -> None:
    now = plan(batch(2, outcomes={1: outcome(1)}), [], limits=Limits())
    assert now.launch == (2,)


@pytest.mark.parametrize(
    ("word", "verdict"), [("Completed", Verdict.SUCCESS), ("Failed", Verdict.FAILURE), ("Frozen", None)]
)
def test_an_end_that_only_the_wait_has_seen_counts(word: str, verdict: Verdict | None) -> None:
    """The platform forgets a finished session; a word that nobody knows is no end, whoever has seen it."""
    known = batch(launched=launched(1)).with_observations({"id1": word}, ())
    assert plan(known, [], limits=Limits()).verdict is verdict


def test_the_list_is_believed_before_the_wait() -> None:
    known = batch(launched=launched(1)).with_observations({"id1": "Failed"}, ())
    now = plan(known, [seen(1, "Completed")], limits=Limits())
    assert [one.status for one in now.ended] == ["Completed"]


# What the log says beyond the platform's word.


def test_a_success_without_its_result_is_a_failure_of_the_try_that_launched_it() -> None:
    known = batch(launched=launched(1))
    known = known.record_outcome(outcome(1), replace(outcome(1), succeeded=False))
    now = plan(known, [seen(1, "Completed")], limits=Limits())
    assert not now.ended
    assert now.verdict is Verdict.FAILURE


def test_a_success_without_its_result_of_an_earlier_try_counts_for_nothing() -> None:
    known = batch(try_number=2).record_outcome(outcome(1), replace(outcome(1), succeeded=False))
    for now in (
        plan(known, [seen(1, "Completed")], limits=Limits()),
        plan(over_a_deferral(known), [seen(1, "Completed")], limits=Limits()),
    ):
        assert now.launch == (1,)
        assert not now.ended


def test_a_success_without_its_result_that_was_adopted_is_a_failure_of_the_try_that_adopted_it() -> None:
    known = batch(try_number=2, launched=launched(1, try_number=1))
    known = known.record_outcome(outcome(1), replace(outcome(1, try_number=2), succeeded=False))
    assert [one.replica for one in known.failed()] == [1]


def test_a_result_is_recorded_with_its_success() -> None:
    known = batch(launched=launched(1)).record_outcome(outcome(1), outcome(1, result=42))
    assert known.outcomes == {1: outcome(1, result=42)}


# Missing and gone.


def test_what_a_list_omits_has_not_ended_and_is_not_launched_again() -> None:
    now = plan(batch(launched=launched(1)), [], limits=Limits())
    assert now.missing == launched(1)
    assert is_quiet(now)


def test_what_is_gone_for_certain_has_failed() -> None:
    now = plan(batch(launched=launched(1)).with_observations({}, ["id1"]), [], limits=Limits())
    assert [(one.session_id, one.status, one.succeeded) for one in now.ended] == [("id1", GONE, False)]
    assert now.verdict is Verdict.FAILURE


@pytest.mark.parametrize("word", ["Running", "Frozen"])
def test_what_is_listed_is_not_gone(word: str) -> None:
    now = plan(batch(launched=launched(1)).with_observations({}, ["id1"]), [seen(1, word)], limits=Limits())
    assert standing(now) == {1: "id1"}
    assert is_quiet(now)


def test_an_end_that_was_seen_before_the_session_was_gone_counts() -> None:
    known = batch(launched=launched(1)).with_observations({"id1": "Completed"}, ["id1"])
    assert plan(known, [], limits=Limits()).verdict is Verdict.SUCCESS


def test_a_replica_whose_session_is_gone_is_launched_again_by_the_next_try() -> None:
    gone = outcome(1, GONE)
    assert plan(batch(try_number=2, outcomes={1: gone}), [], limits=Limits()).launch == (1,)


# Limits and verdicts.


@pytest.mark.parametrize(
    ("failed", "max_failed", "verdict"),
    [(0, 0, Verdict.SUCCESS), (1, 0, Verdict.FAILURE), (1, 1, Verdict.SUCCESS), (2, 1, Verdict.FAILURE)],
)
def test_as_many_may_fail_as_the_author_says(failed: int, max_failed: int, verdict: Verdict) -> None:
    words = ["Failed"] * failed + ["Completed"] * (4 - failed)
    now = plan(
        batch(4, launched=launched(1, 2, 3, 4)),
        [seen(replica, word) for replica, word in enumerate(words, start=1)],
        limits=Limits(max_failed=max_failed),
    )
    assert now.verdict is verdict


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"max_active": 0}, "Invalid max_active_replicas 0"),
        ({"max_active": -1}, "Invalid max_active_replicas -1"),
        ({"max_failed": -1}, "Invalid max_failed_replicas -1"),
    ],
)
def test_bounds_within_which_nothing_could_succeed_are_refused(bounds: dict[str, int], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Limits(**bounds)  # type: ignore[arg-type]  # mypy cannot tell which of the bounds it is.


def test_when_too_many_have_failed_nothing_more_is_launched_and_what_runs_may_end() -> None:
    known = batch(4, launched=launched(1, 2))
    limits = Limits(max_active=2)
    now = plan(known, [seen(1, "Failed"), seen(2)], limits=limits)
    assert (now.launch, now.queued, now.destroy, now.verdict) == ((), (), (), None)
    assert standing(now) == {2: "id2"}
    now = plan(known.record(now.ended), [seen(2, "Completed")], limits=limits)
    assert now.verdict is Verdict.FAILURE


def test_what_is_missing_is_waited_for_also_when_too_many_have_failed() -> None:
    now = plan(batch(2, launched=launched(1, 2)), [seen(1, "Failed")], limits=Limits())
    assert now.verdict is None


def test_failing_fast_destroys_what_runs_and_names_what_may_run_unseen() -> None:
    now = plan(
        batch(4, launched=launched(1, 2, 3)),
        [seen(1, "Failed"), seen(2)],
        limits=Limits(fail_fast=True),
    )
    assert ids(now.destroy) == ["id2"]
    assert now.missing == launched(3)
    assert now.verdict is Verdict.FAILURE


def test_failing_fast_waits_while_no_more_have_failed_than_may() -> None:
    limits = Limits(max_failed=1, fail_fast=True)
    now = plan(batch(2, launched=launched(1, 2)), [seen(1, "Failed"), seen(2)], limits=limits)
    assert standing(now) == {2: "id2"}
    assert now.verdict is None


# Whatever is seen and known.

LIVE = st.sampled_from(["Pending", "Running", "Terminating", "Frozen"])
ENDS = st.sampled_from(["Completed", "Failed", "Error"])
LIMITS = st.builds(Limits, st.none() | st.integers(1, 3), st.integers(0, 2), st.booleans())


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Batch, list[ListedSession]]:
    """Make sessions of two epochs and three tries, and show some; and a batch that knows some of them."""
    replicas, try_number = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    known, several = Batch(IDENTITY, try_number, replicas), []
    for epoch, replica, its_try in itertools.product((2, 3), (1, 2, 3, 4), (1, 2, 3)):
        where = draw(st.sampled_from(["nowhere", "listed", "unlisted", "ended", "forgotten", "gone"]))
        if where == "nowhere" or its_try > try_number:
            continue
        word = draw(LIVE if where == "listed" else ENDS)
        one = seen(
            replica,
            word,
            session_id=f"{epoch}-{replica}-{its_try}",
            epoch=epoch,
            try_number=its_try,
            minutes=draw(st.none() | st.integers(0, 3)),
        )
        if where in {"listed", "ended"}:
            several.append(one)
        if epoch == IDENTITY.epoch and replica <= replicas and draw(st.booleans()):
            known = known.assign({replica: AssignedSession(one.session_id, str(one.name))}).with_observations(
                {one.session_id: word} if where in {"ended", "forgotten"} else {},
                [one.session_id] if where == "gone" else [],
            )
    outcomes = draw(st.dictionaries(st.integers(1, 3), ENDS))
    return known.record(
        outcome(replica, word, try_number=draw(st.integers(1, try_number)))
        for replica, word in outcomes.items()
        if replica <= replicas
    ), several


@given(world=worlds(), limits=LIMITS)
def test_of_settled_replicas_no_more_is_needed_than_a_letter(
    world: tuple[Batch, list[ListedSession]], limits: Limits
) -> None:
    known, several = world
    # A failure of an earlier try does not count, and no phase hands it on.
    known = replace(
        known, outcomes={one: known.outcomes[one] for one in known.outcomes if known.settled(one)}
    )
    folded = fold(known)
    assert plan(folded, several, limits=limits) == plan(known, several, limits=limits)
    assert (folded.failed_count, folded.succeeded_count) == (known.failed_count, known.succeeded_count)
    assert (folded.kept, folded.known, folded.since) == (known.kept, known.known, known.since)
    assert folded.unsettled() == known.unsettled()
    assert folded.has_unlaunched() == known.has_unlaunched()
    assert states_of(folded) == states_of(known)
    assert fold(folded) == folded


@given(world=worlds(), limits=LIMITS, data=st.data())
def test_the_order_of_the_list_does_not_matter(
    world: tuple[Batch, list[ListedSession]], limits: Limits, data: st.DataObject
) -> None:
    known, several = world
    one, other = (
        plan(known, order, limits=limits) for order in (several, data.draw(st.permutations(several)))
    )
    assert replace(one, destroy=()) == replace(other, destroy=())
    assert ids(one.destroy) == ids(other.destroy)


@given(world=worlds(), limits=LIMITS)
def test_each_replica_is_accounted_for_once(world: tuple[Batch, list[ListedSession]], limits: Limits) -> None:
    """Unless too many have failed: then what is not launched any more is left out."""
    known, several = world
    now = plan(known, several, limits=limits)
    recorded = known.record(now.ended)
    settled = [replica for replica in range(1, known.replicas + 1) if recorded.settled(replica)]
    accounted = [*settled, *now.launch, *now.queued, *now.alive, *now.missing]
    assert len(accounted) == len(set(accounted))
    if len(recorded.failed()) <= limits.max_failed:
        assert sorted(accounted) == list(range(1, known.replicas + 1))


@given(world=worlds(), limits=LIMITS)
def test_one_live_session_of_a_replica_is_kept_at_most(
    world: tuple[Batch, list[ListedSession]], limits: Limits
) -> None:
    known, several = world
    now = plan(known, several, limits=limits)
    live = {one.session_id for one in several if not one.status.is_final}
    kept = {one.session_id for one in now.alive.values()}
    assert live == kept | set(ids(now.destroy))
    assert not kept & set(ids(now.destroy))


@given(world=worlds(), limits=LIMITS)
def test_what_has_succeeded_is_not_launched(world: tuple[Batch, list[ListedSession]], limits: Limits) -> None:
    known, several = world
    now = plan(known, several, limits=limits)
    succeeded = {
        one.name.replica
        for one in several
        if one.status is Status.COMPLETED and one.name.epoch == IDENTITY.epoch
    } | {replica for replica, one in known.outcomes.items() if one.succeeded}
    assert not succeeded & {*now.launch, *now.queued}


@given(world=worlds(), limits=LIMITS)
def test_only_successes_make_a_success(world: tuple[Batch, list[ListedSession]], limits: Limits) -> None:
    known, several = world
    now = plan(known, several, limits=limits)
    if now.verdict is Verdict.SUCCESS:
        outcomes = known.record(now.ended).outcomes
        unsuccessful = [one for one in range(1, known.replicas + 1) if not outcomes[one].succeeded]
        assert len(unsuccessful) <= limits.max_failed
        assert all(Status.of(one.status).is_success for one in outcomes.values() if one.succeeded)


@given(world=worlds(), limits=LIMITS)
def test_what_was_done_needs_no_doing_again(world: tuple[Batch, list[ListedSession]], limits: Limits) -> None:
    """Act on the plan, and plan again on what the platform then shows."""
    known, several = world
    now = plan(known, several, limits=limits)
    for_good = {one.session_id for one in now.destroy}
    after = [one for one in several if one.session_id not in for_good]
    new = {
        replica: seen(
            replica, "Pending", session_id=f"new{replica}", try_number=known.try_number, minutes=None
        )
        for replica in now.launch
    }
    stand = {
        replica: AssignedSession(one.session_id, str(one.name))
        for replica, one in {**now.alive, **new}.items()
    }
    again = plan(known.record(now.ended).assign(stand), [*after, *new.values()], limits=limits)
    assert again.verdict is now.verdict
    assert not [*again.launch, *again.destroy]
    # Where a failed task's live twin was destroyed, the twin that had failed before is what is left.
    assert not again.ended or now.verdict is Verdict.FAILURE
    assert again.queued == now.queued


# One session, listed several times: servers before 1.0.0 list pods.


@pytest.mark.parametrize("words", [("Terminating", "Running"), ("Running", "Terminating")])
def test_one_session_that_is_listed_twice_is_not_its_own_duplicate(words: tuple[str, str]) -> None:
    now = plan(batch(launched=launched(1)), [seen(1, word) for word in words], limits=Limits())
    assert standing(now) == {1: "id1"}
    assert now.alive[1].status is Status.RUNNING
    assert is_quiet(now)


def test_a_session_with_an_ended_row_and_a_live_one_has_not_ended() -> None:
    now = plan(batch(launched=launched(1)), [seen(1, "Completed"), seen(1)], limits=Limits())
    assert standing(now) == {1: "id1"}
    assert is_quiet(now)


def test_a_session_stands_for_the_replica_that_it_was_launched_for() -> None:
    """Whatever name a list has for it: it must not be destroyed as another one's second session."""
    known = batch(2, launched=launched(1, 2), outcomes={2: outcome(2)})
    now = plan(known, [seen(2, session_id="id1")], limits=Limits())
    assert standing(now) == {1: "id1"}
    assert is_quiet(now)


@given(world=worlds(), limits=LIMITS, data=st.data())
def test_no_list_makes_a_task_destroy_a_session_that_it_waits_for(
    world: tuple[Batch, list[ListedSession]], limits: Limits, data: st.DataObject
) -> None:
    """Rows again, in other statuses, with other names and times, in any order."""
    known, several = world
    ids_known = [one.session_id for one in several] + [one.session_id for one in known.launched.values()]
    more = [
        seen(
            data.draw(st.integers(1, 4)),
            data.draw(LIVE | ENDS),
            session_id=session_id,
            try_number=data.draw(st.integers(1, 3)),
            epoch=data.draw(st.integers(2, 3)),
            minutes=data.draw(st.none() | st.integers(0, 3)),
        )
        for session_id in data.draw(
            st.lists(st.sampled_from(ids_known), max_size=6) if ids_known else st.just([])
        )
    ]
    now = plan(known, data.draw(st.permutations([*several, *more])), limits=limits)
    awaited = {one.session_id for one in now.alive.values()}
    if now.verdict is None:
        awaited |= {one.session_id for one in now.missing.values()}
    assert not awaited & set(ids(now.destroy))
    assert len(ids(now.destroy)) == len(set(ids(now.destroy)))


@given(world=worlds(), limits=LIMITS, data=st.data())
def test_a_row_twice_is_a_row_once(
    world: tuple[Batch, list[ListedSession]], limits: Limits, data: st.DataObject
) -> None:
    known, several = world
    again = data.draw(st.lists(st.sampled_from(several), max_size=4) if several else st.just([]))
    pods = [replace(one, status=Status.TERMINATING, word="Terminating") for one in again]
    one, other = (plan(known, rows, limits=limits) for rows in (several, [*several, *pods, *again]))
    assert one == other


# Reading and writing.


def test_only_sessions_of_the_task_instance_are_its_own() -> None:
    names = {
        "mine": str(IDENTITY.name(1, 1)),
        "older": str(replace(IDENTITY, epoch=0).name(1, 1)),
        "renamed": str(replace(IDENTITY, stem="galaxies").name(1, 1)),
        "other": str(replace(IDENTITY, key="abcdefghij").name(1, 1)),
        "foreign": "my-notebook",
    }
    listed = [Session(id=session_id, name=name) for session_id, name in names.items()]
    assert [one.session_id for one in own_sessions(Batch(IDENTITY, 2, 9), listed)] == [
        "mine",
        "older",
        "renamed",
    ]


def test_an_own_session_that_is_listed_twice_is_one() -> None:
    rows = [
        Session(id="k3v9x2qa", name=str(IDENTITY.name(1, 1)), status=status)
        for status in (Status.RUNNING, Status.TERMINATING)
    ]
    assert [one.status for one in own_sessions(Batch(IDENTITY, 2, 9), rows)] == [Status.RUNNING]


def test_a_sighting_has_what_the_list_says() -> None:
    listed = Session.model_validate(
        {
            "id": "k3v9x2qa",
            "name": str(IDENTITY.name(7, 2)),
            "status": "Failed (BackoffLimitExceeded)",
            "startTime": "2026-11-23T12:00:00Z",
        }
    )
    name = SessionName("stars", "k3v5x2qamd", 3, 7, 2)
    assert own_sessions(Batch(IDENTITY, 2, 9), [listed]) == [
        ListedSession("k3v9x2qa", name, Status.FAILED, "Failed (BackoffLimitExceeded)", NOON)
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(world=worlds(), results=st.lists(JSON, max_size=3), at=st.floats(0, 2e9))
def test_a_batch_survives_a_deferral(
    world: tuple[Batch, list[ListedSession]], results: list[Any], at: float
) -> None:
    known = (
        world[0]
        .record(
            outcome(replica, result=result, started=NOON.isoformat())
            for replica, result in enumerate(results, start=1)
        )
        .assign({9: AssignedSession("id9", str(IDENTITY.name(9, 1)), at, has_started=True)})
    )
    # A failure of an earlier try is what this one is for.
    counting = {one.replica: one for one in known.outcomes.values() if known.settled(one.replica)}
    assert over_a_deferral(known) == replace(known, outcomes=counting)


def test_failures_are_told_in_the_replicas_order_and_only_those_of_this_try() -> None:
    known = batch(4, try_number=2).record(
        [
            outcome(3, "Failed", try_number=2),
            outcome(4, "Failed", try_number=1),
            outcome(1, "Failed", try_number=2),
            outcome(2, try_number=1),
        ]
    )
    assert [one.replica for one in known.failed()] == [1, 3]
    assert known.settled(2) is not None
    assert known.settled(4) is None


def test_what_is_waited_for_is_what_has_no_outcome() -> None:
    known = batch(3, launched=launched(1, 2, 3)).record([outcome(2)])
    assert known.unsettled() == launched(1, 3)


def test_what_has_started_once_is_remembered_as_long_as_it_stands_for_its_replica() -> None:
    known = batch(2, launched=launched(1, 2)).with_observations({}, (), ["id1"]).with_observations({}, ())
    assert [one.has_started for one in known.launched.values()] == [True, False]
    again = known.assign({1: AssignedSession("another", str(IDENTITY.name(1, 2)))})
    assert not again.launched[1].has_started


def test_what_several_waits_have_seen_is_remembered_together() -> None:
    known = (
        batch().with_observations({"a": "Completed"}, ["x"]).with_observations({"b": "Failed"}, ["w", "x"])
    )
    assert known.ended == {"a": "Completed", "b": "Failed"}
    assert known.gone == ("w", "x")


# Sessions that do not start.

NOT_FOUND = {"id2": StartFailure("manifest unknown", retryable=False)}


def test_a_session_that_does_not_start_is_a_failed_replica_and_costs_its_siblings_nothing() -> None:
    known = batch(3, launched=launched(1, 2, 3))
    now = plan(
        known,
        [seen(1), seen(2, "Pending"), seen(3, "Completed")],
        limits=Limits(max_failed=1),
        start_failures=NOT_FOUND,
    )
    assert standing(now) == {1: "id1"}
    assert ids(now.destroy) == ["id2"]
    ended = {one.replica: one for one in now.ended}
    assert (ended[2].status, ended[2].reason, ended[2].retryable) == (
        NEVER_STARTED,
        "manifest unknown",
        False,
    )
    assert (ended[2].succeeded, ended[3].succeeded) == (False, True)
    assert now.verdict is None
    later = plan(known.record(now.ended), [seen(1, "Completed")], limits=Limits(max_failed=1))
    assert later.verdict is Verdict.SUCCESS


def test_a_session_that_does_not_start_counts_as_a_failure() -> None:
    known = batch(2, launched=launched(1, 2))
    listed = [seen(1), seen(2, "Pending")]
    patient = plan(known, listed, limits=Limits(), start_failures=NOT_FOUND)
    assert standing(patient) == {1: "id1"}
    fast = plan(known, listed, limits=Limits(fail_fast=True), start_failures=NOT_FOUND)
    assert (ids(fast.destroy), fast.verdict) == (["id1", "id2"], Verdict.FAILURE)


@pytest.mark.parametrize("word", ["Running", "Terminating", "Frozen", "Completed"])
def test_one_that_has_started_since_its_wait_is_no_failure(word: str) -> None:
    now = plan(
        batch(2, launched=launched(1, 2)), [seen(1), seen(2, word)], limits=Limits(), start_failures=NOT_FOUND
    )
    assert now.destroy == ()
    assert all(one.succeeded for one in now.ended)


def test_one_that_a_list_omits_is_waited_for() -> None:
    now = plan(batch(2, launched=launched(1, 2)), [seen(1)], limits=Limits(), start_failures=NOT_FOUND)
    assert list(now.missing) == [2]
    assert now.verdict is None


def test_of_two_sessions_of_a_replica_the_one_that_starts_stays() -> None:
    twins = [seen(2, "Pending"), seen(2, "Running", session_id="other")]
    now = plan(
        batch(2, launched=launched(1, 2)), [seen(1), *twins], limits=Limits(), start_failures=NOT_FOUND
    )
    assert standing(now) == {1: "id1", 2: "other"}
    assert ids(now.destroy) == ["id2"]
    assert now.ended == ()


def test_one_that_survives_its_destroy_is_destroyed_again() -> None:
    known = batch(2, launched=launched(1, 2))
    first = plan(known, [seen(1), seen(2, "Pending")], limits=Limits(), start_failures=NOT_FOUND)
    again = plan(known.record(first.ended), [seen(1), seen(2, "Pending")], limits=Limits())
    assert ids(again.destroy) == ["id2"]
    assert again.ended == ()


def test_a_retry_launches_only_what_did_not_start() -> None:
    first = batch(2, launched=launched(1, 2))
    now = plan(first, [seen(1, "Completed"), seen(2, "Pending")], limits=Limits(), start_failures=NOT_FOUND)
    assert now.verdict is Verdict.FAILURE
    retry = batch(2, try_number=2, outcomes={1: now.ended[0]} if now.ended[0].replica == 1 else {})
    assert plan(retry, [seen(1, "Completed")], limits=Limits()).launch == (2,)


def test_why_a_replica_did_not_start_survives_a_deferral() -> None:
    known = batch(1).record([outcome(1, NEVER_STARTED, reason="manifest unknown", retryable=False)])
    assert over_a_deferral(known) == known
