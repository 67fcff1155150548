"""The program that runs a function inside a session and prints what the function returned.

Airflow never runs this module: :mod:`._remote_call` sends its text along, with those of :mod:`._json_types`
and ``replicas``, so the image needs only Python 3.8 and the standard library. Whatever the function prints
goes to the session's log unchanged. When the function has returned, its result follows on its own lines, and
then the exit status::

    canfar-result 9f2c41d0-7-20 1/2 f2a1... {"m13_07.fits": [1
    canfar-result 9f2c41d0-7-20 2/2 f2a1... 2.4, 13.1]}
    canfar-result 9f2c41d0-7-20 end 0 77b0...

Each line of the result has a marker, the line's number and the total, a checksum of the whole result, and a
piece of its JSON. The marker is a nonce of the task's try, which is printed nowhere else, with the numbers of
the replica and of replicas. The last line says that nothing more follows: a log that has it was not cut
short. :mod:`._result_lines` parses them.

The call comes in variables of the environment, because arguments are in the process list. They are removed
before the function runs, so that the programs that it starts do not inherit them.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import hashlib
import json
import linecache
import logging
import os
import sys
import traceback
import types
from typing import Any, NoReturn

#: How a line of a result begins.
RESULT_PREFIX = "canfar-result"

#: How the variables with the parts of the call begin; a number from 1 follows.
CALL_PREFIX = "CANFAR_CALL_"

#: The longest line, in bytes, that the kernel writes to a pipe atomically, even with other writers (POSIX:
#: PIPE_BUF). It is also well below the 16 KiB at which the container runtime splits lines.
LINE_BYTES = 4096

#: The most bytes of JSON that one replica may return. Airflow's database holds the results of all replicas
#: while a task is deferred, and a kubelet rotates a log at 10 MiB and drops the previous file.
MAX_RESULT_BYTES = 256 * 1024


def main(text: str) -> None:
    """Call a function, and print its result and the exit status.

    The function's exception is printed as if it had been raised where the function was written, and the exit
    code is then 1. A ``sys.exit`` keeps its own code.

    :param text: the JSON of the call.
    """
    call = json.loads(text)
    marker = f"{call['marker']}-{_number('REPLICA_ID')}-{_number('REPLICA_COUNT')}"
    process = os.getpid()
    # Duplicates, because the function or a library may close or redirect the originals.
    stdout, stderr = os.dup(1), os.dup(2)
    _configure_output()
    leave: SystemExit | None = None
    try:
        lines = result_lines(marker, _result_of(call, stderr))
    except SystemExit as error:
        leave, lines = error, [end_line(marker, _status_of(error))]
    if os.getpid() == process:  # A child that the function forked returned here too; only the parent reports.
        _flush()
        for line in lines:
            _write(stdout, f"\n{line}\n")  # Another writer's line may be unfinished.
    if leave is not None:
        raise leave


def _result_of(call: dict[str, Any], stderr: int) -> str:
    """Call the function, and return the JSON of what it returns.

    :raises SystemExit: for the function's own, and with code 1 for anything that has gone wrong.
    """
    process = os.getpid()
    json_types = _load_module("json_types", call["json_types"])
    try:
        function = _load_function(call)
        result = function(*call["args"], **call["kwargs"])
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - the function's author must see every exception
        _exit_with(stderr, _traceback(error, call["file"]))
    if os.getpid() != process:
        return "null"  # A child that the function forked.
    try:
        if call.get("multiple_outputs"):
            json_types.check_outputs(result)
        text = json.dumps(json_types.to_json_types(result, "result"), allow_nan=False)
    except ValueError as fault:
        _exit_with(stderr, f"{call['name']}() returned a value that Airflow cannot store: {fault}.\n")
    except Exception as error:  # noqa: BLE001 - a value of the author's own class may raise anything
        _exit_with(stderr, _traceback(error, call["file"]))
    if len(text) > MAX_RESULT_BYTES:
        _exit_with(
            stderr,
            f"{call['name']}() returned {len(text):,} bytes of JSON; the limit is {MAX_RESULT_BYTES:,}. "
            "Write the data to a file below /arc and return the file's path.\n",
        )
    return text


def result_lines(marker: str, text: str) -> list[str]:
    """Format a result as lines that begin with :data:`RESULT_PREFIX`, the one that ends them included.

    :param marker: identifies the replica that returned the result; one word.
    :param text: the result's JSON: one line of ASCII.
    """
    check = checksum(marker, text)
    room = LINE_BYTES - len(f"\n{RESULT_PREFIX} {marker} 999/999 {check} \n")
    pieces = [text[start : start + room] for start in range(0, len(text), room)]
    lines = [
        f"{RESULT_PREFIX} {marker} {number}/{len(pieces)} {check} {piece}"
        for number, piece in enumerate(pieces, start=1)
    ]
    return [*lines, end_line(marker, 0)]


def end_line(marker: str, status: int) -> str:
    """Format the last line: the exit status, and a checksum of it."""
    return f"{RESULT_PREFIX} {marker} end {status} {checksum(marker, f'end {status}')}"


def checksum(marker: str, text: str) -> str:
    """Return 32 hexadecimal digits that identify this text from this replica."""
    return hashlib.sha256(f"{marker} {text}".encode("ascii")).hexdigest()[:32]


def _configure_output() -> None:
    """Make each line of output, and each log record from INFO up, reach the session's log immediately."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    # logging uses this handler as long as no other is configured; the function may still configure its own.
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.NOTSET)
        logging.lastResort.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().setLevel(logging.INFO)


def _load_module(name: str, source: str) -> Any:
    """Create a module of this project from its text."""
    module = types.ModuleType(name)
    exec(_compile(source, f"{name}.py", 1, annotations=True), module.__dict__)  # noqa: S102 - ours
    return module


def _load_function(call: dict[str, Any]) -> types.FunctionType:
    """Create the function from its source, in a new ``__main__`` module with the names that it may use."""
    replicas = _load_module("replicas", call["replicas"])
    main = types.ModuleType("__main__")
    main.__dict__.update(
        chunk=replicas.chunk,
        stripe=replicas.stripe,
        REPLICA_ID=_number("REPLICA_ID"),
        REPLICA_COUNT=_number("REPLICA_COUNT"),
    )
    sys.modules["__main__"] = main
    code = _compile(
        call["source"], call["file"], call["line"], annotations=call["annotations"], only_function=True
    )
    exec(code, main.__dict__)  # noqa: S102 - running the function is what this program is for
    function: types.FunctionType = main.__dict__[call["name"]]
    return function


def _compile(
    source: str, file: str, line: int, *, annotations: bool, only_function: bool = False
) -> types.CodeType:
    """Compile source as a part of its original file, so that tracebacks show the original lines.

    :param line: the number of the source's first line in the file.
    :param annotations: whether the file has ``from __future__ import annotations``.
    :param only_function: whether the source is one function, to be compiled without its decorators and
        without the annotations of its parameters: Airflow and type checkers use those, and the image may not
        have what they name.
    """
    linecache.cache[file] = (
        len(source),
        None,  # No modification time: linecache then never looks for a file of that name in the image.
        ["\n"] * (line - 1) + [f"{one}\n" for one in source.split("\n")],
        file,
    )
    # A nested function's source is indented. Dedenting it would change the lines of its multi-line strings.
    before = "\n" * (line - 2) + "if True:\n" if source[:1].isspace() else "\n" * (line - 1)
    tree = ast.parse(before + source, file)
    if only_function:
        function = tree.body[0].body[0] if isinstance(tree.body[0], ast.If) else tree.body[0]
        assert isinstance(function, ast.FunctionDef)  # noqa: S101 - Airflow's side has checked it
        function.decorator_list = []
        function.returns = None
        for node in ast.walk(function.args):
            if isinstance(node, ast.arg):
                node.annotation = None
        tree.body = [function]
    flags = __future__.annotations.compiler_flag if annotations else 0
    code: types.CodeType = compile(tree, file, "exec", flags, dont_inherit=True)
    return code


def _traceback(error: BaseException, file: str) -> str:
    """Format a traceback that begins in the function, without the frames of this program."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    if isinstance(error, SyntaxError):
        text += f"{sys.executable} in this image is Python {sys.version.split()[0]}.\n"
    return text


def _exit_with(stderr: int, message: str) -> NoReturn:
    """Print why there is no result, and exit with code 1."""
    _flush()
    _write(stderr, message)
    sys.exit(1)


def _flush() -> None:
    """Write out buffered output, so that it precedes what this program writes next."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # The function may have replaced the streams with anything.
            stream.flush()


def _write(descriptor: int, text: str) -> None:
    # A child process may have left the pipe in non-blocking mode, in which a write can be partial.
    os.set_blocking(descriptor, True)
    data = text.encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(descriptor, data) :]


def _status_of(leave: SystemExit) -> int:
    """Return the exit status that Python makes of a ``sys.exit``."""
    if leave.code is None:
        return 0
    return leave.code & 0xFF if isinstance(leave.code, int) else 1


def _take_call() -> str:
    """Remove the JSON of the call from the environment, and return it."""
    parts: list[str] = []
    while f"{CALL_PREFIX}{len(parts) + 1}" in os.environ:
        parts.append(os.environ.pop(f"{CALL_PREFIX}{len(parts) + 1}"))
    return "".join(parts)


def _number(variable: str) -> int:
    return int(os.environ.get(variable, "1"))


if __name__ == "__main__":
    main(_take_call())
