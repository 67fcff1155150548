"""The table of events that kubectl prints, in each format in which it may arrive."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.event_table import parse_events

Sample = Callable[[str], bytes]


def test_events_are_parsed_from_their_columns(sample: Sample) -> None:
    scheduling, _, pulling, started = parse_events(sample("events.txt").decode())
    assert (scheduling.type, scheduling.reason) == ("Warning", "FailedScheduling")
    assert scheduling.message == "0/17 nodes are available: 17 Insufficient cpu."
    assert scheduling.first_time is None
    assert pulling.message == 'Pulling image "images.canfar.net/skaha/astroml:24.07"'
    assert str(started) == "Normal Started: Started container skaha-headless-mcurie-h4c0w7ts"
    assert started.last_time is not None
    assert started.last_time.isoformat() == "2026-02-11T07:30:05+00:00"


@pytest.mark.parametrize("text", ["", "<none>\n", "TYPE   REASON   MESSAGE   FIRST-TIME   LAST-TIME\n"])
def test_no_events_are_an_empty_list(text: str) -> None:
    assert parse_events(text) == []


TIMES = st.sampled_from(["<none>", "2026-02-11T07:30:05Z", "2025-12-31T23:59:59Z"])
MESSAGES = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).filter(
        lambda word: word != "<none>" and "T" not in word
    ),
    min_size=1,
).flatmap(lambda words: st.sampled_from([" ", "  ", "\n"]).map(lambda gap: gap.join(words)))
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["Normal", "Warning"]),
        st.from_regex(r"[A-Z][a-zA-Z]+", fullmatch=True),
        MESSAGES,
        TIMES,
        TIMES,
    )
)


@given(ROWS)
def test_events_are_parsed_as_kubectl_printed_them(rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as their widest row and three spaces more; a message may have line ends in it."""
    table = [("TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME"), *rows]
    widths = [max(len(row[column]) for row in table) + 3 for column in range(5)]
    printed = "".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
        for row in table
    )
    events = parse_events(printed)
    assert [(event.type, event.reason, event.message) for event in events] == [row[:3] for row in rows]
    assert [event.first_time is None for event in events] == [row[3] == "<none>" for row in rows]


def shown(printed: str) -> list[tuple[str, str, str]]:
    return [(event.type, event.reason, event.message) for event in parse_events(printed)]


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_lines_may_end_in_another_way(sample: Sample, ending: str) -> None:
    printed = sample("events.txt").decode()
    assert parse_events(printed.replace("\n", ending)) == parse_events(printed)


@pytest.mark.parametrize(
    ("above", "below"),
    [("Warning: v1 Event is deprecated\n", ""), ("\n\n", "\n"), ("", "error: timed out\n")],
)
def test_lines_above_and_below_the_table_are_no_events(sample: Sample, above: str, below: str) -> None:
    printed = sample("events.txt").decode()
    assert parse_events(f"{above}{printed}{below}") == parse_events(printed)


@pytest.mark.parametrize("place", range(6))
def test_there_may_be_one_more_column(sample: Sample, place: int) -> None:
    printed = sample("events.txt").decode()
    lines = []
    for number, line in enumerate(printed.splitlines()):
        cells = [cell for cell in line.split("   ") if cell]
        cells.insert(place, "17" if number else "COUNT")
        lines.append("   ".join(cell.strip() for cell in cells))
    assert parse_events("\n".join(lines)) == parse_events(printed)


def test_a_row_without_times_is_an_event_of_its_own() -> None:
    printed = """\
TYPE      REASON    MESSAGE                     FIRST-TIME             LAST-TIME
Normal    Pulling   Pulling image "a:1"
Warning   Failed    Failed to pull image "a:1": not found
                    (of registry b)
Normal    BackOff   Back-off pulling image      2026-02-11T07:29:41Z   2026-02-11T07:29:41Z
Warning   Failed    Error: ImagePullBackOff
"""
    assert [(reason, message.split("\n")[0]) for _, reason, message in shown(printed)] == [
        ("Pulling", 'Pulling image "a:1"'),
        ("Failed", 'Failed to pull image "a:1": not found'),
        ("BackOff", "Back-off pulling image"),
        ("Failed", "Error: ImagePullBackOff"),
    ]
    assert [event.first_time is None for event in parse_events(printed)] == [True, True, False, True]


@given(st.text(st.sampled_from("TYPE REASON MESSAGE Normal\n\r<none>0 ")))
def test_no_text_is_an_error(printed: str) -> None:
    assert isinstance(parse_events(printed), list)
    assert isinstance(parse_events(f"TYPE REASON MESSAGE FIRST-TIME LAST-TIME\n{printed}"), list)


@pytest.mark.parametrize("piece", [" ", "a ", "\n", " \n", "<none>   ", "2026-02-11T07:29:41Z   ", "a"])
def test_a_row_of_any_length_is_read_once(piece: str) -> None:
    """A regular expression tried each space as the end of the message."""
    printed = "TYPE REASON MESSAGE FIRST-TIME LAST-TIME\nNormal Pulled x " + piece * 30_000
    assert [event.reason for event in parse_events(printed)] == ["Pulled"]
