"""Takes each session from the queue to its end."""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.faults.pod_faults import Pull
from airflow_provider_canfar.emulator.runtime.image_pull import failed_pull_events, pulled_event
from airflow_provider_canfar.emulator.runtime.processes import Processes, Program, StartError
from airflow_provider_canfar.emulator.runtime.sessions import Session, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_canfar.emulator.config import EmulatorConfig
    from airflow_provider_canfar.emulator.faults.switched import Faults
    from airflow_provider_canfar.emulator.images import ImageLibrary

logger = logging.getLogger(__name__)

PULL_RETRY_INTERVAL = 0.1
IMAGE_COMMAND = "/bin/sh"  # every image's default: a shell, which ends at once as it has no input
START_ERROR_CODE = 128  # containerd's exit code for a program that it could not start


class EndCause(Enum):
    """Why a session has stopped running."""

    EXIT = auto()
    PREEMPTION = auto()
    DEADLINE = auto()


class Lifecycle:
    """Runs one asyncio task per live session, which queues, pulls, runs and ends it.

    :param processes: starts and stops programs.
    :param images: has the PATH of each image.
    :param faults: decides which pulls fail.
    :param config: returns the current configuration.
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
        self._config = config
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._programs: dict[Session, Program] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def start(self, session: Session) -> None:
        """Put a session in the queue."""
        task = asyncio.create_task(self._run_session(session), name=f"session-{session.job}")
        task.add_done_callback(lambda task: self._clean_up(session, task))
        self._tasks[session.job] = task

    def stop(self, session: Session) -> None:
        """End a session, unless it has ended; its program gets its grace period in the background."""
        task = self._tasks.get(session.job)
        if task:
            task.cancel()

    @property
    def programs(self) -> Mapping[Session, Program]:
        """The programs that are running, by session."""
        return self._programs

    async def close(self) -> None:
        """End every session, and wait until all their programs have stopped."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._stopping)

    def _clean_up(self, session: Session, task: asyncio.Task[None]) -> None:
        """Record a session's end, and stop its program if that is still running."""
        del self._tasks[session.job]
        error = None if task.cancelled() else task.exception()
        if error:
            logger.error("Unexpected error in the emulator; session %s failed.", session.id, exc_info=error)
            session.state = State.FAILED
        session.ended = session.ended or self._clock()
        program = self._programs.pop(session, None)
        if program:
            stopping = asyncio.create_task(self._stop_program(session, program), name=f"stop-{session.job}")
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _stop_program(self, session: Session, program: Program) -> None:
        await self._processes.stop(program, self._config().grace)
        session.exit_code = program.exited.result()

    async def _run_session(self, session: Session) -> None:
        while not session.state.is_final:
            session.requeue()
            await asyncio.sleep(self._config().start_delay)
            await self._pull(session)
            if session.is_headless:
                await self._run_program(session)
            else:
                await self._run_without_program(session)

    async def _pull(self, session: Session) -> None:
        """Create the pod, and retry pulling its image until that works."""
        image = session.request.image
        now = session.started = self._clock()
        session.state = State.PULLING
        add_event = session.add_event
        add_event("Scheduled", f"Successfully assigned skaha-workload/{session.job}-0 to emulator", None)
        add_event("Pulling", f'Pulling image "{image}"', now)
        await self._fail_to_pull(session)
        now = self._clock()
        session.events.append(pulled_event(image, now))
        add_event("Created", f"Created container {session.job}", now)

    async def _fail_to_pull(self, session: Session) -> None:
        """Retry while a fault says that the pull fails, as the kubelet does; the reason may change."""
        image = session.request.image
        began = self._clock()
        known: Pull | None = None
        pull: Pull | None = None
        while True:
            current = self._faults.get(Pull)
            if current is not known:
                known, pull = current, self._faults.fire_pull(image)
                if pull:
                    session.events.extend(failed_pull_events(pull, image, session.job, self._clock()))
            if pull is None:
                return
            if pull.succeeds_after is not None and self._clock() - began >= pull.succeeds_after:
                return
            await asyncio.sleep(PULL_RETRY_INTERVAL)

    async def _run_program(self, session: Session) -> None:
        """Run a headless session's program until it exits, or a deadline or preemption stops it."""
        try:
            program = self._start_program(session)
        except StartError as error:
            session.add_event("Failed", f"Error: {error}", self._clock(), "Warning")
            session.log.write_text(f"StartError: {error}\n", encoding="utf-8")
            session.exit_code = START_ERROR_CODE
            self._finish(session, State.FAILED)
            return
        self._programs[session] = program
        cause = await self._wait_for_end(session, program.exited)
        if cause is EndCause.PREEMPTION:
            session.requeue()
        else:
            session.exceeded_deadline = cause is EndCause.DEADLINE
            session.state = State.ENDING if cause is EndCause.EXIT else State.TERMINATING
        await self._processes.stop(program, self._config().grace)
        del self._programs[session]
        if cause is EndCause.PREEMPTION:
            return
        session.exit_code = code = program.exited.result()
        if cause is EndCause.EXIT:
            await asyncio.sleep(self._config().flicker)
        self._finish(session, State.COMPLETED if (cause, code) == (EndCause.EXIT, 0) else State.FAILED)

    def _start_program(self, session: Session) -> Program:
        container = session.container
        argv = [*(container.command or ()), *(container.args or ())] or [IMAGE_COMMAND]
        environment = {
            "PATH": self._images.search_path(session.request.image),
            "LANG": "C.UTF-8",
            "HOSTNAME": session.request.name,
            **dict(container.environment),
        }
        session.starts += 1
        return self._processes.start(argv, environment, session.folder, session.log)

    async def _run_without_program(self, session: Session) -> None:
        """Keep an interactive session running until its deadline; no program stands behind it."""
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if await self._wait_for_end(session, never) is EndCause.DEADLINE:
            session.exceeded_deadline = True
            self._finish(session, State.FAILED)

    async def _wait_for_end(self, session: Session, exited: asyncio.Future[int]) -> EndCause:
        """Mark a session as running, wait until it stops running, and return why.

        :param exited: is done when the session's program has exited.
        """
        session.state = State.RUNNING
        started = self._clock()
        session.add_event("Started", f"Started container {session.job}", started)
        preempted = asyncio.create_task(session.preempted.wait())
        try:
            while not (exited.done() or preempted.done()):
                left = (session.started or started) + session.deadline - self._clock()
                if left <= 0:
                    return EndCause.DEADLINE
                # A renewal may move the deadline in the meantime.
                await asyncio.wait((exited, preempted), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            preempted.cancel()
        return EndCause.PREEMPTION if session.preempted.is_set() else EndCause.EXIT

    def _finish(self, session: Session, state: State) -> None:
        session.state = state
        session.ended = self._clock()
