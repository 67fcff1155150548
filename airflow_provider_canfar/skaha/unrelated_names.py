"""Made-up names of sessions that have nothing to do with each other, to see what an expression depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

from airflow_provider_canfar.skaha.naming import KEY_LENGTH, WORK_LENGTH, SessionName, key_of

#: Names as people give them.
_USUAL = (
    "calibrate",
    "explore",
    "find-stars",
    "galaxy-zoo",
    "jdoe",
    "light-curves",
    "my-notebook",
    "ngc1300",
    "photometry",
    "test2",
    "very-large-survey",
)

#: Names made of one letter only; those of two letters have nothing in common.
_LETTERS = [[letter * length for letter in "azbycxdwevfugthsirjqkplomn"] for length in (1, 4, 16)]

#: What people make of a word, and the number that the platform's client appends for each replica.
_SHAPES = ("{0}", "{0}-{0}", "{0}7", *(f"{{0}}-{replica}" for replica in (*range(1, 11), 25, 345)))

#: Keys are hashes: letters, or letters and digits in any order.
_KEYS = ("{0}" * KEY_LENGTH, "2{0}3" * KEY_LENGTH, "{0}45" * KEY_LENGTH, "{0}6{0}{0}7" * KEY_LENGTH)

#: Epochs, replicas and tries of tasks: new, retried, cleared, large.
_NUMBERS = [*product((0, 1, 13), (*range(1, 11), 45, 678, 9000), (1, 2, 3, 12))]


def example_of_any(matches: Callable[[str], bool]) -> str | None:
    """Return a name if all those of its shape match, whatever words they are made of; otherwise None.

    >>> from airflow_provider_canfar.skaha.name_pattern import name_regex
    >>> example_of_any(name_regex("-[0-9]+-[0-9]+-[0-9]+$"))
    'calibrate-tlgq376bmz-0-1-1'
    >>> example_of_any(name_regex("^stars-.*-[0-9]+$"))

    :param matches: whether a name matches.
    """
    for shape, words in _unrelated():
        if all(matches(shape(word)) for word in words):
            return shape(words[0])
    return None


def _unrelated() -> Iterator[tuple[Callable[[str], str], Sequence[str]]]:
    """Yield each shape of a name, and the words to make names of."""
    for words, shape in product((*_LETTERS, _USUAL), _SHAPES):
        yield shape.format, words
    for numbers in _NUMBERS:
        yield partial(_own_name, _hashed, numbers), _USUAL
    sizes = (KEY_LENGTH, KEY_LENGTH + WORK_LENGTH)
    keys = [partial(_lettered, key, size) for key, size in product(_KEYS, sizes)]
    for words, key_of_word, numbers in product((_LETTERS[0], _LETTERS[2]), keys, _NUMBERS):
        yield partial(_own_name, key_of_word, numbers), words


def _own_name(key_of_word: Callable[[str], str], numbers: tuple[int, int, int], word: str) -> str:
    """Name a session as a task does."""
    return str(SessionName(word, key_of_word(word), *numbers))


def _hashed(word: str) -> str:
    return key_of(dag_id=word, task_id=word, run_id=word, map_index=-1, run_started=None)


def _lettered(key: str, size: int, word: str) -> str:
    return key.format(word[0])[:size]
