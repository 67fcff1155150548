"""What is told of a task's sessions where data lineage is kept. Pure.

It is stored elsewhere, and read by others: it has no value of a variable, and of a command the program only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.spec import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch

#: Of more sessions than this, only the counts and the first ones are told; those that failed come first.
MAX_SESSIONS = 100


def lineage_of(spec: SessionSpec, batch: Batch) -> dict[str, Any]:
    """Return what ran in a task's sessions, and how they ended; JSON, whose size has a limit.

    :param spec: what each replica ran.
    :param batch: what is known of the replicas.
    """
    return {
        "image": spec.image,
        "kind": str(spec.kind),
        "program": spec.command[0] if spec.command else spec.cmd,
        "arguments": max(0, len(spec.command) - 1) if spec.command else None,
        "environment": sorted(spec.env),
        "cores": spec.cores,
        "ram": spec.ram,
        "gpus": spec.gpus,
        "replicas": batch.replicas,
        "succeeded": batch.succeeded_count,
        "failed": batch.failed_count,
        "sessions": _sessions(batch),
    }


def _sessions(batch: Batch) -> list[dict[str, Any]]:
    """Return the sessions, with what is known of each: first those that failed, then the others in order."""
    rows = {
        replica: {"replica": replica, "id": one.session_id, "name": one.name, "status": None}
        for replica, one in batch.launched.items()
    }
    failed = {one.replica for one in batch.failed()}
    for replica, one in batch.outcomes.items():
        if batch.settled(replica):
            rows[replica] = {
                "replica": replica,
                "id": one.session_id,
                "name": one.name,
                "status": one.status,
            }
    first = sorted(rows, key=lambda replica: (replica not in failed, replica))[:MAX_SESSIONS]
    return [rows[replica] for replica in first]
