"""The demo's run of the example DAG that finds the stars of M13 with eight sessions."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from airflow_provider_canfar.skaha.errors import CanfarError
from dev.airflow_rest import RUN_END_STATES, AirflowRest
from dev.airflow_settings import bundle_name
from dev.demo_home import DemoFailed
from dev.platforms import Emulator, Platform
from dev.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "example_dags"
DAG = "find_stars"
SESSIONS_TASK = "detect_stars"

#: The runs that a demo has started have ids that begin with it.
RUN_PREFIX = "demo__"

#: Seconds for the run. It takes 40 on two idle cores; on a real platform, sessions may queue for long.
LOCAL_RUN_TIMEOUT, REMOTE_RUN_TIMEOUT = 300.0, 24 * 3600.0

#: Seconds to destroy the sessions of a run that is aborted.
ABORT_TIMEOUT = 60.0


class StarRun:
    """A run that has just been started.

    :param airflow: runs it.
    :param platform: runs its sessions.
    :param home: Airflow's folder, to which the results are downloaded.
    :param log: prints a line of progress, given its subject and a message.
    :param stop: set when the user asks to stop.
    """

    def __init__(
        self,
        airflow: AirflowRest,
        platform: Platform,
        *,
        home: Path,
        log: Callable[[str, str], None],
        stop: Event,
    ) -> None:
        self.platform = platform
        self._home = home
        self._log = log
        self._stop = stop
        run_id = f"{RUN_PREFIX}{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%f}"
        self.run = airflow.trigger(DAG, {}, run_id=run_id, bundle=bundle_name(EXAMPLES))
        airflow.unpause(DAG)

    def report_progress(self) -> None:
        """Print each state change of a task and of the sessions, until the run has ended.

        :raises Interrupted: when the user asked to stop.
        """
        states: dict[str, str | None] = {}
        sessions: Counter[str] = Counter()

        def has_ended() -> bool:
            nonlocal states, sessions
            ended = self.run.state in RUN_END_STATES
            now = self.run.states()
            for task, state in now.items():
                if state != states.get(task):
                    note = ", holding no worker slot" if state == "deferred" else ""
                    self._log(task, f"{state or 'waiting'}{note}")
            states = now
            if now[SESSIONS_TASK] in ("running", "deferred") and (ids := self._session_ids()):
                # The DAG tolerates an outage of the platform, and so does this loop.
                with contextlib.suppress(CanfarError):
                    counted = Counter(str(session.status_word) for session in self.platform.sessions(ids))
                    if counted != sessions:
                        counts = (f"{number} {status}" for status, number in sorted(counted.items()))
                        self._log("  sessions", ", ".join(counts))
                    sessions = counted
            return ended

        timeout = LOCAL_RUN_TIMEOUT if self.platform.is_local else REMOTE_RUN_TIMEOUT
        wait_until(
            has_ended, description="the end of the run", timeout=timeout, stop=self._stop, interval=0.5
        )

    def print_result(self) -> None:
        """Print the stars and where everything is, after downloading the picture and the catalogue.

        :raises DemoFailed: when the run failed, with the ends of the logs, or when a download fails.
        """
        if self.run.state != "success":
            logs = [
                f"--- {task}\n" + "\n".join(self.run.log(task)[-30:])
                for task, state in self.run.states().items()
                if state == "failed"
            ]
            raise DemoFailed("\n".join(["The run failed.", *logs, f"All logs: {self._home / 'logs'}"]))
        result = self.run.xcom("merge_catalogues")
        print(f"\n{result['stars']} stars; the brightest:\n\n{result['table']}\n")
        for label, location in {
            "Picture": self._download(result["picture"]),
            "Catalogue": self._download(result["catalogue"]),
            "In the storage": result["catalogue"].rpartition("/")[0],
            "Logs": relative(self._home / "logs"),
            "Airflow's page": self.run.page_url,
        }.items():
            print(f"{label:<16}{location}", flush=True)

    def _download(self, url: str) -> str:
        """Download a result from the storage, and return where it is on this machine."""
        target = self._home / "stars" / self.run.run_id / url.rpartition("/")[2]
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.platform.download(url, target)
        except CanfarError as error:
            raise DemoFailed(f"{url} cannot be downloaded: {error}") from error
        return relative(target)

    def abort(self) -> None:
        """Mark the run as failed, and stop its sessions: with their emulator, or by destroying them."""
        ids = self._session_ids()
        self._log("sessions", "destroying them")
        # Otherwise the next start would continue it.
        self.run.mark("failed")
        if isinstance(self.platform, Emulator):
            self.platform.terminate()
            return
        try:
            # Until a triggerer runs the task's trigger, Airflow notifies no one of the kill.
            self.platform.destroy(ids)
            wait_until(
                lambda: not self.platform.live(ids),
                description="the end of the sessions",
                timeout=ABORT_TIMEOUT,
            )
        except (CanfarError, TimeoutError) as error:
            print(f"These sessions may still be running: {', '.join(ids)}. {error}", flush=True)

    def _session_ids(self) -> list[str]:
        """Return the ids of the run's sessions, once the operator has launched them."""
        try:
            launched: list[dict[str, Any]] = self.run.xcom(SESSIONS_TASK, key="sessions")
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return []
            raise
        return [session["session_id"] for session in launched]


def end_earlier_runs(airflow: AirflowRest) -> None:
    """Mark the runs of killed demos as failed, so that they do not go on beside the new one."""
    for run in airflow.unfinished_runs(DAG):
        if run.run_id.startswith(RUN_PREFIX):
            run.mark("failed")


def relative(path: str | Path) -> str:
    """Return a path relative to the working directory, where it is below that."""
    path, current = Path(path), Path.cwd()
    return str(path.relative_to(current) if path.is_relative_to(current) else path)
