"""``make demo`` and ``make up``: a real Airflow runs eight sessions that find the stars of M13.

The sessions run on the platform of AIRFLOW_CONN_CANFAR_DEFAULT if that is set, otherwise on an emulator. The
demo stops everything that it has started, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from airflow_provider_canfar.skaha.errors import CanfarError
from dev.airflow_rest import RUN_END_STATES, Run
from dev.demo_home import DemoFailed, exclusive_home
from dev.local_airflow import LocalAirflow
from dev.platforms import TOKEN, Emulator, Platform, connection_fields
from dev.programs import Programs
from dev.waiting import Interrupted, wait_until

ROOT = Path(__file__).resolve().parent.parent
CONNECTION = "AIRFLOW_CONN_CANFAR_DEFAULT"
FOLDER = "CANFAR_DEMO_FOLDER"
DAG = "find_stars"
SESSIONS_TASK = "detect_stars"

#: Seconds; long enough to see sessions queue.
START_DELAY = "2"

#: Seconds for the run. It takes 40 on two idle cores; on a real platform, sessions may queue for long.
LOCAL_RUN_TIMEOUT, REMOTE_RUN_TIMEOUT = 300.0, 24 * 3600.0

#: Seconds to destroy the sessions of a run that is aborted.
ABORT_TIMEOUT = 60.0


class Demo:
    """One demo.

    :param home: the folder for all of its files.
    :param stop: set when the user asks to stop.
    """

    def __init__(self, home: Path, stop: Event) -> None:
        self.home = home.resolve()
        self.stop = stop
        self._started = time.monotonic()

    def log(self, source: str, message: str) -> None:
        """Print a line of progress."""
        print(f"{time.monotonic() - self._started:5.0f} s  {source:<18}{message}", flush=True)

    def run(self, *, stay: bool) -> None:
        """Run the DAG and print its progress.

        :param stay: leave everything running afterwards, until the user asks to stop.
        :raises DemoFailed: when the run failed.
        """
        with exclusive_home(self.home), Programs() as programs:
            platform = self._platform(programs)
            folder = self._folder(platform)
            self.log("platform", platform.url)
            if isinstance(platform, Emulator):
                self.log("  its page", f"{platform.root}/ (log in with the token {TOKEN!r})")
            self.log("airflow", "starting database, api-server, scheduler, dag-processor, triggerer")
            with LocalAirflow(
                self.home,
                [ROOT / "example_dags"],
                programs=programs,
                connections={"canfar_default": platform.connection},
                stop=self.stop,
            ) as airflow:
                self.log("airflow", f"running at {airflow.url}")
                run = airflow.rest.trigger(DAG, {"folder": str(folder)})
                try:
                    self._report_progress(run, platform)
                    self._print_result(run)
                except DemoFailed as failure:
                    if not stay:
                        raise
                    print(
                        f"\n{failure}", flush=True
                    )  # Airflow keeps running, so that the user can look for the cause
                except Interrupted:
                    self._abort(run, platform)
                    raise
                if stay:
                    print(
                        f"\nAirflow is at {airflow.url}, without a login. Press Ctrl-C to stop everything.",
                        flush=True,
                    )
                    self.stop.wait()
                else:
                    print("Stopping Airflow; use `make up` to keep it running.", flush=True)

    def _platform(self, programs: Programs) -> Platform:
        text = os.environ.get(CONNECTION)
        if not text:
            options = ["--start-delay", START_DELAY]
            return Emulator(programs, self.home / "emulator", *options, stop=self.stop)
        try:
            return Platform(connection_fields(text))
        except ValueError as error:
            raise DemoFailed(f"{CONNECTION} is not a valid connection: {error}") from error

    def _folder(self, platform: Platform) -> Path:
        """Return a folder that both Airflow and the sessions can access."""
        chosen = Path(os.environ.get(FOLDER, self.home / "stars")).resolve()
        if not platform.is_local and not chosen.is_relative_to("/arc"):
            raise DemoFailed(
                f"Sessions on {platform.url} cannot access {chosen}. Set {FOLDER} to a folder that both they "
                "and this machine can access, such as one below /arc."
            )
        return chosen

    def _report_progress(self, run: Run, platform: Platform) -> None:
        """Print each state change of a task and of the sessions, until the run has ended."""
        states: dict[str, str | None] = {}
        sessions: Counter[str] = Counter()

        def has_ended() -> bool:
            nonlocal states, sessions
            ended = run.state in RUN_END_STATES
            now = run.states()
            for task, state in now.items():
                if state != states.get(task):
                    note = ", holding no worker slot" if state == "deferred" else ""
                    self.log(task, f"{state or 'waiting'}{note}")
            states = now
            if now[SESSIONS_TASK] in ("running", "deferred") and (ids := _session_ids(run)):
                # The DAG tolerates an outage of the platform, and so does this loop.
                with contextlib.suppress(CanfarError):
                    counted = Counter(str(session.status_word) for session in platform.sessions(ids))
                    if counted != sessions:
                        counts = (f"{number} {status}" for status, number in sorted(counted.items()))
                        self.log("  sessions", ", ".join(counts))
                    sessions = counted
            return ended

        timeout = LOCAL_RUN_TIMEOUT if platform.is_local else REMOTE_RUN_TIMEOUT
        wait_until(has_ended, description="the end of the run", timeout=timeout, stop=self.stop, interval=0.5)

    def _print_result(self, run: Run) -> None:
        if run.state != "success":
            logs = [
                f"--- {task}\n" + "\n".join(run.log(task)[-30:])
                for task, state in run.states().items()
                if state == "failed"
            ]
            raise DemoFailed("\n".join(["The run failed.", *logs, f"All logs: {self.home / 'logs'}"]))
        result = run.xcom("merge_catalogues")
        print(f"\n{result['stars']} stars; the brightest:\n\n{result['table']}\n")
        for label, location in {
            "Picture": _relative(result["picture"]),
            "Catalogue": _relative(result["catalogue"]),
            "Logs": _relative(self.home / "logs"),
            "Airflow's page": run.page_url,
        }.items():
            print(f"{label:<16}{location}", flush=True)

    def _abort(self, run: Run, platform: Platform) -> None:
        """Stop the sessions: with their emulator, or by marking the run as failed and destroying them."""
        if isinstance(platform, Emulator):
            platform.terminate()
            return
        ids = _session_ids(run)
        self.log("sessions", "destroying them")
        run.mark("failed")
        try:
            # Until a triggerer runs the task's trigger, Airflow notifies no one of the kill.
            platform.destroy(ids)
            wait_until(
                lambda: not platform.live(ids), description="the end of the sessions", timeout=ABORT_TIMEOUT
            )
        except (CanfarError, TimeoutError) as error:
            print(f"These sessions may still be running: {', '.join(ids)}. {error}", flush=True)


def _session_ids(run: Run) -> list[str]:
    """Return the ids of the run's sessions, once the operator has launched them."""
    try:
        launched: list[dict[str, Any]] = run.xcom(SESSIONS_TASK, key="sessions")
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return []
        raise
    return [session["session_id"] for session in launched]


def _relative(path: str | Path) -> str:
    """Return a path relative to the working directory, where it is below that."""
    path, current = Path(path), Path.cwd()
    return str(path.relative_to(current) if path.is_relative_to(current) else path)


def main(argv: list[str] | None = None) -> int:
    """Run the demo, and return the exit code: 0, 1 after a failure, 130 when the user stopped it."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument(
        "--home", type=Path, default=ROOT / ".airflow", help="the folder for all files of the demo"
    )
    parser.add_argument("--stay", action="store_true", help="leave Airflow running until Ctrl-C")
    options = parser.parse_args(argv)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A flag rather than an exception, which could strike between the start of a program and its
        # registration.
        signal.signal(number, lambda *_: stop.set())
    demo = Demo(options.home, stop)
    try:
        demo.run(stay=options.stay)
    except Interrupted:
        demo.log("stopped", "nothing is left running")
        return 130
    except DemoFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except (ImportError, RuntimeError, TimeoutError, httpx.HTTPError) as failure:
        print("", failure, *getattr(failure, "__notes__", ()), sep="\n", file=sys.stderr)
        print(f"The output of each component: {_relative(demo.home)}/*.log", file=sys.stderr)
        return 1
    demo.log("stopped", "nothing is left running")
    return 0


if __name__ == "__main__":
    sys.exit(main())
