"""How the service shows sessions, and how the emulator records them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.api.status_words import shown_status
from airflow_provider_canfar.emulator.runtime.sessions import State, Usage

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_canfar.emulator.runtime.sessions import Session

GB = 10**9
GIB = 2**30
IDLE_PAGE = Usage(cores=0.001, ram=10_000_000)  # of an interactive session, which has no program here
DEFAULT_CORES = 1.0  # the request of a session with flexible cores
DEFAULT_RAM = 4.0
CLUSTER_CORES = 2189.0
CLUSTER_RAM = 11890.0


def session_json(session: Session, base_url: str, status_words: str) -> dict[str, Any]:
    """Return a session as *SessionBuilder* builds it and Gson writes it, without null values.

    :param base_url: the emulator's address, for the connect URL.
    :param status_words: which server's words the status is in.
    """
    request = session.request
    fields: dict[str, Any] = {
        "id": session.id,
        "userid": session.user,
        "runAsUID": "10001",
        "runAsGID": "10001",
        "supplementalGroups": [30123],
        "appid": session.app_id,
        "image": request.image,
        "type": request.kind,
        "status": shown_status(session, status_words),
        "name": request.name,
        "startTime": timestamp(session.started),
        "expiryTime": timestamp(session.started, session.deadline),
        "connectURL": connect_url(session, base_url),
        "requestedGPUCores": str(request.gpus),
        # Fixed means that memory's request equals its limit, which is so when RAM was requested.
        "isFixedResources": request.ram is not None,
    }
    if request.ram is not None:
        fields |= {
            "requestedRAM": f"{request.ram * GIB / GB:.2f}",
            "requestedCPUCores": _cores(request.cores or DEFAULT_CORES),
        }
    usage = session.usage if session.is_headless else IDLE_PAGE
    if usage and session.status == State.RUNNING.status:
        fields |= {"ramInUse": f"{usage.ram / GB:.2f}", "cpuCoresInUse": f"{usage.cores:.3f}"}
    return {key: value for key, value in fields.items() if value is not None}


def stats_json(sessions: Sequence[Session], gpus: float = 0.0) -> dict[str, Any]:
    """Return ``view=stats``, with the size of a made-up cluster.

    :param gpus: how many GPUs it reports; 0 to report none, as the server does (GetAction.getStats).
    """
    running = [session.request for session in sessions if session.state is State.RUNNING]
    cores = sum(request.cores or DEFAULT_CORES for request in running)
    ram = sum(request.ram or DEFAULT_RAM for request in running)
    # In the words that the platform's own client reads (canfar/cli/stats.py).
    requested = float(sum(request.gpus for request in running))
    reported = {"gpu": {"requestedGPU": requested, "gpuAvailable": gpus}} if gpus else {}
    return {
        "cores": {
            "requestedCPUCores": float(cores),
            "cpuCoresAvailable": CLUSTER_CORES,
            "maxCPUCores": {"cpuCores": 16.0, "withRam": "192G"},
        },
        "ram": {
            "requestedRAM": f"{ram:.1f}G",
            "ramAvailable": f"{CLUSTER_RAM:.1f}G",
            "maxRAM": {"ram": "192G", "withCPUCores": 16.0},
        },
        **reported,
    }


def recorded_session_json(session: Session) -> dict[str, Any]:
    """Return everything about a session, for the admin API.

    Times are in seconds since 1970, and memory is in GiB, as a create requests it.
    """
    request, container = session.request, session.container
    environment = dict(container.environment)
    return {
        "id": session.id,
        "app_id": session.app_id,
        "name": request.name,
        "kind": request.kind,
        "image": request.image,
        "status": session.status,
        "state": session.state.value,
        "cores": request.cores,
        "ram": request.ram,
        "gpus": request.gpus,
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
        "cores_in_use": session.usage and round(session.usage.cores, 3),
        "ram_in_use": session.usage and round(session.usage.ram / GIB, 3),
        "deleted": session.deleted,
        "forgotten": session.forgotten,
        "live": session.is_live,
        "folder": str(session.folder),
    }


def base_url(request: Request) -> str:
    """Return the emulator's address as the client spells it."""
    return f"{request.url.scheme}://{request.url.netloc}"


def connect_url(session: Session, base_url: str) -> str:
    """Return the address of an interactive session (*SessionURLBuilder*); empty for other kinds."""
    root = f"{base_url}/session"
    match session.request.kind:
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


def timestamp(at: float | None, plus: float = 0) -> str | None:
    """Return a time as Kubernetes writes it, ``2026-01-05T17:03:12Z``."""
    if at is None:
        return None
    return datetime.fromtimestamp(at + plus, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cores(cores: float) -> str:
    return str(int(cores)) if cores == int(cores) else f"{cores:.3f}"
