"""What sessions use, as far as lists show it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.polling.usage import KEPT_FOR, InUse, Usage, UsageHistory, in_use

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
FIGURES = st.none() | st.floats(0, 1000).map(lambda number: round(number, 3))


@given(st.lists(st.builds(InUse, FIGURES, FIGURES), min_size=1, max_size=20))
def test_the_peaks_are_the_most_that_any_list_has_shown(seen: list[InUse]) -> None:
    history = UsageHistory()
    for number, one in enumerate(seen):
        history.observe({"k3v9x2qa": one}, 15.0 * number)
    end = 15.0 * len(seen)
    (usage,) = history.of({"k3v9x2qa": end, "ia35y7wv": end}).values()
    assert usage.ram == max((one.ram for one in seen if one.ram is not None), default=None)
    assert usage.cores == max((one.cores for one in seen if one.cores is not None), default=None)
    assert usage.last_ram == next((one.ram for one in reversed(seen) if one.ram is not None), None)
    assert (usage.samples, usage.age) == (len(seen), 15)


def test_cells_that_cannot_be_read_say_nothing_and_spoil_nothing() -> None:
    assert in_use("", "") is None
    assert in_use("<none>", "not-applicable") is None
    assert in_use("8G", "nonsense") == InUse(8.0, None)
    assert in_use("", "0.982") == InUse(None, 0.982)


@given(JSON, JSON)
def test_whatever_a_cell_has_it_is_a_figure_or_nothing(ram: Any, cores: Any) -> None:
    seen = in_use(ram, cores)
    assert seen is None or all(one is None or 0 <= one < float("inf") for one in seen)


def test_what_is_no_longer_listed_is_forgotten_after_an_hour() -> None:
    history = UsageHistory()
    history.observe({"k3v9x2qa": InUse(1.0, 1.0)}, 0.0)
    history.observe({"ia35y7wv": InUse(1.0, 1.0)}, KEPT_FOR - 1)
    assert history.of({"k3v9x2qa": KEPT_FOR}) == {"k3v9x2qa": Usage(1.0, 1.0, 1.0, 1, KEPT_FOR)}
    history.observe({"ia35y7wv": InUse(1.0, 1.0)}, 2 * KEPT_FOR)
    assert [*history.of({"k3v9x2qa": 2 * KEPT_FOR, "ia35y7wv": 2 * KEPT_FOR})] == ["ia35y7wv"]
