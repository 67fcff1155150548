"""What Airflow knows of a run is read in any shape."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.operators._run_keys import map_indexes, names_in


@given(
    st.recursive(
        st.none() | st.text() | st.integers() | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["name", "session_id", "x"]), inner),
    )
)
def test_names_are_read_out_of_an_xcom_of_any_shape(pushed: Any) -> None:
    assert all(isinstance(name, str) for name in names_in(pushed))


def test_map_indexes_are_read_from_the_names_of_task_instances() -> None:
    listed = ["stars_0", "stars_12", "stars_of_m13", "stars", "other_3"]
    assert map_indexes("stars", listed) == [-1, 0, 12]
