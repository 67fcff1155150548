"""The local processes that stand for containers: started, reaped and stopped here, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from airflow_provider_canfar.emulator.runtime import reaper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REAP_EVERY = 0.02
SESSION_VARIABLE = "skaha_sessionid"


class StartError(Exception):
    """A program could not be started; the container runtime calls the reason StartError."""


@dataclass(eq=False)
class Program:
    """A program of a session, leader of its own process group.

    :param group: the number of the process and of its group.
    :param ended: the exit code, as a container's: 128 and the signal's number when a signal ended it.
    """

    group: int
    ended: asyncio.Future[int]
    process: subprocess.Popen[bytes]


class Processes:
    """All programs of one emulator.

    One task reaps them, by asking each in turn: that needs no thread and no signal handler, so it works in a
    background thread of a test as well, and leaves other people's children alone. A guardian process ends
    them should the emulator be killed.

    :param grace: how long, in seconds, the guardian gives them then.
    :param temporary_folder: what the guardian deletes at last, if anything.
    """

    def __init__(self, grace: float, temporary_folder: Path | None = None) -> None:
        self._grace = grace
        self._temporary_folder = temporary_folder
        self._running: dict[int, Program] = {}
        self._sessions: set[str] = set()
        self._some = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start the guardian and the reaper."""
        self._guardian = _start_guardian(self._grace, self._temporary_folder)
        self._reaper = asyncio.create_task(self._reap(), name="reaper")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop every program, and wait until all have ended."""
        await asyncio.gather(*(self.stop(program, self._grace) for program in [*self._running.values()]))
        self._reaper.cancel()
        for process in await asyncio.to_thread(_strays, self._sessions):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        assert self._guardian.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        with contextlib.suppress(BrokenPipeError):
            self._guardian.stdin.close()
        await asyncio.to_thread(self._guardian.wait)

    def start(self, argv: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Program:
        """Start a program.

        :param argv: it and its arguments.
        :param environment: its whole environment; its PATH is searched for the program.
        :param folder: where it works.
        :param log: the file that gets its standard output and error; an older log is lost, as a pod's is.
        :raises StartError: when it cannot be started, in the words of the container runtime.
        """
        try:
            with log.open("wb") as output:
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
            raise StartError(_runtime_words(argv, error)) from error
        program = Program(process.pid, asyncio.get_running_loop().create_future(), process)
        self._running[process.pid] = program
        self._sessions.add(environment.get(SESSION_VARIABLE, ""))
        self._tell_guardian(f"+{process.pid}")
        self._some.set()
        return program

    async def stop(self, program: Program, grace: float) -> None:
        """Stop a program and its whole group: TERM, then KILL after a grace, as the kubelet does.

        :param grace: seconds.
        """
        if program.ended.done():
            return  # and its number may be another's by now
        reaper.signal_group(program.group, signal.SIGTERM)
        await asyncio.wait([program.ended], timeout=grace)
        if not program.ended.done():
            reaper.signal_group(program.group, signal.SIGKILL)
        await asyncio.wait([program.ended])

    async def _reap(self) -> None:
        while True:
            await self._some.wait()
            for program in [*self._running.values()]:
                code = program.process.poll()
                if code is not None:
                    self._end(program, code)
            if not self._running:
                self._some.clear()
            await asyncio.sleep(REAP_EVERY)

    def _end(self, program: Program, code: int) -> None:
        # A container ends with its first process, whoever else is in it.
        reaper.signal_group(program.group, signal.SIGKILL)
        del self._running[program.group]
        self._tell_guardian(f"-{program.group}")
        if not program.ended.done():
            program.ended.set_result(code if code >= 0 else 128 - code)

    def _tell_guardian(self, line: str) -> None:
        assert self._guardian.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it; we can still do our part
            self._guardian.stdin.write(f"{line}\n".encode())


def _start_guardian(grace: float, folder: Path | None) -> subprocess.Popen[bytes]:
    """Start the guardian, in a session of its own so that a Ctrl-C at the terminal does not reach it."""
    command = [sys.executable, "-IS", reaper.__file__, str(grace), *([str(folder)] if folder else [])]
    return subprocess.Popen(  # noqa: S603 - our own file
        command, stdin=subprocess.PIPE, start_new_session=True, bufsize=0
    )


def _runtime_words(argv: Sequence[str], error: Exception) -> str:
    """Return what the container runtime says of a program that cannot be started."""
    program = argv[0] if argv else ""
    if isinstance(error, FileNotFoundError) or not program:
        reason = "no such file or directory" if "/" in program else "executable file not found in $PATH"
    else:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f'runc create failed: unable to start container process: exec: "{program}": {reason}: unknown'
    )


def _strays(sessions: set[str]) -> list[int]:
    """Return the processes that left their session's group, as far as the machine tells (Linux does).

    A container would have ended them with its first process.
    """
    marks = {f"{SESSION_VARIABLE}={session}".encode() for session in sessions}
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if marks.intersection(environment.read_bytes().split(b"\0")):
                found.append(int(environment.parent.name))
    return found
