"""Regular expressions for the names of sessions, which match in a time that grows with the name only.

Python's own ``re`` backtracks: for ``(a+)+b$`` each further ``a`` in a name doubles the time, and the
interpreter's lock is held meanwhile, so that no thread and no event loop goes on. RE2 does not backtrack, and
bounds its memory. It has no lookaheads, no lookbehinds and no backreferences, which need backtracking.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from airflow_provider_canfar.skaha.errors import SpecError

#: The most bytes that one compiled expression may take: some thousand words of a usual length.
MAX_MEMORY = 1024 * 1024

#: What makes a prefix of names a regular expression, as in the platform's own client.
_REGEX = frozenset(".^$*+?{}[]()|")

# Python reads ``{,3}`` as a count; RE2, as these characters.
_COUNT_WITHOUT_START = re.compile(r"\{,[0-9]*\}")


@lru_cache(maxsize=64)
def name_regex(regex: str, argument: str = "regex") -> Callable[[str], bool]:
    """Return a function that searches for a regular expression in a name; case does not matter.

    >>> is_survey = name_regex("^survey-[0-9]+$")
    >>> is_survey("Survey-12"), is_survey("survey-b")
    (True, False)

    :param regex: in the syntax of RE2, which is that of ``re`` without features that need backtracking.
    :param argument: what its author calls it, for the message.
    :raises SpecError: for what is no such expression, and for one that is too large.
    """
    # Only where there is an expression: parsing other DAG files must not load it.
    import re2

    if _COUNT_WITHOUT_START.search(regex):
        raise SpecError(f"Invalid {argument} {regex!r}: a count needs a minimum. Write {{0,n}}.")
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        pattern = re2.compile(regex.encode(), options)
    except re2.error as error:
        raise SpecError(
            f"Invalid {argument} {regex!r}: {error.args[0].decode(errors='replace')}. Use the syntax of RE2, "
            "which is Python's without lookaheads, lookbehinds and backreferences."
        ) from None
    except UnicodeEncodeError:
        raise SpecError(f"Invalid {argument} {regex!r}: it has half of a surrogate pair.") from None
    # Whatever a server sends as a name, it is searched.
    return lambda name: pattern.search(name.encode(errors="replace")) is not None


def prefix_or_regex(prefix: str) -> Callable[[str], bool]:
    """Return a function that tells whether a name matches a prefix, or a regular expression if it looks so.

    >>> prefix_or_regex("stars")("stars-1"), prefix_or_regex("stars$")("stars-1")
    (True, False)

    :raises SpecError: for an empty prefix, and for an invalid expression.
    """
    if not prefix:
        raise SpecError(
            "Invalid prefix '': must not be empty, as every name matches it. Use '.*' for all names."
        )
    if _REGEX & set(prefix):
        return name_regex(prefix, "prefix")
    start = prefix.lower()
    return lambda name: name.lower().startswith(start)
