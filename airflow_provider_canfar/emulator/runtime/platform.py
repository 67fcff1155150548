"""Every session of one emulator: created, listed, deleted, renewed, run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from airflow_provider_canfar.emulator.api.http_errors import bad_request, not_found
from airflow_provider_canfar.emulator.api.serializers import event_table
from airflow_provider_canfar.emulator.runtime.lifecycle import Lifecycle
from airflow_provider_canfar.emulator.runtime.processes import Processes
from airflow_provider_canfar.emulator.runtime.sessions import DESKTOP_APP, HEADLESS, Session, State, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_canfar.emulator.config import EmulatorConfig, Settings
    from airflow_provider_canfar.emulator.faults import Faults
    from airflow_provider_canfar.emulator.job_pipeline.kubectl import PostedContainer
    from airflow_provider_canfar.emulator.runtime.sessions import SessionRequest

CLUSTER_CORES = 2189.0
CLUSTER_RAM = 11890.0


class Platform:
    """The state of one emulator, and what happens in it.

    :param settings: what it is started with.
    :param config: what can be turned meanwhile: assign others to :attr:`config`.
    :param faults: what goes wrong.
    :param clock: returns the time in seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        config: EmulatorConfig,
        faults: Faults,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.config = config
        self.faults = faults
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    async def __aenter__(self) -> Self:
        """Make the state folder and start to watch over processes."""
        folder, temporary = self.settings.state_folder, None
        if folder is None:
            folder = temporary = Path(tempfile.mkdtemp(prefix="canfar-emulator-"))
        self._folder = folder.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        self._processes = await Processes(self.config.grace, temporary).__aenter__()
        self._lifecycle = Lifecycle(
            self._processes, self.settings.images, self.faults, lambda: self.config, self._clock
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop every session, and wait until all is cleared away."""
        await self._lifecycle.close()
        await self._processes.__aexit__(*exc)

    @property
    def home(self) -> Path:
        """The user's folder under ``/arc/home``, which all sessions share."""
        return self._folder / "arc" / "home" / self.settings.user

    def work_folder(self, session_id: str) -> Path:
        """Return the folder that a session works in."""
        return self._folder / "sessions" / session_id / "work"

    def sessions(self) -> list[Session]:
        """Return the sessions that the platform still remembers, oldest first."""
        return [session for session in self._sessions.values() if self._is_remembered(session)]

    def every_session(self) -> list[Session]:
        """Return every session that was ever created, oldest first."""
        self.sessions()
        return [*self._sessions.values()]

    def session(self, session_id: str) -> Session | None:
        """Return one session, or None when the platform does not remember it."""
        session = self._sessions.get(session_id)
        return session if session and self._is_remembered(session) else None

    def recorded(self, session_id: str) -> Session:
        """Return one session, whether the platform still remembers it or not.

        :raises HttpError: 404 when there never was one.
        """
        for session in self.every_session():
            if session.id == session_id:
                return session
        raise not_found(f"there has never been a session {session_id}")

    def expect(self, session_id: str) -> Session:
        """Return one session.

        :raises HttpError: 404 (*SessionDAO.getUserSession*).
        """
        session = self.session(session_id)
        if session is None:
            raise not_found(f"session {session_id} not found")
        return session

    def now(self) -> float:
        """Return the time in seconds since 1970, by the clock that its sessions go by."""
        return self._clock()

    def stats(self) -> dict[str, object]:
        """Return ``view=stats``: a cluster that is as large as this one pretends."""
        running = [session for session in self.sessions() if session.state is State.RUNNING]
        cores = sum(session.asked.cores or 1.0 for session in running)
        ram = sum(session.asked.ram or 4.0 for session in running)
        return {
            "cores": {
                "requestedCPUCores": float(cores),
                "cpuCoresAvailable": CLUSTER_CORES,
                "maxCPUCores": {"cpuCores": 16.0, "withRam": "192G"},
            },
            "ram": {
                "requestedRAM": f"{ram:.1f}G",
                "ramAvailable": f"{CLUSTER_RAM:.1f}G",
                "maxRAM": {"ram": "192G", "withCPUCores": 16.0},
            },
        }

    def new_session_id(self) -> str:
        """Return an id that no session has had."""
        return next(fresh for fresh in iter(new_id, "") if fresh not in self._sessions)

    def job_name(self, session_id: str, kind: str) -> str:
        """Return the name of a session's Job in Kubernetes (*K8SUtil.getJobName*)."""
        return f"skaha-{kind}-{self.settings.user.lower()}-{session_id}"

    def template_values(self, session_id: str, asked: SessionRequest) -> dict[str, str]:
        """Return what the placeholders of the Job's template stand for (*PostAction.createSession*).

        Home is a folder that all sessions share, as on the platform; but each works in one of its own.
        """
        return {
            "software.imageid": asked.image,
            "skaha.jobname": self.job_name(session_id, asked.kind),
            "skaha.sessionid": session_id,
            "skaha.sessionname": asked.name,
            "skaha.userid": self.settings.user,
            "skaha.hostname": self.settings.hostname,
            "skaha.home": str(self.home),
            "skaha.workdir": str(self.work_folder(session_id)),
            "software.requests.cores": f"{asked.cores or 1:g}",
            "software.threads": str(max(1, int(asked.cores or 1))),
        }

    def create(self, session_id: str, asked: SessionRequest, container: PostedContainer) -> Session:
        """Put a session in the queue."""
        config = self.config
        folder = self.work_folder(session_id)
        folder.mkdir(parents=True)
        session = Session(
            id=session_id,
            job=self.job_name(session_id, asked.kind),
            user=self.settings.user,
            asked=asked,
            container=container,
            folder=folder,
            log=folder.with_name("log"),
            deadline=config.deadline if asked.kind == HEADLESS else config.interactive_deadline,
            created=self._clock(),
        )
        self._sessions[session_id] = session
        self._lifecycle.begin(session)
        return session

    def active_interactive(self) -> int:
        """Return how many sessions *PostAction.checkExistingSessions* counts for the limit."""
        return sum(
            not session.is_headless and session.asked.kind != DESKTOP_APP and not session.state.is_final
            for session in self.sessions()
        )

    def delete(self, session_id: str) -> None:
        """Delete a session; one that is unknown is nothing to speak of (*DeleteAction.doAction*)."""
        session = self.session(session_id)
        if session:
            self._forget(session)
            session.deleted = session.forgotten

    def renew(self, session_id: str) -> None:
        """Give a session more time, when it has less left than a renewal grants.

        :raises HttpError: 400 when it has no running pod (*PostAction.getJobsToRenew*).
        """
        session = self.session(session_id)
        if session is None or session.started is None or session.state.is_final:
            raise bad_request(f"No active job for user {self.settings.user} with session {session_id}")
        elapsed = self._clock() - session.started
        granted = self.config.interactive_deadline
        if granted > session.deadline - elapsed:
            session.deadline = elapsed + granted

    def log(self, session_id: str) -> bytes:
        """Return a session's output so far; nothing for one that is unknown or has no pod.

        *SessionAction.streamPodLogs* runs ``kubectl logs`` and throws its complaints away.
        """
        session = self.session(session_id)
        return session.log.read_bytes() if session and session.log.exists() else b""

    def events(self, session_id: str) -> str:
        """Return a session's events.

        :raises HttpError: 404 as long as it has no pod (*GetAction.getEventLogs*).
        """
        session = self.session(session_id)
        if session is None or session.started is None:
            raise not_found(f"session {session_id} not found.")
        return event_table(session)

    def vanish(self, session_id: str) -> None:
        """Make the platform forget a session, and stop what it ran, as a lost node and its clean-up do."""
        self._forget(self.expect(session_id))

    def preempt(self, session_id: str) -> None:
        """Take a running session's place away: it queues again, and starts from scratch, as Kueue has it.

        :raises HttpError: 400 when it does not run.
        """
        session = self.expect(session_id)
        if session.state is not State.RUNNING:
            raise bad_request(f"session {session_id} does not run, so it cannot be preempted")
        session.preempted.set()

    def _forget(self, session: Session) -> None:
        session.forgotten = self._clock()
        self._lifecycle.end(session)

    def _is_remembered(self, session: Session) -> bool:
        if session.forgotten is None and session.ended is not None:
            config = self.config
            retention = config.retention if session.is_headless else config.interactive_retention
            if self._clock() >= session.ended + retention:
                session.forgotten = session.ended + retention
        return session.forgotten is None
