"""What the emulator's page shows of sessions: a line for each, and all about the one that is open.

The environments are no part of it.
"""

from __future__ import annotations

import base64
import binascii
import os
import shlex
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.api.serializers import as_recorded, connect_url, event_table

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_canfar.emulator.job_pipeline.kubectl import PostedContainer
    from airflow_provider_canfar.emulator.runtime.sessions import Session

LONGEST_LINE = 300
LONGEST_LOG = 64 * 1024
RECORDED = (
    *("id", "name", "kind", "image", "status", "state", "replica_id", "replica_count"),
    *("created", "started", "ended", "exit_code", "deleted", "forgotten", "live"),
)


def as_line(session: Session, base_url: str) -> dict[str, Any]:
    """Return what the list shows of a session.

    :param base_url: where the emulator answers, for the connect URL.
    """
    recorded = as_recorded(session)
    return {
        **{name: recorded[name] for name in RECORDED},
        "connect_url": connect_url(session, base_url),
        "command": shlex.join(program(session.container))[:LONGEST_LINE],
    }


def as_opened(session: Session, base_url: str) -> dict[str, Any]:
    """Return what the panel shows of a session, whether the platform still remembers it or not.

    Its log is the end of what it has written so far. Reads a file.
    """
    asked = session.asked
    return {
        **as_line(session, base_url),
        "program": program(session.container),
        "words": _words(session.container),
        "resources": {"cores": asked.cores, "ram": asked.ram, "gpus": asked.gpus},
        "starts": session.starts,
        "folder": str(session.folder),
        "events": event_table(session) if session.events else "",
        "log": end_of(session.log),
    }


@lru_cache(maxsize=4096)
def program(container: PostedContainer) -> list[str]:
    """Return the command line that a container comes to run.

    The provider carries most commands as base64, in words that become the command inside the container
    (``exec env -- NAME=value... PROGRAM...``); nobody could read those.
    """
    match words := _words(container):
        case ["/bin/sh", "-c", _, "sh", *chunks] if chunks:
            try:
                script = base64.b64decode("".join(chunks), validate=True).decode()
                start, *carried = shlex.split(script)
            except (binascii.Error, ValueError):
                return words
            if start == "exec" and carried[:2] == ["env", "--"]:
                del carried[:2]
                while carried and "=" in carried[0]:
                    del carried[0]
                return carried
    return words


def end_of(log: Path) -> str:
    """Return the last lines of a log; nothing where there is none yet."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LONGEST_LOG))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    if size <= LONGEST_LOG:
        return text
    return f"\N{HORIZONTAL ELLIPSIS} earlier lines are left out\n{text.partition(chr(10))[2] or text}"


def _words(container: PostedContainer) -> list[str]:
    return [*(container.command or ()), *(container.args or ())]
