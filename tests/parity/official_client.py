"""The platform's own client, unchanged, in a process of its own: one call per line of JSON, in and out.

It reads its configuration from the home folder as it is imported, so it gets an empty one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator


class OfficialClient:
    """Calls methods of ``canfar.sessions.Session``, or of another of its classes.

    :param commands: the pipe for calls.
    :param results: the pipe for results.
    """

    def __init__(self, commands: IO[str], results: IO[str]) -> None:
        self._commands = commands
        self._results = results

    def call(
        self, emulator: Emulator, verb: str, *args: Any, of: str = "sessions.Session", **options: Any
    ) -> Any:
        """Call a method and return its result.

        :param of: the class, below ``canfar``.
        :raises TheirError: instead of its own error.
        """
        call = {
            "of": of,
            "url": emulator.url,
            "token": emulator.token,
            "verb": verb,
            "args": args,
            "options": options,
        }
        self._commands.write(json.dumps(call) + "\n")
        self._commands.flush()
        result = json.loads(self._results.readline())
        if "error" in result:
            raise TheirError(result["error"])
        return result["result"]


class TheirError(Exception):
    """The client raised an error: its class and its message."""


@contextmanager
def official_client(home: Path) -> Iterator[OfficialClient]:
    """Run it.

    :param home: an empty folder.
    """
    with subprocess.Popen(
        [sys.executable, __file__],
        env={"HOME": str(home), "PATH": str(Path(sys.executable).parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield OfficialClient(process.stdin, process.stdout)
        process.stdin.close()


def _serve_calls() -> None:
    from importlib import import_module

    results = sys.stdout
    sys.stdout = sys.stderr  # Anything else that it prints is not a result.
    for line in sys.stdin:
        call = json.loads(line)
        module, _, name = call["of"].rpartition(".")
        kind = getattr(import_module(f"canfar.{module}"), name)
        try:
            with kind(url=call["url"], token=call["token"]) as client:
                result = {"result": getattr(client, call["verb"])(*call["args"], **call["options"])}
        except Exception as error:  # noqa: BLE001 (any error is raised on the other side)
            result = {"error": f"{type(error).__name__}: {error}"}
        results.write(json.dumps(result) + "\n")
        results.flush()


if __name__ == "__main__":
    _serve_calls()
