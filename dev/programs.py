"""Start programs that do not outlive this process."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dev import watchdog


@dataclass(frozen=True)
class Program:
    """A running program.

    :param name: its name in messages.
    :param process: its process.
    :param log: the file with its output.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or None while it is running."""
        return self.process.poll()

    def signal(self, number: signal.Signals, *, include_children: bool = False) -> None:
        """Send a signal to the program, and optionally to all processes that it has started."""
        pid = self.process.pid
        watchdog.signal_all(watchdog.processes_of(pid) if include_children else [pid], number)

    def last_lines(self, count: int = 20) -> str:
        """Return the end of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


class Programs:
    """The programs that this process has started; they end with the ``with`` block, or with this process.

    >>> with Programs() as programs:
    ...     program = programs.start("sleep", ["sleep", "60"], log=Path("/dev/null"))
    """

    def __init__(self) -> None:
        self._running: dict[int, Program] = {}

    def __enter__(self) -> Self:
        """Start the watchdog, which terminates the programs if this process is killed."""
        self._watchdog = subprocess.Popen(
            [sys.executable, watchdog.__file__], stdin=subprocess.PIPE, start_new_session=True, text=True
        )
        return self

    def __exit__(self, *exc: object) -> None:
        """Terminate the programs that are still running."""
        self.terminate(*self.running)
        assert self._watchdog.stdin is not None  # noqa: S101 - for mypy: it has a pipe
        self._watchdog.stdin.close()
        self._watchdog.wait()

    @property
    def running(self) -> list[Program]:
        """The programs that :meth:`terminate` has not terminated yet."""
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
        """Start a program, with an empty standard input.

        :param name: its name in messages.
        :param command: the program and its arguments.
        :param log: the file to append its output to.
        :param env: its complete environment; by default, that of this process.
        :param folder: its working directory.
        """
        # Only its owner reads a log: a program may print a secret, as the emulator prints its token.
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            process = subprocess.Popen(
                command,
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._notify_watchdog(f"+{process.pid}")
        program = Program(name, process, log)
        self._running[process.pid] = program
        return program

    def terminate(self, *programs: Program, grace_period: float = watchdog.GRACE_PERIOD) -> None:
        """Terminate programs and all processes that they have started: SIGTERM, then SIGKILL.

        :param programs: the programs.
        :param grace_period: seconds between the two.
        """
        watchdog.terminate([program.process.pid for program in programs], grace_period)
        for program in programs:
            program.process.wait()
            self._running.pop(program.process.pid, None)
            self._notify_watchdog(f"-{program.process.pid}")

    def _notify_watchdog(self, line: str) -> None:
        assert self._watchdog.stdin is not None  # noqa: S101 - for mypy: it has a pipe
        with contextlib.suppress(
            BrokenPipeError
        ):  # the watchdog was killed; programs still end with the block
            print(line, file=self._watchdog.stdin, flush=True)


#: Ports that no system hands out by itself: a server that restarts finds its own port free.
LASTING_PORTS = range(20_000, 32_768)


def free_ports(count: int) -> list[int]:
    """Return unused ports of the loopback interface, which stay a server's own while it restarts."""
    at_random = random.sample(LASTING_PORTS, len(LASTING_PORTS))
    return list(itertools.islice(filter(_is_free, at_random), count))


def free_port(preferred: int) -> int:
    """Return the first unused port of the loopback interface from a preferred one on."""
    return next(port for port in range(preferred, 65536) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as client, socket.socket() as server:
        if client.connect_ex(("127.0.0.1", port)) == 0:
            return False
        # As the servers do: a port is usable while connections of its last owner are still closing.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def environment(*, without: Sequence[str] = (), **variables: str) -> dict[str, str]:
    """Return the environment of this process with some variables changed.

    :param without: prefixes of the names to remove.
    :param variables: the variables to set.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(tuple(without))}
    return kept | variables
