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

    :param commands: where a call is written.
    :param answers: where its answer is read.
    """

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands = commands
        self._answers = answers

    def call(
        self, emulator: Emulator, verb: str, *args: Any, of: str = "sessions.Session", **options: Any
    ) -> Any:
        """Return what a method returns.

        :param of: the class, below ``canfar``.
        :raises TheirError: in place of what it raises.
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
        answer = json.loads(self._answers.readline())
        if "error" in answer:
            raise TheirError(answer["error"])
        return answer["result"]


class TheirError(Exception):
    """The client has raised something: its class and its words."""


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


def _answer_calls() -> None:
    from importlib import import_module

    answers = sys.stdout
    sys.stdout = sys.stderr  # Whatever else it prints is no answer.
    for line in sys.stdin:
        call = json.loads(line)
        module, _, name = call["of"].rpartition(".")
        kind = getattr(import_module(f"canfar.{module}"), name)
        try:
            with kind(url=call["url"], token=call["token"]) as client:
                answer = {"result": getattr(client, call["verb"])(*call["args"], **call["options"])}
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told on the other side)
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    _answer_calls()
