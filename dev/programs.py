"""Programs that run beside this one, and do not outlive it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dev import guardian


@dataclass(frozen=True)
class Program:
    """A program that was started here.

    :param name: what people call it.
    :param log: the file that has its output.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs."""
        return self.process.poll()

    def signal(self, number: signal.Signals, *, everybody: bool = False) -> None:
        """Send a signal to the program, or to everybody whom it has started as well."""
        guardian.signal_all(guardian.followers(self.process.pid) if everybody else [self.process.pid], number)

    def last_lines(self, count: int = 20) -> str:
        """Return the end of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


class Programs:
    """All programs that this process has started; they end with the ``with`` block, or with this process.

    >>> with Programs() as programs:
    ...     program = programs.start("sleep", ["sleep", "60"], log=Path("/dev/null"))
    """

    def __init__(self) -> None:
        self._running: dict[int, Program] = {}

    def __enter__(self) -> Self:
        """Start the guardian, which ends the programs should this process be killed."""
        self._guardian = subprocess.Popen(
            [sys.executable, guardian.__file__], stdin=subprocess.PIPE, start_new_session=True, text=True
        )
        return self

    def __exit__(self, *exc: object) -> None:
        """End what still runs."""
        self.end(*self.running)
        assert self._guardian.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        self._guardian.stdin.close()
        self._guardian.wait()

    @property
    def running(self) -> list[Program]:
        """Those that have not been ended yet."""
        return list(self._running.values())

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Program:
        """Start a program with nothing on its standard input.

        :param name: what people call it.
        :param command: it and its arguments.
        :param log: the file that its output is added to.
        :param env: its whole environment; ours when left out.
        :param folder: where it works.
        """
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._tell_guardian(f"+{process.pid}")
        program = Program(name, process, log)
        self._running[process.pid] = program
        return program

    def end(self, *programs: Program, grace: float = guardian.GRACE) -> None:
        """End programs and everybody whom they have started: TERM, and after a grace KILL.

        :param grace: seconds.
        """
        guardian.end([program.process.pid for program in programs], grace)
        for program in programs:
            program.process.wait()
            self._running.pop(program.process.pid, None)
            self._tell_guardian(f"-{program.process.pid}")

    def _tell_guardian(self, line: str) -> None:
        assert self._guardian.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it; we can still do our part
            print(line, file=self._guardian.stdin, flush=True)


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def environment(*, without: Sequence[str] = (), **variables: str) -> dict[str, str]:
    """Return our environment with some variables changed.

    :param without: the beginnings of names that are left out.
    :param variables: what is added.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(tuple(without))}
    return kept | variables
