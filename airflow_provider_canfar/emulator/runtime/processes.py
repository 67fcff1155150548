"""The local processes that stand for containers; no other module starts or stops one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from airflow_provider_canfar.emulator.runtime import reaper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

POLL_INTERVAL = 0.02
SESSION_VARIABLE = "skaha_sessionid"


class StartError(Exception):
    """A program could not be started; the container runtime uses the same word as the reason."""


@dataclass(eq=False)
class Program:
    """A session's program, the leader of its own process group.

    :param group: the id of the process and of its group.
    :param started: seconds of the monotonic clock.
    :param exited: the exit code as a container's: 128 plus the signal's number after a signal.
    """

    group: int
    started: float
    exited: asyncio.Future[int]
    process: subprocess.Popen[bytes]


class Processes:
    """All programs of one emulator.

    One task polls their exit codes. That needs no thread and no signal handler, so it also works in a test's
    background thread, and it leaves other child processes of this process alone. If the emulator is killed,
    the reaper ends the programs.

    :param grace: how many seconds the reaper waits between SIGTERM and SIGKILL.
    :param temporary_folder: a folder that the reaper deletes at the end.
    """

    def __init__(self, grace: float, temporary_folder: Path | None = None) -> None:
        self._grace = grace
        self._temporary_folder = temporary_folder
        self._running: dict[int, Program] = {}
        self._sessions: set[str] = set()
        self._has_running = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start the reaper, and the task that polls exit codes."""
        self._reaper = _start_reaper(self._grace, self._temporary_folder)
        self._polling = asyncio.create_task(self._poll(), name="exit-codes")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop every program, and wait until all have ended."""
        await asyncio.gather(*(self.stop(program, self._grace) for program in [*self._running.values()]))
        self._polling.cancel()
        for process in await asyncio.to_thread(_escaped_processes, self._sessions):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        assert self._reaper.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        with contextlib.suppress(BrokenPipeError):
            self._reaper.stdin.close()
        await asyncio.to_thread(self._reaper.wait)

    def start(self, argv: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Program:
        """Start a program.

        :param argv: the program and its arguments.
        :param environment: its whole environment; the program is looked up in the PATH there.
        :param folder: its working directory.
        :param log: the file for its standard output and error; overwritten, as a new pod's log is empty.
        :raises StartError: when it cannot be started, with the container runtime's message.
        """
        try:
            with _private(log) as output:
                process = subprocess.Popen(  # noqa: S603 - running what was posted is what it is for
                    [word.encode() for word in argv],
                    env={name.encode(): value.encode() for name, value in environment.items()},
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:  # ValueError: a NUL, which no exec takes
            raise StartError(_runtime_message(argv, error)) from error
        program = Program(process.pid, time.monotonic(), asyncio.get_running_loop().create_future(), process)
        self._running[process.pid] = program
        self._sessions.add(environment.get(SESSION_VARIABLE, ""))
        self._report_to_reaper(f"+{process.pid}")
        self._has_running.set()
        return program

    async def stop(self, program: Program, grace: float) -> None:
        """Stop a program and its whole group as the kubelet does: SIGTERM, then SIGKILL.

        :param grace: seconds between the two.
        """
        if program.exited.done():
            return  # another process may have its id by now
        reaper.signal_group(program.group, signal.SIGTERM)
        await asyncio.wait([program.exited], timeout=grace)
        if not program.exited.done():
            reaper.signal_group(program.group, signal.SIGKILL)
        await asyncio.wait([program.exited])

    async def _poll(self) -> None:
        while True:
            await self._has_running.wait()
            for program in [*self._running.values()]:
                code = program.process.poll()
                if code is not None:
                    self._record_exit(program, code)
            if not self._running:
                self._has_running.clear()
            await asyncio.sleep(POLL_INTERVAL)

    def _record_exit(self, program: Program, code: int) -> None:
        # A container ends with its first process, even if other processes in it are still running.
        reaper.signal_group(program.group, signal.SIGKILL)
        del self._running[program.group]
        self._report_to_reaper(f"-{program.group}")
        if not program.exited.done():
            program.exited.set_result(code if code >= 0 else 128 - code)

    def _report_to_reaper(self, line: str) -> None:
        assert self._reaper.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        with contextlib.suppress(BrokenPipeError):  # the reaper was killed; the emulator still works
            self._reaper.stdin.write(f"{line}\n".encode())


def _private(log: Path) -> BinaryIO:
    """Open an empty file that only its owner can read: what a program prints may be secret."""
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _start_reaper(grace: float, folder: Path | None) -> subprocess.Popen[bytes]:
    """Start the reaper in its own session, out of the reach of a Ctrl-C at the terminal."""
    command = [sys.executable, "-IS", reaper.__file__, str(grace), *([str(folder)] if folder else [])]
    return subprocess.Popen(  # noqa: S603 - our own file
        command, stdin=subprocess.PIPE, start_new_session=True, bufsize=0
    )


def _runtime_message(argv: Sequence[str], error: Exception) -> str:
    """Return the container runtime's message for a program that cannot be started."""
    program = argv[0] if argv else ""
    if isinstance(error, FileNotFoundError) or not program:
        reason = "no such file or directory" if "/" in program else "executable file not found in $PATH"
    else:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f'runc create failed: unable to start container process: exec: "{program}": {reason}: unknown'
    )


def _escaped_processes(sessions: set[str]) -> list[int]:
    """Return the processes that have left their session's group, where /proc shows them (Linux).

    A container would have ended them with its first process.
    """
    marks = {f"{SESSION_VARIABLE}={session}".encode() for session in sessions}
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # the process has ended, or belongs to another user
            if marks.intersection(environment.read_bytes().split(b"\0")):
                found.append(int(environment.parent.name))
    return found
