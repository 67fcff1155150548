"""Wait for sessions that were launched outside Airflow, by their names.

A colleague with the same account runs a batch from a notebook or a terminal, and names its sessions
`survey-1`, `survey-2` and so on. When the agreed number of them has completed, this DAG continues and logs
their output. It does not need their ids, and the colleague does not have to change anything.
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
    params={"prefix": Param("survey-", type="string", description="The prefix of the sessions' names.")},
)
def external_sessions() -> None:
    survey = CanfarSessionSensor(
        task_id="survey",
        prefix="{{ params.prefix }}",
        kind="headless",
        # Without it, the sensor waits for the matching sessions that it has seen so far.
        at_least=2,
        timeout=timedelta(days=2),
    )

    @task
    def show_logs(sessions: list[dict[str, Any]]) -> list[str]:
        """Print the logs. The platform keeps them for an hour after the end of a session."""
        ids = [session["session_id"] for session in sessions]
        for session_id, log in CanfarHook().logs(ids).items():
            print(f"{session_id}:\n{log}")
        return ids

    # For a type checker, an operator's output is an XComArg, which does not match the parameters: hence Any.
    sessions: Any = survey.output
    show_logs(sessions)


external_sessions()
