"""JSON in few bytes."""

from __future__ import annotations

import json
import random
import string

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.naming import SessionName
from airflow_provider_canfar.task_sessions.limits import MOST_ALIVE
from airflow_provider_canfar.task_sessions.packed import (
    by_key,
    by_value,
    pack,
    pack_sessions,
    unpack,
    unpack_sessions,
)
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec

TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = st.builds(
    SessionName,
    st.sampled_from(["stars", "3c273"]),
    st.sampled_from(["k3v5x2qamd", "k3v5x2qamdaaaa"]),
    st.integers(0, 2),
    st.integers(0, 99_999),
    st.integers(0, 3),
).map(str)


@given(JSON)
def test_whatever_is_packed_comes_back(value: object) -> None:
    assert unpack(pack(value)) == value


@given(JSON)
def test_what_is_packed_is_as_long_in_json(value: object) -> None:
    text = pack(value)
    assert json.dumps(text) == f'"{text}"'


@given(st.dictionaries(TEXT, TEXT))
def test_a_mapping_comes_back_from_its_values(values: dict[str, str]) -> None:
    assert by_key(json.loads(json.dumps(by_value(values)))) == values
    assert by_key(values) == values


@given(st.dictionaries(TEXT, NAMES | TEXT), st.dictionaries(TEXT, st.floats(0, 2e9)))
def test_sessions_come_back_with_the_times_of_those_that_have_one(
    sessions: dict[str, str], start_by: dict[str, float]
) -> None:
    times = {session_id: at for session_id, at in start_by.items() if session_id in sessions}
    assert unpack_sessions(pack_sessions(sessions, start_by)) == (sessions, times)


def test_as_many_sessions_as_a_task_may_have_fit_into_a_trigger_s_arguments_on_every_database() -> None:
    """Airflow keeps them in a TEXT, which on MySQL is 64 kB."""
    dice = random.Random(16)  # noqa: S311 - no secret's randomness
    ids = ["".join(dice.choices(string.ascii_lowercase + string.digits, k=8)) for _ in range(MOST_ALIVE)]
    replicas = sorted(dice.sample(range(1, 100_000), MOST_ALIVE))
    names = [
        str(SessionName("a-stem-as-long-as-they-may-be", "k3v5x2qamd", 10, replica, 12))
        for replica in replicas
    ]
    start_by = {one: 1_800_000_000.0 + number // 5 for number, one in enumerate(ids)}
    wait_spec = WaitSpec("k3v5x2qamd", dict(zip(ids, names, strict=True)), start_by=start_by)
    data = json.loads(json.dumps(wait_spec.to_json()))
    assert len(json.dumps(data)) < 60_000
    assert WaitSpec.from_json(data) == wait_spec
