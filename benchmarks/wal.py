"""How much one rolling task makes PostgreSQL write: bytes of its write-ahead log for each replica.

Two ways, each with a task of 500 and one of 2,000 replicas, fifty at a time. First, what the provider itself
writes, by the phases and waits of ``rolling.py`` with their virtual clock: each value takes the place of the
one before, in a table of a real PostgreSQL. Then a real Airflow on it, with all that Airflow writes, on the
emulator. There, sessions are short, and a phase launches and records many of them before it defers. What
Airflow writes without tasks is shown, and not subtracted: on a busy machine it varies by more than the rest.

The baseline is a task that keeps its whole state in one value: all that is done, written to a table of the
same server as often as the task is woken.

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
from _rolling_task import Database, roll  # type: ignore[import-not-found] # Modules in the same folder.
from rolling import (  # type: ignore[import-not-found] # A module in the same folder.
    LIFETIMES,
    OUTCOME,
    PLACES,
    XCOM,
)
from sqlalchemy import Connection, Engine, text

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
    :param before: what the whole state would have made it write on top of Airflow's own rows.
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


def measure(server: Server, replicas: int, *, lifetime: float, within: float) -> Measured:
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
    old = whole_state(server.wal, ended, wakes)
    return Measured(ended, wakes, seconds, written, old)


class Table(Database):  # type: ignore[misc] # Its module is not found.
    """The database of a task, in a table of PostgreSQL."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._connection.execute(text("DROP TABLE IF EXISTS rolling"))
        self._connection.execute(text("CREATE TABLE rolling (key TEXT PRIMARY KEY, value TEXT)"))

    def write(self, key: str, value: object) -> str:
        """Write a value in the place of an earlier one."""
        written: str = super().write(key, value)
        upsert = "INSERT INTO rolling VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = :value"
        self._connection.execute(text(upsert), {"key": key, "value": written})
        return written


def measure_phases(wal: WriteAheadLog, replicas: int) -> Measured:
    """Run a task's phases and waits on a platform in memory, and let PostgreSQL keep what they write."""
    dice = random.Random(replicas)  # noqa: S311 - reproducible, not for a secret
    lifetime = LIFETIMES["30 s to 10 min"]
    with wal.engine.connect() as connection:
        database, before = Table(connection), wal.position()
        rolling = roll([lifetime(dice) for _ in range(replicas)], PLACES, database)
        written = wal.position() - before
    return Measured(replicas, rolling.wakes, rolling.wall, written, whole_state(wal, replicas, rolling.wakes))


def whole_state(wal: WriteAheadLog, replicas: int, wakes: int) -> float:
    """Write all that is done at each of so many wakes, and return the bytes of the log."""
    dice = random.Random(replicas)  # noqa: S311 - reproducible, not for a secret
    rows = [
        OUTCOME
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
        connection.execute(text("DROP TABLE IF EXISTS whole_state"))
        connection.execute(
            text(f"CREATE TABLE whole_state ({', '.join(f'{name} TEXT' for name in columns)})")
        )
        connection.execute(text("INSERT INTO whole_state DEFAULT VALUES"))
        before = wal.position()
        for wake in range(1, wakes + 1):
            done = rows[: replicas * wake // wakes]
            carried = json.dumps(done)
            xcom = json.dumps([{name: one[name] for name in XCOM} for one in done])
            saved = json.dumps([[*one.values()] for one in done])
            values = {"deferral": carried, "event": carried, "xcom": xcom, "saved": saved}
            connection.execute(text(f"UPDATE whole_state SET {assign}"), values)  # noqa: S608 - our own names
        return wal.position() - before


@contextlib.contextmanager
def running_postgresql(programs: Programs, folder: Path) -> Iterator[tuple[str, WriteAheadLog]]:
    """Run a PostgreSQL until the block ends."""
    postgresql = servers.PostgreSQL(programs, folder / "postgresql")
    with contextlib.ExitStack() as stack:
        stack.callback(postgresql.stop)
        postgresql.start()
        wal = WriteAheadLog(postgresql.url)
        stack.callback(wal.engine.dispose)
        wal.configure()
        yield postgresql.url, wal


@contextlib.contextmanager
def running_airflow(programs: Programs, folder: Path, url: str, wal: WriteAheadLog) -> Iterator[Server]:
    """Run an Airflow on a database until the block ends, beside a platform."""
    with running_emulator(retention=600.0, start_delay=0.1) as platform:
        airflow = LocalAirflow(
            folder / "airflow",
            [Path(__file__).parent / "dags"],
            programs=programs,
            connections={"canfar_default": platform.connection},
            env={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url},
        )
        with airflow:
            yield Server(airflow, platform, wal)


def print_table(title: str, measured: Sequence[Measured]) -> None:
    """Print a line for each task, and how they compare."""
    print(f"\n{title}")
    print(f"{'replicas':>10}{'wakes':>8}{'s':>8}{'kB of WAL per replica':>24}{'whole state':>14}")
    for one in measured:
        print(
            f"{one.replicas:>10,}{one.wakes:>8,}{one.seconds:>8.0f}{one.written / one.replicas / 1000:>24.2f}"
            f"{one.before / one.replicas / 1000:>14.2f}"
        )
    small, large = measured[0], measured[-1]
    ratio = (large.written / large.replicas) / (small.written / small.replicas)
    before = (large.before / large.replicas) / (small.before / small.replicas)
    print(f"per replica, the last to the first: {ratio:.2f} (aim: below {AIM}), whole state {before:.2f}")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--phases-only", action="store_true", help="without Airflow; takes a minute")
    parser.add_argument("--lifetime", type=float, default=1.0, help="of each session, in seconds")
    parser.add_argument("--within", type=float, default=900.0, help="the most seconds for each task")
    options = parser.parse_args()
    servers.install()
    # Not in a folder of ours alone: the server's user must reach it.
    with tempfile.TemporaryDirectory(prefix="canfar-wal-") as folder, Programs() as programs:
        servers.make_reachable(Path(folder))
        with running_postgresql(programs, Path(folder)) as (url, wal):
            phases = [measure_phases(wal, count) for count in options.replicas]
            print_table("What the provider writes, with a virtual clock", phases)
            if options.phases_only:
                return
            with running_airflow(programs, Path(folder), url, wal) as server:
                idle_rate = wal.idle_rate()
                whole = [
                    measure(server, count, lifetime=options.lifetime, within=options.within)
                    for count in options.replicas
                ]
            print_table(f"A real Airflow; without tasks it writes {idle_rate / 1000:.1f} kB/s", whole)


if __name__ == "__main__":
    main()
