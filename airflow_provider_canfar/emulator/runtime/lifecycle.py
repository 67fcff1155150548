"""What brings a session from the queue to its end."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.runtime.processes import Processes, Program, StartError
from airflow_provider_canfar.emulator.runtime.sessions import Session, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_canfar.emulator.config import EmulatorConfig
    from airflow_provider_canfar.emulator.faults import Faults
    from airflow_provider_canfar.emulator.images import ImageLibrary

logger = logging.getLogger(__name__)

PULL_AGAIN_EVERY = 0.1
IMAGE_COMMAND = "/bin/sh"  # what an image runs when nobody says: a shell, which ends as it has no input
START_ERROR = 128  # containerd's exit code for a program that it could not start


class Cause(Enum):
    """What ends a session's running."""

    ITSELF = auto()
    PREEMPTED = auto()
    DEADLINE = auto()


class Lifecycle:
    """The sessions that live: each is a task that queues, pulls, runs and ends one.

    :param processes: where programs run.
    :param images: where each image's programs are.
    :param faults: which pulls fail.
    :param config: returns how they are turned now.
    :param clock: returns the time in seconds since 1970.
    """

    def __init__(
        self,
        processes: Processes,
        images: ImageLibrary,
        faults: Faults,
        config: Callable[[], EmulatorConfig],
        clock: Callable[[], float],
    ) -> None:
        self._processes = processes
        self._images = images
        self._faults = faults
        self._dials = config
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._programs: dict[str, Program] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def begin(self, session: Session) -> None:
        """Put a session in the queue."""
        task = asyncio.create_task(self._live(session), name=f"session-{session.id}")
        task.add_done_callback(lambda task: self._over(session, task))
        self._tasks[session.id] = task

    def end(self, session: Session) -> None:
        """End a session, if it has not ended; its program is stopped in the background, with its grace."""
        task = self._tasks.get(session.id)
        if task:
            task.cancel()

    async def close(self) -> None:
        """End every session, and wait until all their programs have been stopped."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._stopping)

    def _over(self, session: Session, task: asyncio.Task[None]) -> None:
        """Clear away what a life leaves, whether it came to its end or was ended."""
        del self._tasks[session.id]
        error = None if task.cancelled() else task.exception()
        if error:
            logger.error("Session %s ends by a fault of the emulator.", session.id, exc_info=error)
            session.state = State.FAILED
        session.ended = session.ended or self._clock()
        program = self._programs.pop(session.id, None)
        if program:
            stopping = asyncio.create_task(self._stop(session, program), name=f"stop-{session.id}")
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _stop(self, session: Session, program: Program) -> None:
        await self._processes.stop(program, self._dials().grace)
        session.exit_code = program.ended.result()

    async def _live(self, session: Session) -> None:
        while not session.state.is_final:
            session.requeue()
            await asyncio.sleep(self._dials().start_delay)
            await self._pull(session)
            if session.is_headless:
                await self._run(session)
            else:
                await self._serve(session)

    async def _pull(self, session: Session) -> None:
        """Make the pod and pull its image, for as long as that fails."""
        image = session.asked.image
        now = session.started = self._clock()
        session.state = State.PULLING
        session.note("Scheduled", f"Successfully assigned skaha-workload/{session.job}-0 to emulator", None)
        session.note("Pulling", f'Pulling image "{image}"', now)
        if self._faults.fails_to_pull(image):
            reason = f'failed to pull and unpack image "{image}": not found'
            session.note("Failed", f'Failed to pull image "{image}": {reason}', now, "Warning")
            session.note("Failed", "Error: ErrImagePull", now, "Warning")
            session.note("BackOff", f'Back-off pulling image "{image}"', now)
            session.note("Failed", "Error: ImagePullBackOff", now, "Warning")
        while self._faults.fails_to_pull(image):  # noqa: ASYNC110 - a pull is tried again, not announced
            await asyncio.sleep(PULL_AGAIN_EVERY)
        now = self._clock()
        session.note("Pulled", f'Successfully pulled image "{image}"', now)
        session.note("Created", f"Created container {session.job}", now)

    async def _run(self, session: Session) -> None:
        """Run a headless session's program until it ends, or its deadline or a preemption ends it."""
        try:
            program = self._start(session)
        except StartError as error:
            session.note("Failed", f"Error: {error}", self._clock(), "Warning")
            session.log.write_text(f"StartError: {error}\n", encoding="utf-8")
            session.exit_code = START_ERROR
            self._finish(session, State.FAILED)
            return
        self._programs[session.id] = program
        cause = await self._what_ends(session, program.ended)
        if cause is Cause.PREEMPTED:
            session.requeue()
        else:
            session.state = State.ENDING if cause is Cause.ITSELF else State.TERMINATING
        await self._processes.stop(program, self._dials().grace)
        del self._programs[session.id]
        if cause is Cause.PREEMPTED:
            return
        session.exit_code = code = program.ended.result()
        if cause is Cause.ITSELF:
            await asyncio.sleep(self._dials().flicker)
        self._finish(session, State.COMPLETED if (cause, code) == (Cause.ITSELF, 0) else State.FAILED)

    def _start(self, session: Session) -> Program:
        container = session.container
        argv = [*(container.command or ()), *(container.args or ())] or [IMAGE_COMMAND]
        environment = {
            "PATH": self._images.search_path(session.asked.image),
            "LANG": "C.UTF-8",
            "HOSTNAME": session.asked.name,
            **dict(container.environment),
        }
        session.starts += 1
        return self._processes.start(argv, environment, session.folder, session.log)

    async def _serve(self, session: Session) -> None:
        """Keep an interactive session up until its deadline; there is no program behind it."""
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if await self._what_ends(session, never) is Cause.DEADLINE:
            self._finish(session, State.FAILED)

    async def _what_ends(self, session: Session, ended: asyncio.Future[int]) -> Cause:
        """Show a session as running until something ends that, and tell what it was.

        :param ended: is done when the session has ended by itself.
        """
        session.state = State.RUNNING
        started = self._clock()
        session.note("Started", f"Started container {session.job}", started)
        preempted = asyncio.create_task(session.preempted.wait())
        try:
            while not (ended.done() or preempted.done()):
                left = (session.started or started) + session.deadline - self._clock()
                if left <= 0:
                    return Cause.DEADLINE
                # A renewal may move the deadline meanwhile.
                await asyncio.wait((ended, preempted), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            preempted.cancel()
        return Cause.PREEMPTED if session.preempted.is_set() else Cause.ITSELF

    def _finish(self, session: Session, state: State) -> None:
        session.state = state
        session.ended = self._clock()
