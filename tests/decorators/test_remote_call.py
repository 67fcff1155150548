"""The command line that calls a function."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_canfar.decorators._remote_call import (
    MAX_CALL_BYTES,
    RemoteCall,
    build_call,
    check_variables,
)
from airflow_provider_canfar.skaha.command.encoding import encode
from airflow_provider_canfar.skaha.command.limits import MAX_STRING_BYTES
from airflow_provider_canfar.skaha.errors import SpecError


def measure(frames: Any, threshold: Any = 5.0, *more: Any, **named: Any) -> Any:
    return [frames, threshold, more, named]


def call_of(*args: Any, **kwargs: Any) -> RemoteCall:
    return build_call(measure, args, kwargs, marker="nonce-of-it", python="python3")


def parsed(call: RemoteCall) -> dict[str, Any]:
    """Parse the call as the runner does."""
    parts = [call.env[f"CANFAR_CALL_{number}"] for number in range(1, len(call.env) + 1)]
    parsed: dict[str, Any] = json.loads("".join(parts))
    return parsed


def test_a_long_call_is_split_into_variables_that_linux_accepts() -> None:
    frames = [f"/arc/projects/survey/m13_{number:05}.fits" for number in range(20_000)]
    call = call_of(frames)
    assert max(len(f"{name}={value}") for name, value in call.env.items()) <= MAX_STRING_BYTES
    assert parsed(call)["args"] == [frames]


def test_the_command_line_has_neither_arguments_nor_the_nonce() -> None:
    """Everyone on a node sees it."""
    assert call_of("hunter2").command == call_of(["other"]).command
    assert not [word for word in call_of("hunter2").command if "nonce-of-it" in word]
    assert "hunter2" not in repr(call_of("hunter2"))


@pytest.mark.parametrize("name", ["CANFAR_CALL_1", "CANFAR_CALL_99", "CANFAR_CALL_"])
def test_a_variable_that_carries_the_call_cannot_be_set(name: str) -> None:
    with pytest.raises(SpecError, match=f"Invalid name in env '{name}': .* Choose another") as refusal:
        check_variables({"A": "b", name: "hunter2"})
    assert "hunter2" not in str(refusal.value)


def test_the_platform_accepts_the_longest_call() -> None:
    spare = MAX_CALL_BYTES - len("".join(call_of("").env.values()))
    call = call_of("x" * spare)
    encode(command=call.command, env=call.env)
    with pytest.raises(SpecError, match=r"takes 1,000,001 bytes, [\d,]+ of them for its arguments"):
        call_of("x" * (spare + 1))


def test_a_call_that_is_too_long_is_rejected_with_the_limit_and_advice() -> None:
    with pytest.raises(SpecError) as refusal:
        call_of(["x" * 100] * 20_000)
    assert re.fullmatch(
        r"The call of measure\(\) takes 2,09\d,\d{3} bytes, 2,080,0\d\d of them for its arguments; the limit "
        r"is 1,000,000\. Write the data to a file below /arc, pass the file's path, and read the file in the "
        r"function\.",
        str(refusal.value),
    )


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ([Path("/arc")], {}, "its argument frames is of type pathlib"),
        ([], {"frames": {"a": [b""]}}, "its argument frames['a'][0] is of type bytes"),
        ([1, float("inf")], {}, "its argument threshold is inf"),
        ([1, 2, 3, {4: 5}], {}, "its argument more[1] has the key 4 of type int"),
        ([1], {"seeing": 1j}, "its argument named['seeing'] is of type complex"),
        ([], {}, "missing a required argument: 'frames'"),
    ],
)
def test_the_error_names_the_argument_that_cannot_be_sent(
    args: Sequence[Any], kwargs: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(SpecError) as refusal:
        call_of(*args, **kwargs)
    assert str(refusal.value).startswith("measure() cannot be called")
    assert message in str(refusal.value)


def test_other_sequences_and_mappings_are_sent_as_lists_and_dicts() -> None:
    """The output of a mapped upstream task is such a sequence (LazyXComSequence)."""

    class Parts(Sequence[int]):
        def __getitem__(self, index: Any) -> Any:
            return [1, 2, 3][index]

        def __len__(self) -> int:
            return 3

    call = parsed(call_of(Parts(), (4, 5), 6, seeing=range(2)))
    assert call["args"] == [[1, 2, 3], [4, 5], 6]
    assert call["kwargs"] == {"seeing": [0, 1]}


def test_positional_arguments_stay_positional() -> None:
    call = parsed(call_of(1, 2, 3, named=4))
    assert (call["args"], call["kwargs"]) == ([1, 2, 3], {"named": 4})


def test_an_image_with_a_python_that_is_too_old_prints_an_error() -> None:
    """Even Python 2, which could not parse the runner."""
    python_2 = (
        "import sys; sys.version_info, sys.version = (2, 7, 18), '2.7.18 (default)'; exec(sys.argv.pop(1))"
    )
    argv = [sys.executable, "-c", python_2, *call_of(1).command[4:]]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.stderr == "@task.canfar needs Python 3.8, and this image has 2.7.18.\n"
    assert ended.returncode == 1
