"""A call of a function, as a command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_canfar.decorators._remote_call import MAX_CALL_BYTES, command
from airflow_provider_canfar.skaha.command.encoding import encode
from airflow_provider_canfar.skaha.command.limits import MAX_STRING_BYTES
from airflow_provider_canfar.skaha.errors import SpecError


def measure(frames: Any, threshold: Any = 5.0, *more: Any, **named: Any) -> Any:
    return [frames, threshold, more, named]


def argv_of(*args: Any, **kwargs: Any) -> list[str]:
    return command(measure, args, kwargs, token="k3v5x2qamd-0-1", python="python3")


def call_in(argv: list[str]) -> dict[str, Any]:
    """Read the call back, as the runner does."""
    call: dict[str, Any] = json.loads("".join(argv[6:]))
    return call


def test_the_command_line_has_the_call_in_words_that_linux_takes() -> None:
    frames = [f"/arc/projects/survey/m13_{number:05}.fits" for number in range(20_000)]
    argv = argv_of(frames)
    assert max(len(word.encode()) for word in argv) <= MAX_STRING_BYTES
    assert call_in(argv)["args"] == [frames]


def test_the_longest_call_is_one_that_the_platform_carries() -> None:
    spare = MAX_CALL_BYTES - len("".join(argv_of("")[6:]))
    encode(command=argv_of("x" * spare))
    with pytest.raises(SpecError, match=r"has 1,000,001 bytes, [\d,]+ of them its arguments"):
        argv_of("x" * (spare + 1))


def test_a_call_that_is_too_long_is_refused_with_numbers_and_a_way_out() -> None:
    with pytest.raises(SpecError) as refusal:
        argv_of(["x" * 100] * 20_000)
    assert re.fullmatch(
        r"The call of measure\(\) has 2,08\d,\d{3} bytes, 2,080,0\d\d of them its arguments, and "
        r"the platform carries 1,000,000\. Write the data to a file below /arc, pass the file's path, and "
        r"let the function read it\.",
        str(refusal.value),
    )


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ([Path("/arc")], {}, "its argument frames is of type pathlib"),
        ([], {"frames": {"a": [b""]}}, "its argument frames['a'][0] is of type bytes"),
        ([1, float("inf")], {}, "its argument threshold is inf"),
        ([1, 2, 3, {4: 5}], {}, "its argument more[1] has the key 4 of type int"),
        ([1], {"seeing": 1j}, "its argument named['seeing'] is of type complex"),
        ([], {}, "missing a required argument: 'frames'"),
    ],
)
def test_an_argument_that_cannot_be_sent_is_named(
    args: Sequence[Any], kwargs: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(SpecError) as refusal:
        argv_of(*args, **kwargs)
    assert str(refusal.value).startswith("measure() cannot be called")
    assert words in str(refusal.value)


def test_other_sequences_and_mappings_go_as_lists_and_dicts() -> None:
    """What an upstream task returned in parts is such a sequence (LazyXComSequence)."""

    class Parts(Sequence[int]):
        def __getitem__(self, index: Any) -> Any:
            return [1, 2, 3][index]

        def __len__(self) -> int:
            return 3

    call = call_in(argv_of(Parts(), (4, 5), 6, seeing=range(2)))
    assert call["args"] == [[1, 2, 3], [4, 5], 6]
    assert call["kwargs"] == {"seeing": [0, 1]}


def test_positional_arguments_stay_so() -> None:
    call = call_in(argv_of(1, 2, 3, named=4))
    assert (call["args"], call["kwargs"]) == ([1, 2, 3], {"named": 4})


def test_an_image_whose_python_is_too_old_says_so() -> None:
    """Also one of long ago, which would not understand the runner."""
    pretend = (
        "import sys; sys.version_info, sys.version = (2, 7, 18), '2.7.18 (default)'; exec(sys.argv.pop(1))"
    )
    argv = [sys.executable, "-c", pretend, *argv_of(1)[4:]]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.stderr == "@task.canfar needs Python 3.8, and this image has 2.7.18.\n"
    assert ended.returncode == 1
