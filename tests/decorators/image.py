"""Images to run functions in: the Python versions of this machine, from the oldest to the newest."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from airflow_provider_canfar.decorators._remote_call import build_call
from airflow_provider_canfar.decorators._result_lines import ParsedLog, parse_log
from tests.sigint import default_sigint

MARKER = "k3v5x2qamd-0-1"

#: The versions that an image may have, oldest first.
VERSIONS = [f"3.{minor}" for minor in range(8, 20)]


@cache
def interpreters() -> dict[str, str]:
    """Find the Python versions in PATH and those of a version manager, oldest first."""
    current = f"3.{sys.version_info.minor}"
    found = {}
    beside = Path(sys.base_prefix).resolve().parent
    for version in VERSIONS:
        candidates = [shutil.which(f"python{version}"), *map(str, beside.glob(f"*/bin/python{version}"))]
        good = (one for one in candidates if one is not None and _version_of(one) == version)
        if python := next(good, sys.executable if version == current else None):
            found[version] = python
    return found


def _version_of(candidate: str) -> str | None:
    """Return an interpreter's version, or None: a version manager may put broken shims into PATH."""
    program = "import sys, json, hashlib; print('%d.%d' % sys.version_info[:2])"
    probe = subprocess.run([candidate, "-c", program], capture_output=True, text=True, check=False)
    return probe.stdout.strip() or None


@dataclass(frozen=True)
class EndedCall:
    """How a call of a function ended.

    :param output: standard output and error as the platform would have logged them.
    """

    exit_code: int
    output: str
    parsed: ParsedLog

    @property
    def log(self) -> str:
        """The log that users see."""
        return self.parsed.log

    @property
    def value(self) -> Any:
        """What the function returned."""
        assert self.parsed.result is not None, self
        return json.loads(self.parsed.result)


@dataclass(frozen=True)
class Image:
    """A Python interpreter without anything of this project.

    :param home: the working directory of its containers.
    """

    python: str
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> tuple[int, int]:
        """The version of its Python."""
        major, minor = (_version_of(self.python) or "").split(".")
        return int(major), int(minor)

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        replica: int = 1,
        replicas: int = 1,
        multiple_outputs: bool = False,
        **kwargs: Any,
    ) -> EndedCall:
        """Run a function as a session with this image would."""
        call = build_call(
            function, args, kwargs, marker=MARKER, python=self.python, multiple_outputs=multiple_outputs
        )
        with default_sigint():
            ended = subprocess.run(
                call.command,
                env=self.environment
                | call.env
                | {"PATH": "/usr/bin:/bin", "REPLICA_ID": str(replica), "REPLICA_COUNT": str(replicas)},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            )
        output = ended.stdout.decode(errors="replace")
        return EndedCall(ended.returncode, output, parse_log(output, f"{MARKER}-{replica}-{replicas}"))


def images() -> Iterator[str]:
    """Return the versions to test: the oldest, the newest, and the one that runs the tests."""
    versions = list(interpreters())
    yield from dict.fromkeys([versions[0], f"3.{sys.version_info.minor}", versions[-1]])
