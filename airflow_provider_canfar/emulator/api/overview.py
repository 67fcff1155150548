"""The data that the emulator's page shows: all sessions in brief, and one session in detail.

It contains no environment variables.
"""

from __future__ import annotations

import base64
import binascii
import os
import shlex
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.api.event_table import event_table
from airflow_provider_canfar.emulator.api.provider_names import task_of
from airflow_provider_canfar.emulator.api.serializers import connect_url, recorded_session_json

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_canfar.emulator.job_pipeline.kubectl import AcceptedContainer
    from airflow_provider_canfar.emulator.runtime.sessions import Session

MAX_COMMAND = 300
MAX_LOG = 64 * 1024
SUMMARY_FIELDS = (
    *("id", "name", "kind", "image", "status", "state", "replica_id", "replica_count"),
    *("cores", "ram", "gpus", "cores_in_use", "ram_in_use"),
    *("created", "started", "ended", "exit_code", "deleted", "forgotten", "live"),
)


def session_summary(session: Session, base_url: str) -> dict[str, Any]:
    """Return a session's row in the page's table.

    :param base_url: the emulator's address, for the connect URL.
    """
    recorded = recorded_session_json(session)
    return {
        **{name: recorded[name] for name in SUMMARY_FIELDS},
        "task": task_of(session.request.name),
        "connect_url": connect_url(session, base_url),
        "command": shlex.join(decoded_argv(session.container))[:MAX_COMMAND],
    }


def session_details(session: Session, base_url: str) -> dict[str, Any]:
    """Return the contents of a session's panel, even if the platform has forgotten the session.

    Reads the end of its log from a file.
    """
    return {
        **session_summary(session, base_url),
        "argv": decoded_argv(session.container),
        "container_argv": _container_argv(session.container),
        "starts": session.starts,
        "folder": str(session.folder),
        "events": event_table(session.events) if session.events else "",
        "log": log_tail(session.log),
    }


@lru_cache(maxsize=4096)
def decoded_argv(container: AcceptedContainer) -> list[str]:
    """Return the command line that a container ends up running.

    The provider sends most commands in base64, in arguments that the container turns into the command
    (``...;exec env -- "$@" PROGRAM...``, where ``$@`` are variables). A person could not read those.
    """
    argv = _container_argv(container)
    match argv:
        case ["/bin/sh", "-c", _, "sh", *chunks] if chunks:
            try:
                script = base64.b64decode("".join(chunks), validate=True).decode()
                _, _, command = script.partition("exec env -- ")
                decoded = shlex.split(command)
            except (binascii.Error, ValueError):
                return argv
            if decoded:
                return decoded[decoded[0] == "$@" :]
    return argv


def log_tail(log: Path) -> str:
    """Return the last lines of a log; empty while there is no log."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MAX_LOG))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    if size <= MAX_LOG:
        return text
    return f"\N{HORIZONTAL ELLIPSIS} earlier lines are omitted\n{text.partition(chr(10))[2] or text}"


def _container_argv(container: AcceptedContainer) -> list[str]:
    return [*(container.command or ()), *(container.args or ())]
