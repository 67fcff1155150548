"""How much one rolling task makes PostgreSQL write: bytes of its write-ahead log for each replica.

A real Airflow on a real PostgreSQL runs a task of 500 and one of 2,000 replicas, fifty at a time, on the
emulator. What an Airflow without tasks writes in the same time is subtracted. The baseline is what version
0.1 carried over each deferral: all that was done, written to a table of the same server as often as the task
was woken.

Full-page images are off, and no checkpoint comes meanwhile: they depend on the server's settings, and on what
else it does. ``make wal`` runs this, in an environment with PostgreSQL's driver.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import string
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
from rolling import OLD_OUTCOME, OLD_XCOM  # type: ignore[import-not-found] # A module in the same folder.
from sqlalchemy import Engine, text

from airflow_provider_canfar.testing import Emulator, running_emulator
from dev.airflow_rest import RUN_END_STATES
from dev.local_airflow import LocalAirflow
from dev.programs import Programs
from dev.waiting import wait_until
from tests.cluster import servers

TASK = "sessions"
COUNTS = (500, 2000)

#: Seconds for which an Airflow without tasks is watched.
IDLE = 60.0

#: The ratio of the bytes per replica of the largest task to those of the smallest is to be below this.
AIM = 1.5

SETTINGS = {"full_page_writes": "off", "checkpoint_timeout": "1d", "max_wal_size": "64GB"}


@dataclass(frozen=True)
class Measured:
    """One task.

    :param replicas: how many have ended.
    :param wakes: how often its worker was woken.
    :param seconds: how long it took.
    :param written: the bytes that it made PostgreSQL write.
    :param before: what version 0.1 would have made it write on top of Airflow's own rows.
    """

    replicas: int
    wakes: int
    seconds: float
    written: float
    before: float


class WriteAheadLog:
    """The write-ahead log of a server."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")

    def configure(self) -> None:
        """Write no full-page images."""
        with self.engine.connect() as connection:
            for name, value in SETTINGS.items():
                connection.execute(text(f"ALTER SYSTEM SET {name} = '{value}'"))
            connection.execute(text("SELECT pg_reload_conf()"))

    def position(self) -> int:
        """Return how many bytes have been written."""
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'")).scalar_one())

    def idle_rate(self) -> float:
        """Return how many bytes are written in a second while no task runs."""
        before, began = self.position(), time.monotonic()
        time.sleep(IDLE)
        return (self.position() - before) / (time.monotonic() - began)


@dataclass(frozen=True)
class Server:
    """A running Airflow, its platform, and the log of its database."""

    airflow: LocalAirflow
    platform: Emulator
    wal: WriteAheadLog

    def ended(self) -> int:
        """Return how many sessions have ever ended."""
        return sum(one["ended"] is not None for one in self.platform.all_sessions())


def measure(server: Server, idle_rate: float, replicas: int, *, lifetime: float, within: float) -> Measured:
    """Run a task, or as much of it as can be done in time."""
    earlier, before, began = server.ended(), server.wal.position(), time.monotonic()
    conf = {"replicas": replicas, "lifetime": lifetime}
    run = server.airflow.rest.trigger("rolling", conf, timeout=120)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: run.state in RUN_END_STATES, description="the end", timeout=within, interval=2)
    written, seconds = server.wal.position() - before, time.monotonic() - began
    ended, is_over = server.ended() - earlier, run.state in RUN_END_STATES
    wakes = sum("Resuming: " in line for line in run.log(TASK))
    if not is_over:
        print(f"{ended:,} of {replicas:,} replicas had ended after {seconds:.0f} s", file=sys.stderr)
        run.mark_task(TASK, "failed")
        wait_until(lambda: not server.platform.live(), description="the last sessions to end", timeout=120)
    old = version_0_1(server.wal, ended, wakes)
    return Measured(ended, wakes, seconds, written - seconds * idle_rate, old)


def version_0_1(wal: WriteAheadLog, replicas: int, wakes: int) -> float:
    """Write all that is done at each of so many wakes, and return the bytes of the log."""
    dice = random.Random(replicas)  # noqa: S311 - reproducible, not for a secret
    rows = [
        OLD_OUTCOME
        | {
            "replica": one,
            "session_id": "".join(dice.choices(string.ascii_lowercase + string.digits, k=8)),
            "name": f"af-reduce-k3v5x2qamd-0-{one}-1",
            "started": f"2026-11-26T15:{dice.randrange(60):02}:{dice.randrange(60):02}+00:00",
        }
        for one in range(1, replicas + 1)
    ]
    columns = ("deferral", "event", "xcom", "saved")
    assign = ", ".join(f"{name} = :{name}" for name in columns)
    with wal.engine.connect() as connection:
        connection.execute(text("DROP TABLE IF EXISTS version_0_1"))
        connection.execute(
            text(f"CREATE TABLE version_0_1 ({', '.join(f'{name} TEXT' for name in columns)})")
        )
        connection.execute(text("INSERT INTO version_0_1 DEFAULT VALUES"))
        before = wal.position()
        for wake in range(1, wakes + 1):
            done = rows[: replicas * wake // wakes]
            carried = json.dumps(done)
            xcom = json.dumps([{name: one[name] for name in OLD_XCOM} for one in done])
            saved = json.dumps([[*one.values()] for one in done])
            values = {"deferral": carried, "event": carried, "xcom": xcom, "saved": saved}
            connection.execute(text(f"UPDATE version_0_1 SET {assign}"), values)  # noqa: S608 - our own names
        return wal.position() - before


@contextlib.contextmanager
def running_airflow(folder: Path) -> Iterator[Server]:
    """Run an Airflow on a PostgreSQL until the block ends, beside a platform."""
    servers.make_reachable(folder)
    with contextlib.ExitStack() as stack:
        programs = stack.enter_context(Programs())
        platform = stack.enter_context(running_emulator(retention=600.0, start_delay=0.1))
        postgresql = servers.PostgreSQL(programs, folder / "postgresql")
        stack.callback(postgresql.stop)
        postgresql.start()
        wal = WriteAheadLog(postgresql.url)
        stack.callback(wal.engine.dispose)
        wal.configure()
        airflow = LocalAirflow(
            folder / "airflow",
            [Path(__file__).parent / "dags"],
            programs=programs,
            connections={"canfar_default": platform.connection},
            env={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgresql.url},
        )
        stack.enter_context(airflow)
        wait_until(lambda: airflow.rest.has_dag("rolling"), description="the DAG", timeout=120)
        yield Server(airflow, platform, wal)


def print_table(measured: Sequence[Measured], idle_rate: float) -> None:
    """Print a line for each task, and how they compare."""
    print(f"\nAn Airflow without tasks writes {idle_rate / 1000:.1f} kB/s, which are subtracted")
    print(f"{'replicas':>10}{'wakes':>8}{'s':>8}{'kB of WAL per replica':>24}{'version 0.1':>14}")
    for one in measured:
        print(
            f"{one.replicas:>10,}{one.wakes:>8,}{one.seconds:>8.0f}{one.written / one.replicas / 1000:>24.2f}"
            f"{one.before / one.replicas / 1000:>14.2f}"
        )
    small, large = measured[0], measured[-1]
    ratio = (large.written / large.replicas) / (small.written / small.replicas)
    before = (large.before / large.replicas) / (small.before / small.replicas)
    print(f"per replica, the last to the first: {ratio:.2f} (aim: below {AIM}), version 0.1 {before:.2f}")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--lifetime", type=float, default=1.0, help="of each session, in seconds")
    parser.add_argument("--within", type=float, default=900.0, help="the most seconds for each task")
    options = parser.parse_args()
    servers.install()
    # Not in a folder of ours alone: the server's user must reach it.
    with (
        tempfile.TemporaryDirectory(prefix="canfar-wal-") as folder,
        running_airflow(Path(folder)) as server,
    ):
        idle_rate = server.wal.idle_rate()
        measured = [
            measure(server, idle_rate, count, lifetime=options.lifetime, within=options.within)
            for count in options.replicas
        ]
    print_table(measured, idle_rate)


if __name__ == "__main__":
    main()
