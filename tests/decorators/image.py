"""Images for functions to run in: the Pythons of this machine, of which the oldest may be very old."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from airflow_provider_canfar.decorators._remote_call import command
from airflow_provider_canfar.decorators._result_lines import Reading, read

TOKEN = "k3v5x2qamd-0-1"

#: The versions that a function may meet in an image, oldest first.
VERSIONS = [f"3.{minor}" for minor in range(8, 20)]


@cache
def interpreters() -> dict[str, str]:
    """Find the Pythons in PATH, and those that a version manager keeps beside this one; oldest first."""
    mine = f"3.{sys.version_info.minor}"
    found = {}
    beside = Path(sys.base_prefix).resolve().parent
    for version in VERSIONS:
        candidates = [shutil.which(f"python{version}"), *map(str, beside.glob(f"*/bin/python{version}"))]
        good = (one for one in candidates if one is not None and _version_of(one) == version)
        if python := next(good, sys.executable if version == mine else None):
            found[version] = python
    return found


def _version_of(candidate: str) -> str | None:
    """Ask an interpreter for its version: a version manager puts names into PATH that start nothing."""
    program = "import sys, json, hashlib; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([candidate, "-c", program], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


@dataclass(frozen=True)
class Ended:
    """How a call of a function ended.

    :param output: standard output and error as the platform would have logged them.
    """

    exit_code: int
    output: str
    reading: Reading

    @property
    def log(self) -> str:
        """What people see."""
        return self.reading.log

    @property
    def value(self) -> Any:
        """What the function has returned."""
        assert self.reading.result is not None, self
        return json.loads(self.reading.result)


@dataclass(frozen=True)
class Image:
    """A Python, and nothing else of this project.

    :param home: the folder that its containers start in.
    """

    python: str
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def call(
        self, function: Callable[..., Any], *args: Any, replica: int = 1, replicas: int = 1, **kwargs: Any
    ) -> Ended:
        """Run a function as a session of this image would."""
        argv = command(function, args, kwargs, token=TOKEN, python=self.python)
        with _nothing_ignored():
            ended = subprocess.run(
                argv,
                env=self.environment
                | {"PATH": "/usr/bin:/bin", "REPLICA_ID": str(replica), "REPLICA_COUNT": str(replicas)},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            )
        output = ended.stdout.decode(errors="replace")
        return Ended(ended.returncode, output, read(output, f"{TOKEN}-{replica}-{replicas}"))


@contextmanager
def _nothing_ignored() -> Iterator[None]:
    """Start programs as a container does: a shell's background hands SIGINT on ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def images() -> Iterator[str]:
    """Return the versions to try: the oldest and the newest of this machine, and this very one."""
    versions = list(interpreters())
    yield from dict.fromkeys([versions[0], f"3.{sys.version_info.minor}", versions[-1]])
