"""The program that runs a function inside a session, and sends back what it returns.

Airflow does not run it: :mod:`.call` sends its text along, so the image needs nothing but Python 3.8 and that
Python's own library. Whatever the function prints goes to the session's log as it is. When the function has
returned, its result follows in lines of their own::

    canfar-result k3v5x2qamd-0-1-7-20 1/2 f2a1... {"m13_07.fits": [1
    canfar-result k3v5x2qamd-0-1-7-20 2/2 f2a1... 2.4, 13.1]}

Each names the replica whose result it is, its own number and their total, a checksum of the whole, and a
piece of its JSON. :mod:`.frame` reads them back.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import hashlib
import json
import linecache
import logging
import math
import os
import sys
import traceback
import types
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

#: How a line of a result begins.
MARK = "canfar-result"

#: Bytes of a line that the kernel writes in one go, whoever else writes to the same pipe (POSIX: PIPE_BUF).
#: It is also well below the 16 KiB at which the container runtime cuts lines.
LINE_BYTES = 4096

#: Bytes of JSON that may come back from one replica. All of them together wait in Airflow's database while a
#: task is deferred, and a kubelet begins a new log at 10 MiB and forgets the one before.
MAX_RESULT_BYTES = 256 * 1024

#: How deep lists and dicts may be nested; what contains itself would be without end.
MAX_DEPTH = 100

#: Bits of a whole number, about 4,000 digits; Python by itself reads no more than 4,300.
MAX_BITS = 13_000

# What arrays, times and paths have, and what JSON has a form for.
_STAND_INS = (("tolist", "its tolist()"), ("isoformat", "its isoformat()"), ("__fspath__", "its str()"))


def main(words: list[str]) -> None:
    """Call the function that the words of the command line describe, and write down its result.

    An exception is shown as it would be where the function was written, and the exit code is then 1. A call
    of ``sys.exit`` has its own.
    """
    call = json.loads("".join(words))
    del sys.argv[1:]  # Many a library looks for its own options there.
    token = f"{call['token']}-{_number('REPLICA_ID')}-{_number('REPLICA_COUNT')}"
    process = os.getpid()
    # Whatever becomes of them, through the function or what that calls.
    stdout, stderr = os.dup(1), os.dup(2)
    _let_output_through()
    try:
        function = _define(call)
        result = function(*call["args"], **call["kwargs"])
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, its author shall see it
        _leave(stderr, _traceback(error, call["file"]))
    if os.getpid() != process:
        return  # A fork of the function's that came back as well: the result is its parent's to tell.
    try:
        text = json.dumps(to_json_types(result, "its result"), allow_nan=False)
    except ValueError as fault:
        _leave(stderr, f"{call['name']}() returned what cannot come back: {fault}.\n")
    if len(text) > MAX_RESULT_BYTES:
        _leave(
            stderr,
            f"{call['name']}() returned {len(text):,} bytes of JSON, and {MAX_RESULT_BYTES:,} can come back. "
            "Let it write them to a file below /arc, and return the file's path.\n",
        )
    _flush()
    for line in result_lines(token, text):
        _write(stdout, f"\n{line}\n")  # Somebody else's line may not have ended.


def result_lines(token: str, text: str) -> list[str]:
    """Write a result in lines that begin with :data:`MARK`.

    :param token: names the replica whose result it is, in one word.
    :param text: its JSON: one line of ASCII.
    """
    check = checksum(token, text)
    room = LINE_BYTES - len(f"\n{MARK} {token} 999/999 {check} \n")
    pieces = [text[start : start + room] for start in range(0, len(text), room)]
    return [
        f"{MARK} {token} {number}/{len(pieces)} {check} {piece}"
        for number, piece in enumerate(pieces, start=1)
    ]


def checksum(token: str, text: str) -> str:
    """Return 32 hexadecimal digits that no other text, and no other replica, has."""
    return hashlib.sha256(f"{token} {text}".encode("ascii")).hexdigest()[:32]


def to_json_types(value: object, where: str, depth: int = 0) -> object:
    """Return a value in JSON's own types, from which JSON gives the same value back; a tuple becomes a list.

    :param where: what the value is called in an error.
    :raises ValueError: for what JSON has no form for, with its place and its type.
    """
    if depth > MAX_DEPTH:
        raise ValueError(
            f"{where[:60]}... is nested deeper than {MAX_DEPTH} lists and dicts; it may contain itself"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {float(value)!r}, which JSON has no number for; None may stand for it")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError(f"{where} is a number of more than 4,000 digits; a string may stand for it")
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(
                    f"{where} has the key {key!r:.60} of type {_type_of(key)}, and a key in JSON is a string"
                )
        return {key: to_json_types(value[key], f"{where}[{key!r}]", depth + 1) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [to_json_types(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    hint = next((f"; {words} may stand for it" for name, words in _STAND_INS if hasattr(value, name)), "")
    raise ValueError(f"{where} is of type {_type_of(value)}, which JSON has no form for{hint}")


def _type_of(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _let_output_through() -> None:
    """Let each line of output, and each record from INFO up, arrive in the log as soon as it is written."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    # The handler that is used where none has been set up: the function may still set up its own.
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.NOTSET)
        logging.lastResort.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().setLevel(logging.INFO)


def _define(call: dict[str, Any]) -> types.FunctionType:
    """Make the function of its source, in a ``__main__`` of its own, with what it is given."""
    replicas = types.ModuleType("replicas")
    exec(_compiled(call["replicas"], "replicas.py", 1, annotations=True), replicas.__dict__)  # noqa: S102 - ours
    main = types.ModuleType("__main__")
    main.__dict__.update(
        chunk=replicas.__dict__["chunk"],
        stripe=replicas.__dict__["stripe"],
        REPLICA_ID=_number("REPLICA_ID"),
        REPLICA_COUNT=_number("REPLICA_COUNT"),
    )
    sys.modules["__main__"] = main
    code = _compiled(
        call["source"], call["file"], call["line"], annotations=call["annotations"], only_it=True
    )
    exec(code, main.__dict__)  # noqa: S102 - running it is what this program is for
    function: types.FunctionType = main.__dict__[call["name"]]
    return function


def _compiled(
    source: str, file: str, line: int, *, annotations: bool, only_it: bool = False
) -> types.CodeType:
    """Compile source as the part of a file that it is, and let tracebacks show its lines.

    :param line: the number of its first line in the file.
    :param annotations: whether the file has ``from __future__ import annotations``.
    :param only_it: whether it is one function, to be had without its decorators, and without annotations of
        its parameters: those are for Airflow and for checkers, and name what is not in the image.
    """
    linecache.cache[file] = (
        len(source),
        None,  # No time: it is never compared with a file of that name in the image.
        ["\n"] * (line - 1) + [f"{one}\n" for one in source.split("\n")],
        file,
    )
    # A function inside another one is indented, and the lines of a string in it are not to be touched.
    before = "\n" * (line - 2) + "if True:\n" if source[:1].isspace() else "\n" * (line - 1)
    tree = ast.parse(before + source, file)
    if only_it:
        function = tree.body[0].body[0] if isinstance(tree.body[0], ast.If) else tree.body[0]
        assert isinstance(function, ast.FunctionDef)  # noqa: S101 - Airflow's side has seen to it
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
    """Return a traceback that begins with the function, as if nothing had called it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    if isinstance(error, SyntaxError):
        text += f"{sys.executable} in this image is Python {sys.version.split()[0]}.\n"
    return text


def _leave(stderr: int, words: str) -> NoReturn:
    """Say why there is no result, and end."""
    _flush()
    _write(stderr, words)
    sys.exit(1)


def _flush() -> None:
    """Let what was printed before come before."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # The function may have put anything in its place.
            stream.flush()


def _write(descriptor: int, text: str) -> None:
    # A child may have left the pipe such that it takes no more than it can.
    os.set_blocking(descriptor, True)
    data = text.encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(descriptor, data) :]


def _number(variable: str) -> int:
    return int(os.environ.get(variable, "1"))


if __name__ == "__main__":
    main(sys.argv[1:])
