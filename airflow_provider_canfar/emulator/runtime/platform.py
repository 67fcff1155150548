"""Every session of one emulator: creates, lists, renews and deletes them."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from airflow_provider_canfar.emulator.job_pipeline.kubectl import AcceptedContainer
from airflow_provider_canfar.emulator.runtime.lifecycle import Lifecycle
from airflow_provider_canfar.emulator.runtime.processes import Processes
from airflow_provider_canfar.emulator.runtime.sessions import (
    DESKTOP,
    DESKTOP_APP,
    HEADLESS,
    Session,
    SessionRequest,
    new_id,
)
from airflow_provider_canfar.emulator.runtime.usage import UsageMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_canfar.emulator.config import EmulatorConfig, Settings
    from airflow_provider_canfar.emulator.faults.switched import Faults


class Platform:
    """The state of one emulator.

    :param settings: what the emulator was started with.
    :param config: times and limits; assign to :attr:`config` to change them.
    :param faults: the faults that are switched on.
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
        """Make the state folder, and start supervising processes."""
        folder, temporary = self.settings.state_folder, None
        if folder is None:
            folder = temporary = Path(tempfile.mkdtemp(prefix="canfar-emulator-"))
        self._folder = folder.resolve()
        _make_private(self._folder)
        self.home.mkdir(parents=True, exist_ok=True)
        (self.storage / "projects").mkdir(exist_ok=True)
        self._processes = await Processes(self.config.grace, temporary).__aenter__()
        self._lifecycle = Lifecycle(
            self._processes, self.settings.images, self.faults, lambda: self.config, self._clock
        )
        self._meter = await UsageMeter(
            lambda: self._lifecycle.programs, lambda: self.config.metrics_interval
        ).__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop every session, and wait until their processes have ended."""
        await self._meter.__aexit__(*exc)
        await self._lifecycle.close()
        await self._processes.__aexit__(*exc)

    @property
    def storage(self) -> Path:
        """The folder that stands for ``/arc``, the storage that all sessions share."""
        return self._folder / "arc"

    @property
    def home(self) -> Path:
        """The user's folder under ``/arc/home``, which all sessions share."""
        return self.storage / "home" / self.settings.user

    def work_folder(self, session_id: str) -> Path:
        """Return a session's working directory."""
        return self._folder / "sessions" / session_id / "work"

    def sessions(self) -> list[Session]:
        """Return the sessions that the platform still remembers, desktop apps included, oldest first."""
        return [session for session in self._sessions.values() if self._is_remembered(session)]

    def all_sessions(self) -> list[Session]:
        """Return every session that was ever created, oldest first."""
        self.sessions()
        return [*self._sessions.values()]

    def session(self, session_id: str) -> Session | None:
        """Return one session, or None when the platform does not remember it."""
        session = self._sessions.get(session_id)
        return session if session and self._is_remembered(session) else None

    def recorded_session(self, session_id: str) -> Session | None:
        """Return one session even if the platform has forgotten it, or None when it was never created."""
        self.sessions()
        return self._sessions.get(session_id)

    def now(self) -> float:
        """Return the time in seconds since 1970, by the clock of its sessions."""
        return self._clock()

    def new_session_id(self) -> str:
        """Return an unused session id."""
        return next(unused for unused in iter(new_id, "") if unused not in self._sessions)

    def job_name(self, session_id: str, kind: str) -> str:
        """Return the name of a session's Job in Kubernetes (*K8SUtil.getJobName*)."""
        return f"skaha-{kind}-{self.settings.user.lower()}-{session_id}"

    def template_values(self, session_id: str, request: SessionRequest) -> dict[str, str]:
        """Return the values for the placeholders of the Job's template (*PostAction.createSession*).

        All sessions share the home folder, as on the platform; each has its own working directory.
        """
        return {
            "software.imageid": request.image,
            "skaha.jobname": self.job_name(session_id, request.kind),
            "skaha.sessionid": session_id,
            "skaha.sessionname": request.name,
            "skaha.userid": self.settings.user,
            "skaha.hostname": self.settings.hostname,
            "skaha.home": str(self.home),
            "skaha.workdir": str(self.work_folder(session_id)),
            "software.requests.cores": f"{request.cores or 1:g}",
            "software.threads": str(max(1, int(request.cores or 1))),
        }

    def create(self, session_id: str, request: SessionRequest, container: AcceptedContainer) -> Session:
        """Create a session, and put it in the queue."""
        job = self.job_name(session_id, request.kind)
        return self._add(session_id, session_id, job, request, container)

    def attach_app(self, desktop: Session, image: str, cores: float | None, ram: float | None) -> Session:
        """Create a desktop app, with its desktop's id and one of its own (*PostAction.attachDesktopApp*)."""
        app_id = next(unused for unused in iter(lambda: new_id(3), "") if not self.app(desktop.id, unused))
        name = re.sub("[:._]", "-", image.rpartition("/")[2]).lower()
        request = SessionRequest(name=name, image=image, kind=DESKTOP_APP, cores=cores, ram=ram)
        job = f"{desktop.id}-{app_id}-{self.settings.user.lower()}-{name}"
        container = AcceptedContainer(None, None, ())
        app = self._add(f"{desktop.id}/{app_id}", desktop.id, job, request, container)
        app.app_id = app_id
        return app

    def app(self, session_id: str, app_id: str) -> Session | None:
        """Return a desktop app, or None when the platform does not remember it."""
        return self.session(f"{session_id}/{app_id}")

    def _add(
        self, key: str, session_id: str, job: str, request: SessionRequest, container: AcceptedContainer
    ) -> Session:
        config = self.config
        folder = self.work_folder(key.replace("/", "-"))
        folder.mkdir(parents=True)
        session = Session(
            id=session_id,
            job=job,
            user=self.settings.user,
            request=request,
            container=container,
            folder=folder,
            log=folder.with_name("log"),
            deadline=config.deadline if request.kind == HEADLESS else config.interactive_deadline,
            created=self._clock(),
        )
        self._sessions[key] = session
        self._lifecycle.start(session)
        return session

    def active_interactive(self) -> int:
        """Return how many sessions *PostAction.checkExistingSessions* counts towards the limit."""
        return sum(
            not session.is_headless
            and session.request.kind != DESKTOP_APP
            and session.status in ("Running", "Pending")
            for session in self.sessions()
        )

    def delete(self, session_id: str) -> None:
        """Delete a session; an unknown id is ignored (*DeleteAction.doAction*)."""
        session = self.session(session_id)
        if session:
            self.delete_session(session)

    def delete_session(self, session: Session) -> None:
        """Delete a session, and the apps of a desktop, whose Job owns theirs (*launch-desktop-app.yaml*)."""
        for each in (session, *self._apps_of(session)):
            if each.deleted is None:
                each.deleted = self._clock()
                self._lifecycle.stop(each)
                self._is_remembered(each)

    def renew(self, session_id: str) -> bool:
        """Extend a session's deadline, if it has less time left than a renewal grants.

        :return: False when the session has no running pod (*PostAction.getJobsToRenew*).
        """
        session = self.session(session_id)
        if session is None or session.started is None or session.state.is_final or session.deleted:
            return False
        elapsed = self._clock() - session.started
        granted = self.config.interactive_deadline
        if granted > session.deadline - elapsed:
            session.deadline = elapsed + granted
        return True

    def log(self, session_id: str) -> bytes:
        """Return a session's output so far; empty for an unknown session or one without a pod.

        *SessionAction.streamPodLogs* runs ``kubectl logs`` and discards its errors.
        """
        session = self.session(session_id)
        return session.log.read_bytes() if session and session.log.exists() else b""

    def vanish(self, session: Session) -> None:
        """Make the platform forget a session, and stop its program, as after the loss of a node."""
        for each in (session, *self._apps_of(session)):
            each.forgotten = self._clock()
            self._lifecycle.stop(each)

    def _apps_of(self, session: Session) -> list[Session]:
        if session.request.kind != DESKTOP:
            return []
        return [each for each in self.sessions() if each.id == session.id and each.app_id]

    def _is_remembered(self, session: Session) -> bool:
        config = self.config
        if session.forgotten is None and session.deleted is not None:
            if self._clock() >= session.deleted + config.terminating_time:
                session.forgotten = session.deleted + config.terminating_time
        elif session.forgotten is None and session.ended is not None:
            retention = config.retention if session.is_headless else config.interactive_retention
            if self._clock() >= session.ended + retention:
                session.forgotten = session.ended + retention
        return session.forgotten is None


def _make_private(folder: Path) -> None:
    """Let only the owner into a state folder; one that holds other things keeps its own mode."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = {"arc", "sessions"}
    for part in own:
        (folder / part).mkdir(exist_ok=True)
        (folder / part).chmod(0o700)
    if {entry.name for entry in folder.iterdir()} == own:
        folder.chmod(0o700)
