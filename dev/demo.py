"""``make demo`` and ``make up``: a real Airflow, and eight sessions that find the stars of M13.

The sessions run on the platform of AIRFLOW_CONN_CANFAR_DEFAULT if that is set, otherwise on an emulator. On a
platform of the user's own, ``make up`` leaves the stars out, and Airflow has a login. Both stop all programs
that they have started, however they end, and leave the database, the logs and the results in place.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from threading import Event

import httpx

from airflow_provider_canfar.emulator.config import Settings
from airflow_provider_canfar.skaha.errors import CanfarError
from dev.airflow_settings import USER
from dev.demo_home import DemoFailed, create_dag_folder, exclusive_home
from dev.local_airflow import LocalAirflow
from dev.platforms import Emulator, Platform, connection_fields
from dev.programs import Programs, free_port
from dev.stars import EXAMPLES, ROOT, StarRun, end_earlier_runs, relative
from dev.waiting import Interrupted

CONNECTION = "AIRFLOW_CONN_CANFAR_DEFAULT"

#: The folders of demos. A run that an emulator's end has interrupted must not continue on a real platform.
EMULATOR_HOME, ACCOUNT_HOME = ROOT / ".airflow", ROOT / ".airflow-canfar"

#: Where people look first; the next free ports if these are in use.
AIRFLOW_PORT, EMULATOR_PORT = 8080, 8099

#: Seconds; long enough to see sessions queue.
START_DELAY = "2"

#: Seconds; short enough to see what a session of the demo uses.
METRICS_INTERVAL = "2"


class Demo:
    """One demo.

    :param home: the folder for all of its files.
    :param dags: the folder of the user's own DAGs.
    :param account: the platform of the user's own connection; None for an emulator.
    :param stop: set when the user asks to stop.
    """

    def __init__(self, home: Path, dags: Path, account: Platform | None, stop: Event) -> None:
        self.home = home.resolve()
        self.dags = dags.resolve()
        self.account = account
        self.stop = stop
        self._started = time.monotonic()

    def log(self, source: str, message: str) -> None:
        """Print a line of progress."""
        print(f"{time.monotonic() - self._started:5.0f} s  {source:<18}{message}", flush=True)

    def run(self, *, stay: bool) -> int:
        """Start Airflow, and find the stars; return the exit code.

        :param stay: leave everything running afterwards, until the user asks to stop.
        :raises DemoFailed: when the run failed, or cannot start.
        """
        with_stars = self.account is None or not stay
        if self.account:
            self._check_account(self.account, with_stars=with_stars)
        code = 0
        with exclusive_home(self.home), Programs() as programs:
            try:
                self._run(programs, with_stars=with_stars, stay=stay)
            except Interrupted:
                code = 130
        self.log("stopped", "nothing is left running on this machine")
        if self.account and stay:
            self.log("  your sessions", "those that have not ended keep running on the platform")
        return code

    def _run(self, programs: Programs, *, with_stars: bool, stay: bool) -> None:
        """Start everything, and find the stars unless they are left out."""
        platform = self.account or self._emulator(programs)
        password = secrets.token_urlsafe(12) if self.account else None
        if stay:
            create_dag_folder(self.dags)
        self.log("airflow", "starting database, api-server, scheduler, dag-processor, triggerer")
        with LocalAirflow(
            self.home,
            [self.dags, EXAMPLES] if stay else [EXAMPLES],
            programs=programs,
            env=self._environment(platform),
            port=free_port(AIRFLOW_PORT),
            password=password,
            stop=self.stop,
        ) as airflow:
            self.log("airflow", f"running at {airflow.url}")
            if password:
                self.log("  its login", f"{USER}, with the password {password}")
            end_earlier_runs(airflow.rest)
            if with_stars:
                self._find_stars(airflow, platform, stay=stay)
            else:
                print("\nThe stars are left out on your own account; `make demo` finds them there.")
            if stay:
                self._stay(airflow)
            else:
                print("Stopping Airflow; use `make up` to keep it running.", flush=True)

    def _check_account(self, account: Platform, *, with_stars: bool) -> None:
        """Make sure that the connection works, and the storage, if there are files for sessions."""
        self.log("platform", account.url)
        try:
            self.log("  your account", account.check())
            if with_stars:
                account.check_storage()
        except CanfarError as error:
            raise DemoFailed(f"{CONNECTION} does not work: {error}") from error

    def _emulator(self, programs: Programs) -> Emulator:
        emulator = Emulator(
            programs,
            self.home / "emulator",
            "--start-delay",
            START_DELAY,
            "--metrics-interval",
            METRICS_INTERVAL,
            port=free_port(EMULATOR_PORT),
            stop=self.stop,
        )
        self.log("platform", emulator.url)
        self.log("  its page", f"{emulator.root}/ (log in with the token {emulator.token})")
        return emulator

    def _environment(self, platform: Platform) -> dict[str, str]:
        """Return the connection, and what protects an account.

        In the environment the connection is out of reach of Airflow's page and database, so no one can
        redirect its credential to another host, and those that the user has added stay as they are.
        """
        paused = str(self.account is not None)  # No example starts sessions on an account by itself.
        return {
            CONNECTION: json.dumps(platform.connection),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": paused,
        }

    def _find_stars(self, airflow: LocalAirflow, platform: Platform, *, stay: bool) -> None:
        stars = StarRun(airflow.rest, platform, home=self.home, log=self.log, stop=self.stop)
        try:
            stars.report_progress()
            stars.print_result()
        except DemoFailed as failure:
            if not stay:
                raise
            # Airflow keeps running, so that the user can look for the cause.
            print(f"\n{failure}", flush=True)
        except Interrupted:
            stars.abort()
            raise

    def _stay(self, airflow: LocalAirflow) -> None:
        login = "with the login above" if self.account else "without a login"
        if self.account is None:
            print(
                f"\nOn the emulator, you are the user {Settings.user}. It runs commands on this machine, and"
            )
            print("pulls no image, so it does not notice a misspelt tag.")
        print(f"\nYour own DAGs are in {self.dags}; Airflow shows a new file within five seconds.")
        print(f"Airflow is at {airflow.url}, {login}. Press Ctrl-C to stop everything.", flush=True)
        self.stop.wait()


def _account() -> Platform | None:
    """Return the platform of the user's own connection, if there is one.

    :raises DemoFailed: when it is not a valid connection.
    """
    text = os.environ.get(CONNECTION)
    try:
        return Platform(connection_fields(text)) if text else None
    except ValueError as error:
        raise DemoFailed(f"{CONNECTION} is not a valid connection: {error}") from error


def main(argv: list[str] | None = None) -> int:
    """Run the demo, and return the exit code: 0, 1 after a failure, 130 when the user stopped it."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument("--home", type=Path, help="the folder for all files of the demo")
    parser.add_argument(
        "--dags", type=Path, default=ROOT / "dags", help="the folder of your own DAGs, for --stay"
    )
    parser.add_argument("--stay", action="store_true", help="leave Airflow running until Ctrl-C")
    options = parser.parse_args(argv)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A flag rather than an exception, which could strike between the start of a program and its
        # registration.
        signal.signal(number, lambda *_: stop.set())
    home = options.home or (ACCOUNT_HOME if os.environ.get(CONNECTION) else EMULATOR_HOME)
    try:
        demo = Demo(home, options.dags, _account(), stop)
        return demo.run(stay=options.stay)
    except DemoFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except (ImportError, RuntimeError, TimeoutError, httpx.HTTPError) as failure:
        print("", failure, *getattr(failure, "__notes__", ()), sep="\n", file=sys.stderr)
        print(f"The output of each component: {relative(home.resolve())}/*.log", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
