"""PostgreSQL and Redis from Debian's packages, in a folder of their own and on free ports of loopback.

Both run as another user if this process is root: PostgreSQL refuses to run as root. Passwords are only
in files of that user and in the environment of Airflow's components.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from dev.programs import Program, Programs, free_ports
from dev.waiting import wait_until
from tests.debian import find_or_install

#: Where Debian has the programs of each version of PostgreSQL.
POSTGRESQL = Path("/usr/lib/postgresql")

#: The users to run as, if this process is root; the first that exists.
USERS = ("postgres", "nobody")

#: Seconds for a server to start or stop; it takes less than one on an idle machine.
TIMEOUT = 60.0


def install() -> None:
    """Install both where they are missing and this process is root.

    :raises tests.debian.NotInstalled: when they are missing afterwards.
    """
    find_or_install(lambda: _postgresql() and shutil.which("redis-server"), "postgresql", "redis-server")


class Server(ABC):
    """A server that a test can stop and start again.

    :param programs: starts it, and terminates it if this process is killed.
    :param folder: its folder, which is created.
    """

    name: str

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self._programs = programs
        self._password = secrets.token_urlsafe(16)
        self._program: Program | None = None
        self.folder.mkdir(mode=0o700)
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Write what it needs for its first start."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Return its command line."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Return whether it serves requests."""

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        log = self.folder.parent / f"{self.name}.log"
        command = [*_as_user(), *self._command()]
        program = self._program = self._programs.start(self.name, command, log=log, folder=self.folder)

        def is_ready() -> bool:
            if program.exit_code is not None:
                raise RuntimeError(f"{self.name} has exited:\n{program.last_lines()}")
            return self._is_ready()

        wait_until(is_ready, description=f"{self.name} to be ready", timeout=TIMEOUT)

    def stop(self) -> None:
        """Stop it, without waiting for its clients."""
        if program := self._program:
            program.signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                wait_until(
                    lambda: program.exit_code is not None,
                    description=f"the end of {self.name}",
                    timeout=TIMEOUT,
                )
            self._programs.terminate(program)
            self._program = None

    def _write(self, name: str, text: str) -> Path:
        """Write a file that only the server's user can read."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        _give(path)
        return path


class PostgreSQL(Server):
    """A database server without data."""

    name = "postgresql"

    @property
    def url(self) -> str:
        """Its address for SQLAlchemy 2.1, for which the plain ``postgresql://`` means another driver."""
        return f"postgresql+psycopg2://airflow:{self._password}@127.0.0.1:{self.port}/postgres"

    def _prepare(self) -> None:
        _give(self.folder)
        password = self._write("password", self._password)
        options = ["--username=airflow", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8"]
        subprocess.run(
            [*_as_user(), str(_program("initdb")), "--no-sync", *options, f"--pgdata={self.folder / 'data'}"],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def _command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "fsync": "off",  # The data need not survive the machine.
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(_program("postgres")), "-D", str(self.folder / "data"), *options]

    def _is_ready(self) -> bool:
        command = [str(_program("pg_isready")), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(command).returncode == 0


class Redis(Server):
    """A Redis that forgets everything when it stops: the worst that a broker does to Celery."""

    name = "redis"

    @property
    def url(self) -> str:
        """Its address for Celery."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def _prepare(self) -> None:
        _give(self.folder)
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self.folder,
            "requirepass": self._password,
            "save": '""',
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        self._configuration = self._write("redis.conf", text)

    def _command(self) -> Sequence[str]:
        return [str(shutil.which("redis-server")), str(self._configuration)]

    def _is_ready(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


def make_reachable(folder: Path) -> None:
    """Let the servers' user into a new folder that belongs to this process."""
    if os.geteuid() == 0:
        folder.chmod(0o711)


def _give(path: Path) -> None:
    """Make the servers' user the owner of a file or folder."""
    if os.geteuid() == 0:
        user = _user()
        os.chown(path, user.pw_uid, user.pw_gid)


def _as_user() -> list[str]:
    """Return the beginning of a command line that makes a program run as the servers' user."""
    if os.geteuid() != 0:
        return []
    user = _user()
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _user() -> pwd.struct_passwd:
    return next(one for name in USERS for one in pwd.getpwall() if one.pw_name == name)


def _postgresql() -> Path | None:
    """Return the folder with the programs of the newest PostgreSQL."""
    found = [path for path in POSTGRESQL.glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def _program(name: str) -> Path:
    folder = _postgresql()
    assert folder is not None
    return folder / name
