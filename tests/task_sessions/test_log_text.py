"""Cleaning what sessions print."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_canfar.task_sessions.log_text import (
    clean_line,
    clean_lines,
    last_lines,
    shorten_line,
    size,
)

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

#: Pieces that are harmless alone and may combine to what a page or a terminal acts on.
PIECES = st.sampled_from(
    [
        *"::gr",
        "::group::",
        "::endgroup::",
        "group::",
        "::GROUP::",
        "\x1b[31m",
        "\x1b[K",
        "\x1b[",
        "31m",
        "\x1b]0;title\x07",
        "\x1b]8;;https://a.org\x1b\\",
        "\x1b",
        "\x1b(B",
        "\r",
        "\n",
        "\x00",
        "\x85",
        "\u2028",
        "\ud800",
        "é",
    ]
)
PRINTED = st.lists(PIECES | st.text(st.characters(), max_size=3), max_size=20).map("".join)


@given(text=PRINTED, colours=st.booleans())
@example(text="::\x1b[1mgroup::", colours=True)
@example(text="::end\x1b[Kgroup::", colours=True)
@example(text="::group:::group:::endgroup::", colours=True)
@example(text="::group::\x1b::group::", colours=False)
@example(text="\x1b\x1b[K[31m", colours=True)
def test_clean_lines_hold_nothing_that_a_page_or_a_terminal_acts_on(text: str, *, colours: bool) -> None:
    for line in clean_lines(text, colours=colours):
        plain = COLOUR.sub("", line)
        assert colours or plain == line
        assert not FORBIDDEN.search(plain)
        assert "::group::" not in plain.lower()
        assert "::endgroup::" not in plain.lower()
        plain.encode()


@given(text=PRINTED, colours=st.booleans())
def test_cleaning_twice_changes_nothing_more(text: str, *, colours: bool) -> None:
    once = clean_lines(text, colours=colours)
    assert [clean_line(line, colours=colours) for line in once] == once


@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"], exclude_characters=":")))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert clean_line(text) == text


@given(text=PRINTED)
def test_lines_end_at_line_feeds_only(text: str) -> None:
    assert len(clean_lines(text)) == text.count("\n") + (text != "" and not text.endswith("\n"))


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("10%\r50%\r100%", "100%"),
        ("from Windows\r", "from Windows"),
        ("100%\r\x1b[K", "100%"),
        ("100%|####|\r          \r", "100%|####|"),
        ("\r\r", ""),
        ("a tab\tstays", "a tab\tstays"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[38:2:255:0:0mtrue colour\x1b[m", "\x1b[38:2:255:0:0mtrue colour\x1b[m"),
        ("\x1b[2J\x1b[H\x1b[?25lscreen\x1b[?25h", "screen"),
        ("\x1b[>4;2mmodified keys", "modified keys"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://a.org\x1b\\a link\x1b]8;;\x1b\\", "a link"),
        ("bell\x07 nul\x00 back\x08", "bell\\x07 nul\\x00 back\\x08"),
        ("one\x0btwo\x0cthree\x1cfour\x85five\u2028six", "one\\x0btwo\\x0cthree\\x1cfour\\x85five\\u2028six"),
        ("m13\udcff.fits", "m13\\udcff.fits"),
        ("\u202eeverything backwards", "\\u202eeverything backwards"),
        ("::group::mine", ": :group: :mine"),
        ("INFO ::endgroup::", "INFO : :endgroup: :"),
        ("std::vector::size", "std::vector::size"),
    ],
)
def test_what_becomes_of_a_line(line: str, clean: str) -> None:
    assert clean_line(line) == clean


def test_colours_can_be_removed() -> None:
    assert clean_line("\x1b[1;31mred\x1b[0m", colours=False) == "red"


def test_a_progress_bar_of_many_states_is_one_line() -> None:
    bar = "\r".join(f"{number}/20000" for number in range(20_001))
    assert clean_lines(f"{bar}\ndone\n") == ["20000/20000", "done"]


@given(line=st.text(st.characters(), max_size=400), max_bytes=st.integers(60, 300))
def test_a_shortened_line_is_no_longer_than_it_may_be(line: str, max_bytes: int) -> None:
    shown = shorten_line(line, max_bytes)
    if size(line) - 1 <= max_bytes:
        assert shown == line
    else:
        assert len(shown.encode()) <= max_bytes
        assert shown == shorten_line(shown, max_bytes)
        assert "bytes are omitted here" in shown


def test_a_shortened_line_keeps_its_beginning_and_its_end() -> None:
    shown = shorten_line("ValueError: " + "x" * 3_000_000 + " in m13.fits", 200)
    assert shown.startswith("ValueError: xxx")
    assert shown.endswith("xxx in m13.fits")


@given(lines=st.lists(st.text(max_size=20)), max_bytes=st.integers(0, 200))
def test_the_last_lines_are_as_many_as_fit(lines: list[str], max_bytes: int) -> None:
    kept = last_lines(lines, max_bytes)
    assert kept == lines[len(lines) - len(kept) :]
    assert sum(map(size, kept)) <= max_bytes
    if len(kept) < len(lines):
        assert sum(map(size, lines[len(lines) - len(kept) - 1 :])) > max_bytes
