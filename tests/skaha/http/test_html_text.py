"""The text of a page: whatever stands in it, each part is read once."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.http import html_text
from airflow_provider_canfar.skaha.http.html_text import MAX_PAGE, text_of

#: Pages of these took minutes.
PIECES = [
    "<!--",
    "<style x>",
    "<script>",
    "<script></script",
    "<![CDATA[",
    "<![",
    "<!",
    "<?",
    "<",
    "</",
    "<a ",
    '<a "',
    '<a b="',
    "<a b='",
    "<a =",
    "<a/",
    "</a ",
    "<div>",
    "&",
    "&#",
    "&#9",
    "&#0",
    "&#x0",
    "&am",
    "--!",
]


class Words(HTMLParser):
    """What the standard library finds in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found += data.split()


@pytest.mark.parametrize("piece", PIECES)
def test_the_work_grows_with_the_page_and_not_with_its_square(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page sixteen times as large as the largest takes a second; with its square, it would take hours."""
    monkeypatch.setattr(html_text, "MAX_PAGE", 16 * MAX_PAGE)
    text_of(piece * (16 * MAX_PAGE // len(piece)))


def test_the_page_ends_at_its_limit() -> None:
    assert text_of("a" * MAX_PAGE + "b") == "a" * MAX_PAGE


@pytest.mark.parametrize("start", ["&#", "&#x", "&", "<a ", "<!--", '<a b="'])
@pytest.mark.parametrize("fill", ["9", "0", "a", " ", "-", "="])
def test_one_long_token_is_no_error(start: str, fill: str) -> None:
    assert isinstance(text_of(start + fill * MAX_PAGE), str)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<title>503 Busy</title>", "503 Busy"),
        ("<!DOCTYPE html><p>Sign&nbsp;in &amp; go on", "Sign in & go on"),
        ("<!-- a > b --><p>c", "c"),
        ("<!--><p>a<!---><p>b", "a b"),
        ("<!-- never ends <p>a", ""),
        ("<style>p { x }</style><SCRIPT src='x'>go(</a>)</SCRIPT >a", "a"),
        ("<script>never ends", ""),
        ("<styled>a</styled>", "a"),
        ("<a title='a > b'>c</a>", "c"),
        ('<a title = "a > b">c</a>', "c"),
        ("<a href=it's>c</a> 'd'", "c 'd'"),
        ("1 < 2 <b>c</b>", "1 < 2 c"),
        ("a <![CDATA[ x ]]> b", "a b"),
        ("&#65;&#x42;&#99999999999;&#0;", "AB\ufffd\ufffd"),
        ("<a", ""),
    ],
)
def test_the_text_is_what_a_browser_shows(page: str, text: str) -> None:
    assert " ".join(text_of(page).split()) == text


@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<b x=\"1 > 0\" y='<'>", "<br/>", "<!-- n > m -->", "<script>u</script>"]
        )
        | st.sampled_from(["503 ", "Busy ", "&lt;", " ", "\n", "&amp; "]),
        max_size=20,
    )
)
def test_of_a_valid_page_the_standard_library_finds_the_same_words(parts: list[str]) -> None:
    page = "".join(parts)
    words = Words()
    words.feed(page)
    words.close()
    assert "".join(text_of(page).split()) == "".join(words.found)


@given(st.text(alphabet="<>!-/ab=\"' &#x9;[script]", max_size=200))
def test_any_text_is_a_page(page: str) -> None:
    assert isinstance(text_of(page), str)
