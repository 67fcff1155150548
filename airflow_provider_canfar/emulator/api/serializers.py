"""How the service shows a session, and how the emulator records it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.runtime.sessions import State

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_canfar.emulator.runtime.sessions import Session

GB_IN_A_GIB = 1.073741824
DEFAULT_CORES = 1.0  # what a session requests that does not ask


def as_shown(session: Session, base_url: str) -> dict[str, Any]:
    """Return a session as *SessionBuilder* makes it and Gson writes it: what is null is left out.

    :param base_url: where the emulator answers, for the connect URL.
    """
    asked = session.asked
    shown: dict[str, Any] = {
        "id": session.id,
        "userid": session.user,
        "runAsUID": "10001",
        "runAsGID": "10001",
        "supplementalGroups": [30123],
        "image": asked.image,
        "type": asked.kind,
        "status": session.state.shown,
        "name": asked.name,
        "startTime": timestamp(session.started),
        "expiryTime": timestamp(session.started, session.deadline),
        "connectURL": connect_url(session, base_url),
        "requestedGPUCores": str(asked.gpus),
        # Fixed means that memory's request is its limit, which it is when RAM was asked for.
        "isFixedResources": asked.ram is not None,
    }
    if asked.ram is not None:
        shown |= {
            "requestedRAM": f"{asked.ram * GB_IN_A_GIB:.2f}",
            "requestedCPUCores": _cores(asked.cores or DEFAULT_CORES),
        }
    if session.state is State.RUNNING:
        shown |= {"ramInUse": "0.01", "cpuCoresInUse": "0.001"}
    return {key: value for key, value in shown.items() if value is not None}


def as_shown_to_all(session: Session) -> dict[str, Any]:
    """Return what ``view=all`` shows of a session (*PublicSession*)."""
    shown = {
        "userid": session.user,
        "type": session.asked.kind,
        "status": session.state.shown,
        "startTime": timestamp(session.started),
    }
    return {key: value for key, value in shown.items() if value is not None}


def as_recorded(session: Session) -> dict[str, Any]:
    """Return everything about a session, for who tests against the emulator; times in seconds since 1970."""
    asked, container = session.asked, session.container
    environment = dict(container.environment)
    return {
        "id": session.id,
        "name": asked.name,
        "kind": asked.kind,
        "image": asked.image,
        "status": session.state.shown,
        "state": session.state.value,
        "cores": asked.cores,
        "ram": asked.ram,
        "gpus": asked.gpus,
        "command": None if container.command is None else list(container.command),
        "args": None if container.args is None else list(container.args),
        "environment": environment,
        "replica_id": environment.get("REPLICA_ID"),
        "replica_count": environment.get("REPLICA_COUNT"),
        "created": session.created,
        "started": session.started,
        "ended": session.ended,
        "exit_code": session.exit_code,
        "starts": session.starts,
        "deleted": session.deleted,
        "forgotten": session.forgotten,
        "live": session.is_live,
        "folder": str(session.folder),
    }


def base_url(request: Request) -> str:
    """Return where the emulator answers, as the caller calls it."""
    return f"{request.url.scheme}://{request.url.netloc}"


def connect_url(session: Session, base_url: str) -> str:
    """Return where a person meets an interactive session (*SessionURLBuilder*); nothing for the others."""
    root = f"{base_url}/session"
    match session.asked.kind:
        case "notebook":
            return f"{root}/notebook/{session.id}/lab/tree/arc/home/{session.user}?token={session.id}"
        case "desktop":
            return f"{root}/desktop/{session.id}/?password={session.id}&path=session/desktop/{session.id}/"
        case "carta":
            return f"{root}/carta/{session.id}/"
        case "contributed":
            return f"{root}/contrib/{session.id}/"
        case "firefly":
            return f"{root}/firefly/{session.id}/firefly/"
        case _:
            return ""


def event_table(session: Session) -> str:
    """Return ``view=events``: kubectl's custom columns, or a word for nothing (*SessionAction.getEvents*)."""
    if not session.events:
        return "<none>\n"
    rows = [("TYPE", "REASON", "MESSAGE", "FIRST-TIME", "LAST-TIME")]
    for event in session.events:
        at = timestamp(event.at) or "<none>"
        rows.append((event.kind, event.reason, event.message, at, at))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "".join(
        "   ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) + "\n"
        for row in rows
    )


def timestamp(at: float | None, plus: float = 0) -> str | None:
    """Return a time as Kubernetes writes it, ``2026-01-05T17:03:12Z``."""
    if at is None:
        return None
    return datetime.fromtimestamp(at + plus, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cores(cores: float) -> str:
    return str(int(cores)) if cores == int(cores) else f"{cores:.3f}"
