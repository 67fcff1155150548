"""The text of an HTML page, as a browser would show it, for error messages. Pure.

A page comes from anything on the way to the platform. Each part of it is read once: every alternative below
ends at the page's end at the latest, so nothing is read again. The ``html.parser`` of Python 3.11.7 needs 50
seconds for 64 kB of ``<a ``, and raises an ``AssertionError`` at ``<![``.
"""

from __future__ import annotations

import html
import re

#: How many characters of a page are read.
MAX_PAGE = 64 * 1024

# The tokens of the HTML standard (13.2.5, Tokenization) that are not text. In a tag, only a quote after "="
# hides a ">". "++" and the like do not backtrack.
_MARKUP = re.compile(
    r"""
    <!--(?:-?>|.*?(?:--!?>|\Z))                                # A comment.
    | <(?P<raw>script|style)(?=[\s/>]|\Z) .*? (?:</(?P=raw)(?=[\s/>])[^>]*+>?+|\Z)   # What no browser shows.
    | </?+[a-z] (?: =\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+ | [^>=]++ )*+ (?:>|\Z)  # A tag.
    | <[!?/] [^>]*+ (?:>|\Z)                                      # A declaration, or what is no tag.
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)

# No character needs as many digits, and html.unescape() raises ValueError for more than 4,300 of them.
_NO_CHARACTER = re.compile(r"&#(?:[0-9]{8,}+|x[0-9a-f]{8,}+);?", re.IGNORECASE)


def text_of(page: str) -> str:
    r"""Return the text of a page, with a line feed in place of each tag.

    >>> text_of('<title>503 Busy</title><style>p { x }</style><p title="a > b">Try <b>later</b> &amp; again')
    '\n503 Busy\n\n\nTry \nlater\n & again'

    :param page: as much of it as there is; no more than :data:`MAX_PAGE` characters are read.
    """
    return html.unescape(_NO_CHARACTER.sub("\ufffd", _MARKUP.sub("\n", page[:MAX_PAGE])))
