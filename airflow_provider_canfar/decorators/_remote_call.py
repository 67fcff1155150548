"""The command that calls a function in an image that has neither the function nor this package.

The command line is the same for every function. What is called, and with which arguments, is in variables of
the environment: the arguments of a process are shown to everyone on its node, variables are not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from inspect import BoundArguments, signature
from typing import Any

from airflow_provider_canfar.decorators._function_runner import CALL_PREFIX
from airflow_provider_canfar.decorators._json_types import to_json_types
from airflow_provider_canfar.decorators._source import FunctionSource
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.secret import Secret, concealed

#: The most bytes of a call. The platform accepts a command of about 1 MB before encoding (Kubernetes accepts
#: objects of 1.5 MiB, and the command is sent as base64); the runner and the shell's quotes take some of it.
MAX_CALL_BYTES = 1_000_000

#: Bytes in one variable; Linux accepts 131,071 with its name (MAX_ARG_STRLEN).
_VARIABLE_BYTES = 100_000

# Any Python that the image has must be able to read this, even one that is too old for the runner. A
# container starts in the user's home, where a json.py must not shadow Python's own. From Python 3.11 on,
# where "-c" itself imports modules, the variable prevents that; it is removed again so that the function's
# own programs never see it.
_SAFE_PATH = "PYTHONSAFEPATH"
_BOOTSTRAP = f"""\
import os, sys
if sys.version_info < (3, 8):
    sys.exit("@task.canfar needs Python 3.8, and this image has " + sys.version.split()[0] + ".")
os.environ.pop("{_SAFE_PATH}", None)
sys.path[:] = [folder for folder in sys.path if folder]
exec(compile(sys.argv.pop(1), "function_runner.py", "exec"))
"""


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """What to run in a session so that it calls a function.

    :param command: the program and its arguments.
    :param env: the variables that say what to call.
    """

    command: list[str]
    env: dict[str, str] = field(repr=False)


def build_call(
    function: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    marker: str,
    python: str,
    multiple_outputs: bool = False,
) -> RemoteCall:
    """Build what calls a function; it is the same for every replica.

    :param function: a plain function, whose source is sent along.
    :param args: its positional arguments, which JSON must be able to represent.
    :param kwargs: its keyword arguments, likewise.
    :param marker: the nonce that identifies the result; one word, to which each replica appends its number.
    :param python: the interpreter's name in the image, 3.8 or newer.
    :param multiple_outputs: whether Airflow makes an XCom of each item of the result, which must be a dict.
    :raises SpecError: for a function that needs more than its own source, for arguments that do not match its
        parameters or that JSON cannot represent, and for a call that is too long for the platform.
    """
    source = FunctionSource.of(function)
    bound = _bound(function, args, kwargs)
    description = {
        "name": source.name,
        "source": source.text,
        "file": source.file,
        "line": source.line,
        "annotations": source.annotations,
        "replicas": _text_of("airflow_provider_canfar", "replicas.py"),
        "json_types": _text_of("airflow_provider_canfar.decorators", "_json_types.py"),
        "marker": marker,
        "multiple_outputs": multiple_outputs,
    }
    call = Secret(json.dumps(description | {"args": bound.args, "kwargs": bound.kwargs}))
    if len(call) > MAX_CALL_BYTES:
        arguments = len(json.dumps([bound.args, bound.kwargs]))
        raise SpecError(
            f"The call of {source.name}() takes {len(call):,} bytes, {arguments:,} of them for its "
            f"arguments; the limit is {MAX_CALL_BYTES:,}. Write the data to a file below /arc, pass the "
            "file's path, and read the file in the function."
        )
    parts = [call[start : start + _VARIABLE_BYTES] for start in range(0, len(call), _VARIABLE_BYTES)]
    runner = _text_of("airflow_provider_canfar.decorators", "_function_runner.py")
    return RemoteCall(
        command=["env", f"{_SAFE_PATH}=1", python, "-c", _BOOTSTRAP, runner],
        env={f"{CALL_PREFIX}{number}": part for number, part in enumerate(parts, start=1)},
    )


def check_variables(env: Mapping[str, str]) -> None:
    """Reject a task's own variables that a call would replace.

    :param env: the variables, by name.
    :raises SpecError: with the name.
    """
    for name in env:
        if name.startswith(CALL_PREFIX):
            raise SpecError(
                f"Invalid name in env {name!r}: names that begin with {CALL_PREFIX} carry the call of the "
                "function. Choose another."
            )


def _bound(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> BoundArguments:
    """Bind arguments to the function's parameters, converted to JSON's own types."""
    name = function.__name__
    try:
        bound = signature(function).bind(*args, **kwargs)
        for parameter, value in bound.arguments.items():
            bound.arguments[parameter] = concealed(to_json_types(value, f"its argument {parameter}"))
    except TypeError as error:
        raise SpecError(f"{name}() cannot be called with these arguments: {error}.") from None
    except ValueError as fault:
        raise SpecError(f"{name}() cannot be called in the image: {fault}.") from None
    return bound


def _text_of(package: str, file: str) -> str:
    return files(package).joinpath(file).read_text(encoding="utf-8")
