"""Wait for sessions that somebody else has launched, by their names.

A colleague runs a batch with the same account, from a notebook or a terminal, and calls its sessions
`survey-1`, `survey-2` and so on. This DAG goes on when as many as were agreed on have completed, and shows
their logs. Who waits needs no ids, and nothing changes for the colleague.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.sensors.session import CanfarSessionSensor


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["canfar", "example"],
    params={"prefix": Param("survey-", type="string", description="What the sessions' names start with.")},
)
def somebody_elses_session() -> None:
    survey = CanfarSessionSensor(
        task_id="survey",
        prefix="{{ params.prefix }}",
        kind="headless",
        # By name, "all" would be those that are there at the moment.
        at_least=2,
        timeout=timedelta(days=2),
    )

    @task
    def show_logs(sessions: list[dict[str, Any]]) -> list[str]:
        """Show the logs while the platform has them, which is for an hour after a session's end."""
        ids = [session["session_id"] for session in sessions]
        for session_id, log in CanfarHook().logs(ids).items():
            print(f"{session_id}:\n{log}")
        return ids

    # What an operator returns is an XComArg to a checker, whatever it will be: Any.
    sessions: Any = survey.output
    show_logs(sessions)


somebody_elses_session()
