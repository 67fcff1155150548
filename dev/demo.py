"""``make demo`` and ``make up``: stars of M13, found by eight sessions that a real Airflow waits for.

With AIRFLOW_CONN_CANFAR_DEFAULT the sessions run on that platform, otherwise on an emulator. Everything
that is started here is stopped again, however this ends.
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
from dev.airflow_rest import RUN_ENDS, Run
from dev.demo_home import DemoFailed, home_of_our_own
from dev.local_airflow import LocalAirflow
from dev.platforms import TOKEN, Emulator, Platform, connection_fields
from dev.programs import Programs
from dev.waiting import Interrupted, until

ROOT = Path(__file__).resolve().parent.parent
CONNECTION = "AIRFLOW_CONN_CANFAR_DEFAULT"
FOLDER = "CANFAR_DEMO_FOLDER"
DAG = "find_stars"
SESSIONS_TASK = "detect_stars"

#: Long enough for people to see sessions queue.
START_DELAY = "2"

#: Seconds for the run; it takes 40 on two quiet cores, and as long as the queue is on the platform itself.
LOCAL_RUN, REMOTE_RUN = 300.0, 24 * 3600.0

#: Seconds for Airflow to destroy the sessions of a run that is given up.
GIVE_UP_WITHIN = 60.0


class Demo:
    """One demo.

    :param home: the folder of everything that it makes.
    :param stop: set when the person wants it to end.
    """

    def __init__(self, home: Path, stop: Event) -> None:
        self.home = home.resolve()
        self.stop = stop
        self._started = time.monotonic()

    def say(self, who: str, what: str) -> None:
        """Print a line of progress."""
        print(f"{time.monotonic() - self._started:5.0f} s  {who:<18}{what}", flush=True)

    def show(self, *, stay: bool) -> None:
        """Run the DAG and tell how it goes.

        :param stay: leave everything running afterwards, until somebody asks to stop.
        :raises DemoFailed: when the run failed.
        """
        with home_of_our_own(self.home), Programs() as programs:
            platform = self._platform(programs)
            folder = self._folder(platform)
            self.say("platform", platform.url)
            if isinstance(platform, Emulator):
                self.say("  its page", f"{platform.root}/, with the token {TOKEN!r}")
            self.say("airflow", "starts: database, api-server, scheduler, dag-processor, triggerer")
            with LocalAirflow(
                self.home,
                [ROOT / "example_dags"],
                programs=programs,
                connections={"canfar_default": platform.connection},
                stop=self.stop,
            ) as airflow:
                self.say("airflow", f"is up: {airflow.url}")
                run = airflow.rest.trigger(DAG, {"folder": str(folder)})
                try:
                    self._follow(run, platform)
                    self._tell_result(run)
                except DemoFailed as failure:
                    if not stay:
                        raise
                    print(f"\n{failure}", flush=True)  # Airflow stays up, to look at what went wrong
                except Interrupted:
                    self._give_up(run, platform)
                    raise
                if stay:
                    print(f"\nAirflow at {airflow.url} wants no login. Ctrl-C stops everything.", flush=True)
                    self.stop.wait()
                else:
                    print("Airflow stops now; `make up` leaves it running.", flush=True)

    def _platform(self, programs: Programs) -> Platform:
        named = os.environ.get(CONNECTION)
        if not named:
            options = ["--start-delay", START_DELAY]
            return Emulator(programs, self.home / "emulator", *options, stop=self.stop)
        try:
            return Platform(connection_fields(named))
        except ValueError as error:
            raise DemoFailed(f"{CONNECTION} is no connection to a platform: {error}") from error

    def _folder(self, platform: Platform) -> Path:
        """Return a folder that both Airflow and the sessions see."""
        chosen = Path(os.environ.get(FOLDER, self.home / "stars")).resolve()
        if not platform.is_local and not chosen.is_relative_to("/arc"):
            raise DemoFailed(
                f"The sessions on {platform.url} do not see {chosen}. Set {FOLDER} to a folder that they "
                "and this machine see, such as one below /arc."
            )
        return chosen

    def _follow(self, run: Run, platform: Platform) -> None:
        """Tell each change of a task and of the sessions, until the run has ended."""
        states: dict[str, str | None] = {}
        sessions: Counter[str] = Counter()

        def has_ended() -> bool:
            nonlocal states, sessions
            ended = run.state in RUN_ENDS
            now = run.states()
            for task, state in now.items():
                if state != states.get(task):
                    note = ", holding no worker slot" if state == "deferred" else ""
                    self.say(task, f"{state or 'waits'}{note}")
            states = now
            if now[SESSIONS_TASK] in ("running", "deferred") and (ids := _session_ids(run)):
                # The platform may be silent for a while; the DAG sits that out, and so do we.
                with contextlib.suppress(CanfarError):
                    counted = Counter(str(session.status_word) for session in platform.sessions(ids))
                    if counted != sessions:
                        words = (f"{number} {word}" for word, number in sorted(counted.items()))
                        self.say("  sessions", ", ".join(words))
                    sessions = counted
            return ended

        seconds = LOCAL_RUN if platform.is_local else REMOTE_RUN
        until(has_ended, for_what="the run's end", seconds=seconds, stop=self.stop, every=0.5)

    def _tell_result(self, run: Run) -> None:
        if run.state != "success":
            logs = [
                f"--- {task}\n" + "\n".join(run.log(task)[-30:])
                for task, state in run.states().items()
                if state == "failed"
            ]
            raise DemoFailed("\n".join(["The run failed.", *logs, f"All logs: {self.home / 'logs'}"]))
        result = run.xcom("merge_catalogues")
        print(f"\n{result['stars']} stars; the brightest:\n\n{result['table']}\n")
        for what, where in {
            "Picture": _from_here(result["picture"]),
            "Catalogue": _from_here(result["catalogue"]),
            "Logs": _from_here(self.home / "logs"),
            "Airflow's page": run.page,
        }.items():
            print(f"{what:<16}{where}", flush=True)

    def _give_up(self, run: Run, platform: Platform) -> None:
        """End the sessions: with their emulator, or as a person would who marks the run as failed."""
        if isinstance(platform, Emulator):
            platform.end()
            return
        ids = _session_ids(run)
        self.say("sessions", "are being destroyed")
        run.mark("failed")
        try:
            # Airflow tells nobody of a kill before a triggerer has taken the wait over.
            platform.destroy(ids)
            until(lambda: not platform.live(ids), for_what="the sessions' end", seconds=GIVE_UP_WITHIN)
        except (CanfarError, TimeoutError) as error:
            print(f"These may still run: {', '.join(ids)}. {error}", flush=True)


def _session_ids(run: Run) -> list[str]:
    """Return the ids of the run's sessions, once the operator has launched them."""
    try:
        launched: list[dict[str, Any]] = run.xcom(SESSIONS_TASK, key="sessions")
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:
            return []
        raise
    return [session["session_id"] for session in launched]


def _from_here(path: str | Path) -> str:
    """Return a path as one would type it in the folder that we are in."""
    path, here = Path(path), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def main(argv: list[str] | None = None) -> int:
    """Show the demo, and return the exit code: 0, 1 when something failed, 130 when it was stopped."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / ".airflow", help="where everything goes")
    parser.add_argument("--stay", action="store_true", help="leave Airflow running until Ctrl-C")
    options = parser.parse_args(argv)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A flag, and no exception out of nowhere: what was started is always also written down.
        signal.signal(number, lambda *_: stop.set())
    demo = Demo(options.home, stop)
    try:
        demo.show(stay=options.stay)
    except Interrupted:
        demo.say("stopped", "nothing is left running")
        return 130
    except DemoFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except (ImportError, RuntimeError, TimeoutError, httpx.HTTPError) as failure:
        print("", failure, *getattr(failure, "__notes__", ()), sep="\n", file=sys.stderr)
        print(f"The output of each component: {_from_here(demo.home)}/*.log", file=sys.stderr)
        return 1
    demo.say("stopped", "nothing is left running")
    return 0


if __name__ == "__main__":
    sys.exit(main())
