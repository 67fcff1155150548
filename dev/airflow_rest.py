"""Airflow's REST API, as far as the demo and the tests ask for it, and one run of a DAG."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from threading import Event
from typing import Any
from urllib.parse import quote

import httpx

from dev.waiting import until

#: How a task, and a whole run, can end.
TASK_ENDS = ("success", "failed", "skipped", "upstream_failed", "removed")
RUN_ENDS = ("success", "failed")


class AirflowRest:
    """An Airflow that lets everybody in (``simple_auth_manager_all_admins``).

    :param url: where its UI is.
    :param stop: set by whoever wants to stop waiting.
    :param transport: what carries the requests, for tests.
    """

    def __init__(
        self, url: str, stop: Event | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url
        self.stop = stop
        # A proxy that the machine may have is for other hosts.
        self._client = httpx.Client(
            base_url=f"{url}/api/v2", timeout=30, trust_env=False, transport=transport
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Any:
        """Make a request, and return its answer's JSON.

        :param path: below ``/api/v2``.
        :raises httpx.HTTPStatusError: when it is refused, with the server's words as a note.
        """
        response = self._client.request(method, path, params=params, json=body)
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            error.add_note(response.text)
            raise
        return response.json() if response.content else None

    def health(self) -> dict[str, str]:
        """Return the status of each component; nothing yet before the API server answers."""
        try:
            answer = self.call("GET", "/monitor/health")
        except httpx.TransportError:
            return {}
        return {name: part["status"] for name, part in answer.items()}

    def has_dag(self, dag_id: str) -> bool:
        """Tell whether the dag-processor has found a DAG.

        :raises ImportError: with the traceback of a DAG file that cannot be imported.
        """
        errors = self.call("GET", "/importErrors")["import_errors"]
        if errors:
            raise ImportError("\n".join(f"{one['filename']}\n{one['stack_trace']}" for one in errors))
        found = self.call("GET", "/dags", params={"dag_id_pattern": dag_id})["dags"]
        return any(dag["dag_id"] == dag_id for dag in found)

    def add_connection(self, connection_id: str, **fields: Any) -> None:
        """Store a connection in Airflow's database.

        :param fields: ``conn_type``, ``host``, ``password`` and so on.
        """
        self.call("POST", "/connections", body=_connection(connection_id, fields))

    def change_connection(self, connection_id: str, **fields: Any) -> None:
        """Store a connection in place of one that is there.

        :param fields: as for :meth:`add_connection`.
        """
        self.call("PATCH", f"/connections/{connection_id}", body=_connection(connection_id, fields))

    def slots_in_use(self) -> int:
        """Return how many tasks occupy a place in the default pool."""
        pool = self.call("GET", "/pools/default_pool")
        return int(pool["occupied_slots"])

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, seconds: float = 60) -> Run:
        """Start a run of a DAG, as soon as the dag-processor has found it.

        :param conf: the run's parameters.
        :param seconds: how long the DAG is waited for.
        """
        until(lambda: self.has_dag(dag_id), for_what=f"the DAG {dag_id}", seconds=seconds, stop=self.stop)
        answer = self.call(
            "POST", f"/dags/{dag_id}/dagRuns", body={"logical_date": None, "conf": dict(conf or {})}
        )
        return Run(self, dag_id, answer["dag_run_id"])


class Run:
    """One run of a DAG."""

    def __init__(self, airflow: AirflowRest, dag_id: str, run_id: str) -> None:
        self.airflow = airflow
        self.dag_id = dag_id
        self.run_id = run_id
        self._path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}"

    @property
    def page(self) -> str:
        """Where people see it."""
        return f"{self.airflow.url}/dags/{self.dag_id}/runs/{quote(self.run_id)}"

    @property
    def state(self) -> str:
        """The state of the whole run."""
        return str(self.airflow.call("GET", self._path)["state"])

    def tasks(self) -> list[dict[str, Any]]:
        """Return its task instances, as the API shows them, in the order in which they started."""
        found = self.airflow.call("GET", f"{self._path}/taskInstances")["task_instances"]
        return sorted(found, key=lambda one: (one["start_date"] is None, one["start_date"], one["task_id"]))

    def task(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return one task instance, as the API shows it."""
        return next(one for one in self.tasks() if (one["task_id"], one["map_index"]) == (task_id, map_index))

    def state_of(self, task_id: str, map_index: int = -1) -> str | None:
        """Return the state of a task; None before the scheduler has seen it."""
        state: str | None = self.task(task_id, map_index)["state"]
        return state

    def states(self) -> dict[str, str | None]:
        """Return the state of each task by its id, with ``[index]`` where it is mapped."""
        return {
            one["task_id"] + (f"[{one['map_index']}]" if one["map_index"] >= 0 else ""): one["state"]
            for one in self.tasks()
        }

    def count(self, state: str) -> int:
        """Return how many of its task instances are in a state, however many there are."""
        params = {"state": state, "limit": 1}
        return int(self.airflow.call("GET", f"{self._path}/taskInstances", params=params)["total_entries"])

    def log(self, task_id: str, try_number: int = 1, map_index: int = -1) -> list[str]:
        """Return the lines of a task's log, those of its trigger among them, errors with their messages."""
        answer = self.airflow.call(
            "GET",
            f"{self._path}/taskInstances/{task_id}/logs/{try_number}",
            params={"full_content": True, "map_index": map_index},
        )
        return list(_lines(answer["content"]))

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return what a task has pushed."""
        answer = self.airflow.call(
            "GET",
            f"{self._path}/taskInstances/{task_id}/xcomEntries/{key}",
            params={"map_index": map_index, "deserialize": False, "stringify": False},
        )
        return answer["value"]

    def links(self, task_id: str, map_index: int = -1) -> dict[str, str | None]:
        """Return the addresses behind a task's buttons, by their labels."""
        answer = self.airflow.call(
            "GET", f"{self._path}/taskInstances/{task_id}/links", params={"map_index": map_index}
        )
        links: dict[str, str | None] = answer["extra_links"]
        return links

    def mark(self, state: str) -> None:
        """Mark the whole run as a success or a failure."""
        self.airflow.call("PATCH", self._path, body={"state": state})

    def mark_task(self, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark one task as a success or a failure."""
        path = f"{self._path}/taskInstances/{task_id}" + (f"/{map_index}" if map_index >= 0 else "")
        self.airflow.call("PATCH", path, body={"new_state": state})

    def clear(self, *task_ids: str) -> None:
        """Clear tasks, so that they run again."""
        body = {"dag_run_id": self.run_id, "task_ids": task_ids, "dry_run": False, "only_failed": False}
        self.airflow.call("POST", f"/dags/{self.dag_id}/clearTaskInstances", body=body)

    def wait(self, seconds: float) -> str:
        """Wait until the run has ended, and return how."""
        until(
            lambda: self.state in RUN_ENDS,
            for_what=f"the end of {self.dag_id} {self.run_id}",
            seconds=seconds,
            stop=self.airflow.stop,
        )
        return self.state

    def wait_for(self, task_id: str, *states: str, seconds: float, map_index: int = -1) -> str:
        """Wait until a task is in one of some states, and return in which.

        :param states: any end, when none is named.
        :raises TimeoutError: when it has not been seen in any in time.
        """
        wanted = states or TASK_ENDS
        state = until(
            lambda: self.state_of(task_id, map_index) in wanted and self.state_of(task_id, map_index),
            for_what=f"{task_id} to be {' or '.join(wanted)}",
            seconds=seconds,
            stop=self.airflow.stop,
        )
        return str(state)


def _connection(connection_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"connection_id": connection_id, **fields, "extra": json.dumps(fields.get("extra") or {})}


def _lines(content: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Turn a log's messages into lines; an exception is a list of its causes, outermost last."""
    for message in content:
        yield from str(message["event"]).splitlines()
        for error in message.get("error_detail") or ():
            yield from f"{error['exc_type']}: {error['exc_value']}".splitlines()
