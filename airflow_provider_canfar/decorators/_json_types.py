"""Which values survive the whole way to another task: through JSON, Airflow's XCom and a database. Pure.

The runner checks results in the image, so this module, too, is sent along as text, and needs only Python 3.8
and the standard library. Airflow's side checks arguments, and the results that it reads from logs, by the
same rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

#: How deep lists and dicts may be nested. MySQL stores 100 levels of JSON, one of them for the value itself
#: and one for the list of all replicas' results.
MAX_DEPTH = 90

#: The most values in lists and dicts. A list that contains the same list twice, and so on, would never end.
MAX_VALUES = 1_000_000

#: Airflow passes integers between its processes as MessagePack, which has 64 bits for them.
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1

#: The keys by which Airflow recognizes values that it has serialized (FORBIDDEN_XCOM_KEYS). It rejects a dict
#: with one of them, or restores something else in its place.
RESERVED_KEYS = frozenset(
    ["__classname__", "__version__", "__data__", "__id__", "__cache__", "__type", "__source", "__var"]
)

#: The XComs that a task has already, whose names no output may have.
TAKEN_OUTPUTS = ("return_value", "sessions")

#: The most characters of an XCom's name.
MAX_OUTPUT_NAME = 512

# Methods of arrays, times, paths, bytes, sets and numbers, and what to use instead of such a value.
_ALTERNATIVES = (
    ("tolist", "its tolist()"),
    ("isoformat", "its isoformat()"),
    ("total_seconds", "its total_seconds()"),
    ("__fspath__", "its str()"),
    ("hex", "its hex()"),
    ("isdisjoint", "a sorted list"),
    ("__next__", "a list"),
    ("__dataclass_fields__", "dataclasses.asdict()"),
    ("conjugate", "a float or a string"),
)


def to_json_types(value: object, where: str) -> object:
    """Convert a value to JSON's own types, such that an equal value comes out of Airflow's XCom.

    A tuple or another sequence becomes a list. On the way to another task, a value is JSON, MessagePack and
    text in a database, and Airflow's own serialization gives some keys a meaning.

    :param where: what an error calls the value.
    :raises ValueError: for a value that would be lost or changed on the way, naming its place and type.
    """
    return _convert(value, where, 0, iter(range(MAX_VALUES)))


def _convert(value: object, where: str, depth: int, left: Iterator[int]) -> object:
    """Convert a value inside another one.

    :param depth: how many lists and dicts enclose the value.
    :param left: ends when there are too many values.
    """
    if depth > MAX_DEPTH:
        raise ValueError(
            f"{where[:60]}... is nested deeper than {MAX_DEPTH} lists and dicts; it may contain itself"
        )
    if next(left, None) is None:
        raise ValueError(f"{where[:60]}... is one of more than {MAX_VALUES:,} values; write them to a file")
    if isinstance(value, str):
        _check_text(value, where)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {float(value)!r}, which JSON cannot represent; use None instead")
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        raise ValueError(f"{where} is an integer of more than 64 bits; use a float or a string instead")
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        for key in value:
            _check_key(key, where)
        return {key: _convert(value[key], f"{where}[{key!r:.60}]", depth + 1, left) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_convert(item, f"{where}[{index}]", depth + 1, left) for index, item in enumerate(value)]
    hint = next((f"; use {instead} instead" for name, instead in _ALTERNATIVES if hasattr(value, name)), "")
    raise ValueError(f"{where} is of type {_type_of(value)}, which JSON cannot represent{hint}")


def _check_key(key: object, where: str) -> None:
    if not isinstance(key, str):
        raise ValueError(
            f"{where} has the key {key!r:.60} of type {_type_of(key)}; JSON keys must be strings"
        )
    if key in RESERVED_KEYS:
        raise ValueError(f"{where} has the key {key!r}, which Airflow's serialization reserves; rename it")
    _check_text(key, f"the key {key!r:.60} of {where}")


def _check_text(text: str, where: str) -> None:
    if "\0" in text:
        raise ValueError(f"{where} has a NUL character, which databases cannot store; remove it")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{where} has the lone surrogate {text[error.start]!r}, which UTF-8 cannot encode; for a file "
            "name, use os.fsencode(name).decode(errors='backslashreplace') instead"
        ) from None


def check_outputs(result: object) -> None:
    """Check that Airflow can make an XCom of each item of a result.

    :raises ValueError: for a result that is no dict, or has a key that is no name of an XCom.
    """
    if result is None:
        return  # Airflow makes no XCom at all.
    if not isinstance(result, Mapping):
        raise ValueError(
            f"result is of type {_type_of(result)}, and with multiple_outputs it must be a dict; return a "
            "dict, or pass multiple_outputs=False"
        )
    for key in result:
        _check_key(key, "result")
        # Airflow puts the key, unquoted, at the end of a URL's path.
        is_path = key.isprintable() and not any(one in "?#%\\" for one in key)
        if not is_path or len(key) > MAX_OUTPUT_NAME or {"", ".", ".."} & set(key.split("/")):
            raise ValueError(f"result has the key {key!r:.60}, which cannot be an XCom's name; rename it")
        if key in TAKEN_OUTPUTS:
            raise ValueError(f"result has the key {key!r}, which is the name of another XCom; rename it")


def _type_of(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
