"""Session names: which task a session belongs to, and finding it again."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.kubectl import check_hostname
from airflow_provider_canfar.skaha import validation
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.naming import (
    KEY_LENGTH,
    STEM_LENGTH,
    Identity,
    SessionName,
    epoch_of,
    key_of,
    stem_of,
)

NUMBERS = st.integers(min_value=0, max_value=99_999)
KEYS = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=KEY_LENGTH, max_size=KEY_LENGTH)
STEMS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True)
NAMES = st.builds(SessionName, STEMS, KEYS, NUMBERS, NUMBERS, NUMBERS)

IDS = st.text(max_size=12)
TASK_INSTANCES = st.fixed_dictionaries(
    {
        "dag_id": IDS,
        "task_id": IDS,
        "run_id": IDS,
        "map_index": st.integers(min_value=-1, max_value=1000),
        "run_started": st.none() | st.datetimes(timezones=st.just(UTC)),
    }
)


@given(name=NAMES)
def test_a_name_that_is_built_can_be_parsed(name: SessionName) -> None:
    assert SessionName.parse(str(name)) == name


@given(text=st.from_regex(r"[a-z][a-z0-9-]{0,12}-[a-z2-7]{10}(-[0-9]{1,3}){3}", fullmatch=True) | st.text())
def test_a_name_that_is_parsed_can_be_built_again(text: str) -> None:
    """Each name is built in exactly one way: with no leading zeros, and with no capitals."""
    name = SessionName.parse(text)
    assert name is None or str(name) == text


@given(name=NAMES)
def test_the_platform_accepts_every_name(name: SessionName) -> None:
    text = str(name)
    assert len(text) <= 59 < validation.NAME_LENGTH
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", text)
    assert validation.session_name(text) == text
    assert validation.host_name(text) == text
    check_hostname(text)


@given(one=TASK_INSTANCES, other=TASK_INSTANCES)
def test_two_task_instances_never_share_a_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (key_of(**one) == key_of(**other)) == (one == other)


@given(
    identity=TASK_INSTANCES,
    field=st.sampled_from(["dag_id", "task_id", "run_id"]),
    others=st.tuples(IDS, IDS),
)
def test_no_part_of_an_identity_runs_into_the_next(
    identity: dict[str, Any], field: str, others: tuple[str, str]
) -> None:
    assume(others[0] != others[1])
    keys = {key_of(**identity | {field: value}) for value in others}
    assert len(keys) == 2


def test_a_separator_inside_an_id_does_not_make_two_identities_one() -> None:
    rest: dict[str, Any] = {"run_id": "r", "map_index": -1, "run_started": None}
    assert key_of(dag_id='a", "b', task_id="c", **rest) != key_of(dag_id="a", task_id='b", "c', **rest)


@given(task_instance=TASK_INSTANCES, stem=STEMS, epoch=NUMBERS, replica=NUMBERS, try_number=NUMBERS)
def test_a_retry_finds_its_own_sessions(
    task_instance: dict[str, Any], stem: str, epoch: int, replica: int, try_number: int
) -> None:
    first, retry = (Identity(stem, key_of(**task_instance), epoch) for _ in range(2))
    name = SessionName.parse(str(first.name(replica, try_number)))
    assert retry.owns(name)
    assert name is not None
    assert (name.epoch, name.replica) == (epoch, replica)


@given(
    started=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (Hypothesis adds the zone)
    hours=st.integers(min_value=-12, max_value=14),
)
def test_the_runs_start_is_the_same_moment_in_every_time_zone(started: datetime, hours: int) -> None:
    elsewhere = started.astimezone(timezone(timedelta(hours=hours)))
    keys = {
        key_of(dag_id="d", task_id="t", run_id="r", map_index=-1, run_started=moment)
        for moment in (started, elsewhere)
    }
    assert len(keys) == 1


@given(one=NAMES, key=KEYS, epoch=NUMBERS)
def test_the_stem_does_not_identify_a_session(one: SessionName, key: str, epoch: int) -> None:
    assume(key != one.key)
    assert not Identity(one.stem, key, one.epoch).owns(one)
    assert Identity("another", one.key, epoch).owns(one)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "my-notebook",
        "find-stars-1",
        "find-stars-k3v5x2qamd",
        "find-stars-k3v5x2qamd-0-7",
        "find-stars-k3v5x2qamd-0-7-2-1",  # The key is not where it must be.
        "find-stars-k3v5x2qam-0-7-2",
        "find-stars-k3v5x2qam1-0-7-2",  # No 1 in base 32.
        "find-stars-k3v5x2qamd-00-7-2",
        "find-stars-k3v5x2qamd-0-7-123456",
        "find-stars-k3v5x2qamd-0-7-²",
        "find-stars-k3v5x2qamd-0-7-2\n",
        "-k3v5x2qamd-0-7-2",
        "k3v5x2qamd-0-7-2",
        "find_stars-k3v5x2qamd-0-7-2",
        "find-stars--k3v5x2qamd-0-7-2",
        f"a{'b' * STEM_LENGTH}-k3v5x2qamd-0-7-2",
        "find-stars-\N{KELVIN SIGN}3v5x2qamd-0-7-2",  # Lower case, it is a k.
    ],
)
def test_a_name_that_we_did_not_give_is_never_ours(foreign: str) -> None:
    name = SessionName.parse(foreign)
    assert name is None
    assert not Identity("find-stars", "k3v5x2qamd", 0).owns(name)


@pytest.mark.parametrize(
    ("name", "task_id", "stem"),
    [
        (None, "find_stars", "find-stars"),
        (None, "group.find_stars", "group-find-stars"),
        (None, "Größe.µ", "gr-e"),
        (None, "7th_heaven", "7th-heaven"),
        (None, "3c_273", "3c-273"),
        ("2MASS", "find_stars", "2mass"),
        ("0o17", "find_stars", "0o17"),
        (None, "___", "task"),
        (None, "a" * 29 + "_b", "a" * 29),
        (None, "a" * 100, "a" * STEM_LENGTH),
        ("Stars-2026", "find_stars", "stars-2026"),
        ("s", "find_stars", "s"),
        ("y", "find_stars", "y"),
    ],
)
def test_the_stem_is_the_authors_name_or_a_slug_of_the_task(
    name: str | None, task_id: str, stem: str
) -> None:
    assert stem_of(name, task_id) == stem


@pytest.mark.parametrize("name", ["", "-stars", "stars-", "my_stars", "my stars", "étoiles", "a\n"])
def test_an_invalid_name_is_rejected_with_a_valid_one(name: str) -> None:
    with pytest.raises(SpecError, match=r"Invalid name .*: must have only letters") as caught:
        stem_of(name, "find_stars")
    assert repr(name) in str(caught.value)
    offered = re.search(r"Try '([^']*)'", str(caught.value))
    assert offered is not None
    assert stem_of(offered[1], "find_stars") == offered[1]


@given(
    name=st.none() | st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,60}[A-Za-z0-9])?", fullmatch=True),
    task_id=IDS,
)
def test_every_stem_makes_a_name_that_can_be_parsed(name: str | None, task_id: str) -> None:
    whole = Identity(stem_of(name, task_id), "k3v5x2qamd", 0).name(1, 1)
    assert SessionName.parse(str(whole)) == whole


@given(
    retries=st.integers(min_value=0, max_value=10),
    tries=st.lists(st.integers(min_value=1, max_value=5), max_size=6),
)
def test_each_clear_makes_a_new_epoch(retries: int, tries: list[int]) -> None:
    """At a clear, Airflow sets max_tries to the tries so far plus the retries (clear_task_instances)."""
    epochs = [epoch_of(tries_so_far + retries, retries) for tries_so_far in itertools.accumulate([0, *tries])]
    assert epochs[0] == 0
    assert epochs == sorted(set(epochs))


def test_an_epoch_is_never_below_zero() -> None:
    """The author may raise the retries between two tries."""
    assert epoch_of(max_tries=1, retries=5) == 0
