"""A call of a function, as a command line that makes it in an image that knows nothing of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from inspect import BoundArguments, signature
from typing import Any

from airflow_provider_canfar.decorators._function_runner import to_json_types
from airflow_provider_canfar.decorators._source import FunctionSource
from airflow_provider_canfar.skaha.errors import SpecError

#: Bytes of a call. The platform takes about 1 MB of a command as it is written (Kubernetes takes objects of
#: 1.5 MiB, and the command is in base64), and the runner and the shell's quotes need some of it.
MAX_CALL_BYTES = 1_000_000

#: Bytes in one argument of a command line; Linux takes 131,071 (MAX_ARG_STRLEN).
_WORD_BYTES = 100_000

# It is read by whatever Python the image has, also by one that would not understand the runner. A container
# starts in the user's home, whose modules are not to be taken for Python's own: the variable sees to it from
# Python 3.11 on, where "-c" itself imports some, and is not for the function's own programs.
_SAFE_PATH = "PYTHONSAFEPATH"
_BOOTSTRAP = f"""\
import os, sys
if sys.version_info < (3, 8):
    sys.exit("@task.canfar needs Python 3.8, and this image has " + sys.version.split()[0] + ".")
os.environ.pop("{_SAFE_PATH}", None)
sys.path[:] = [folder for folder in sys.path if folder]
exec(compile(sys.argv.pop(1), "runner.py", "exec"))
"""


def command(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], *, token: str, python: str
) -> list[str]:
    """Write the command line that calls a function, in whichever replica it runs.

    :param function: a plain function; its source goes along.
    :param args: its positional arguments: what JSON has a form for.
    :param kwargs: its named arguments, likewise.
    :param token: in one word, whose result it will be; the replica adds its number.
    :param python: the interpreter's name in the image, 3.8 or newer.
    :raises SpecError: for a function that needs more than its own source, for arguments that it does not take
        or that are no JSON, and for more than the platform carries.
    """
    source = FunctionSource.of(function)
    bound = _bound(function, args, kwargs)
    about = {
        "name": source.name,
        "source": source.text,
        "file": source.file,
        "line": source.line,
        "annotations": source.annotations,
        "replicas": _text_of("airflow_provider_canfar", "replicas.py"),
        "token": token,
    }
    call = json.dumps(about | {"args": bound.args, "kwargs": bound.kwargs})
    if len(call) > MAX_CALL_BYTES:
        arguments = len(json.dumps([bound.args, bound.kwargs]))
        raise SpecError(
            f"The call of {source.name}() has {len(call):,} bytes, {arguments:,} of them its arguments, and "
            f"the platform carries {MAX_CALL_BYTES:,}. Write the data to a file below /arc, pass the file's "
            "path, and let the function read it."
        )
    words = [call[start : start + _WORD_BYTES] for start in range(0, len(call), _WORD_BYTES)]
    runner = _text_of("airflow_provider_canfar.decorators", "_function_runner.py")
    return ["env", f"{_SAFE_PATH}=1", python, "-c", _BOOTSTRAP, runner, *words]


def _bound(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> BoundArguments:
    """Bind arguments to the function's parameters, in JSON's own types."""
    name = function.__name__
    try:
        bound = signature(function).bind(*args, **kwargs)
        for parameter, value in bound.arguments.items():
            bound.arguments[parameter] = to_json_types(value, f"its argument {parameter}")
    except TypeError as error:
        raise SpecError(f"{name}() cannot be called so: {error}.") from None
    except ValueError as fault:
        raise SpecError(f"{name}() cannot be called in the image: {fault}.") from None
    return bound


def _text_of(package: str, file: str) -> str:
    return files(package).joinpath(file).read_text(encoding="utf-8")
