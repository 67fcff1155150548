"""The parts of Airflow's REST API that the demo and the tests use, and one run of a DAG."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from threading import Event
from typing import Any
from urllib.parse import quote

import httpx

from dev.waiting import wait_until

#: The final states of a task and of a run.
TASK_END_STATES = ("success", "failed", "skipped", "upstream_failed", "removed")
RUN_END_STATES = ("success", "failed")


class AirflowRest:
    """A client of an Airflow, which needs :meth:`log_in` unless that has no login.

    :param url: the address of its UI.
    :param stop: when this is set, waiting stops with :class:`~dev.waiting.Interrupted`.
    :param transport: the HTTP transport, for tests.
    """

    def __init__(
        self, url: str, stop: Event | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url
        self.stop = stop
        # Ignore the proxy settings of the environment: they are for other hosts.
        self._client = httpx.Client(
            base_url=f"{url}/api/v2", timeout=30, trust_env=False, transport=transport
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Any:
        """Send a request, and return the JSON of its response.

        :param path: below ``/api/v2``.
        :raises httpx.HTTPStatusError: when Airflow rejects the request, with the response's text as a note.
        """
        response = self._client.request(method, path, params=params, json=body)
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            error.add_note(response.text)
            raise
        return response.json() if response.content else None

    def health(self) -> dict[str, str]:
        """Return the status of each component; nothing while the API server does not respond yet."""
        try:
            health = self.request("GET", "/monitor/health")
        except httpx.TransportError:
            return {}
        return {name: part["status"] for name, part in health.items()}

    def serves_workers(self) -> bool:
        """Return whether the API server answers workers, whose API it builds at the first request for it.

        That takes longer on a busy machine than a worker waits for the answer.
        """
        try:
            return self._client.get(f"{self.url}/execution/health").is_success
        except httpx.TransportError:
            return False

    def log_in(self, user: str, password: str) -> None:
        """Log in, for all later requests.

        :raises httpx.HTTPStatusError: when Airflow does not know the user by this password.
        """
        body = {"username": user, "password": password}
        response = self._client.post(f"{self.url}/auth/token", json=body)
        response.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    def refuses_foreign_names(self) -> bool:
        """Return whether Airflow refuses a request by the name of another site."""
        response = self._client.get("/version", headers={"Host": "example.org"})
        return response.status_code == httpx.codes.MISDIRECTED_REQUEST

    def has_dag(self, dag_id: str, bundle: str | None = None) -> bool:
        """Return whether the dag-processor has found a DAG.

        :param bundle: the name of the DAG's bundle; the files of other bundles may be broken.
        :raises ImportError: with the traceback of a DAG file that cannot be imported.
        """
        errors = self.request("GET", "/importErrors")["import_errors"]
        errors = [one for one in errors if bundle is None or one["bundle_name"] == bundle]
        if errors:
            raise ImportError("\n".join(f"{one['filename']}\n{one['stack_trace']}" for one in errors))
        found = self.request("GET", "/dags", params={"dag_id_pattern": dag_id})["dags"]
        return any(dag["dag_id"] == dag_id for dag in found)

    def add_connection(self, connection_id: str, **fields: Any) -> None:
        """Add a connection to Airflow's database.

        :param fields: ``conn_type``, ``host``, ``password`` and so on.
        """
        self.request("POST", "/connections", body=_connection(connection_id, fields))

    def update_connection(self, connection_id: str, **fields: Any) -> None:
        """Replace a connection in Airflow's database.

        :param fields: as for :meth:`add_connection`.
        """
        self.request("PATCH", f"/connections/{connection_id}", body=_connection(connection_id, fields))

    def slots_in_use(self) -> int:
        """Return how many slots of the default pool are occupied."""
        pool = self.request("GET", "/pools/default_pool")
        return int(pool["occupied_slots"])

    def trigger(
        self,
        dag_id: str,
        conf: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        bundle: str | None = None,
        timeout: float = 60,
    ) -> Run:
        """Start a run of a DAG, as soon as the dag-processor has found it.

        :param conf: the run's parameters.
        :param run_id: by default, Airflow makes one.
        :param bundle: the name of the DAG's bundle; the files of other bundles may be broken.
        :param timeout: seconds to wait for the DAG.
        """
        wait_until(
            lambda: self.has_dag(dag_id, bundle),
            description=f"the DAG {dag_id}",
            timeout=timeout,
            stop=self.stop,
        )
        body = {"logical_date": None, "conf": dict(conf or {}), "dag_run_id": run_id}
        created = self.request("POST", f"/dags/{dag_id}/dagRuns", body=body)
        run = Run(self, dag_id, created["dag_run_id"])
        # Airflow 3.1 answers before its database has the run.
        wait_until(lambda: run.exists, description=f"the run {run.run_id}", timeout=timeout, stop=self.stop)
        return run

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler start the runs of a DAG."""
        self.request("PATCH", f"/dags/{dag_id}", body={"is_paused": False})

    def unfinished_runs(self, dag_id: str) -> list[Run]:
        """Return the runs of a DAG that have not ended; none of a DAG that Airflow does not know yet."""
        try:
            found = self.request("GET", f"/dags/{dag_id}/dagRuns", params={"state": ["queued", "running"]})
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return []
            raise
        return [Run(self, dag_id, run["dag_run_id"]) for run in found["dag_runs"]]


class Run:
    """One run of a DAG."""

    def __init__(self, airflow: AirflowRest, dag_id: str, run_id: str) -> None:
        self.airflow = airflow
        self.dag_id = dag_id
        self.run_id = run_id
        self._path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}"

    @property
    def page_url(self) -> str:
        """The address of its page in Airflow's UI, as Airflow's own links have it."""
        return f"{self.airflow.url}/dags/{self.dag_id}/runs/{quote(self.run_id, safe=':+')}"

    @property
    def exists(self) -> bool:
        """Whether Airflow finds it."""
        try:
            return bool(self.state)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return False
            raise

    @property
    def state(self) -> str:
        """The state of the whole run."""
        return str(self.airflow.request("GET", self._path)["state"])

    def tasks(self) -> list[dict[str, Any]]:
        """Return its task instances as the API describes them, in the order in which they started."""
        found = self.airflow.request("GET", f"{self._path}/taskInstances")["task_instances"]
        return sorted(found, key=lambda one: (one["start_date"] is None, one["start_date"], one["task_id"]))

    def task(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return one task instance as the API describes it."""
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
        """Return how many of its task instances are in a state. It has no page limit."""
        params = {"state": state, "limit": 1}
        return int(self.airflow.request("GET", f"{self._path}/taskInstances", params=params)["total_entries"])

    def log(self, task_id: str, try_number: int = 1, map_index: int = -1) -> list[str]:
        """Return the lines of a task's log, including its trigger's lines and the messages of errors."""
        log = self.airflow.request(
            "GET",
            f"{self._path}/taskInstances/{task_id}/logs/{try_number}",
            params={"full_content": True, "map_index": map_index},
        )
        return list(_lines(log["content"]))

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value of an XCom that a task has pushed."""
        entry = self.airflow.request(
            "GET",
            f"{self._path}/taskInstances/{task_id}/xcomEntries/{key}",
            params={"map_index": map_index, "deserialize": False, "stringify": False},
        )
        return entry["value"]

    def links(self, task_id: str, map_index: int = -1) -> dict[str, str | None]:
        """Return the addresses of a task's buttons, by label."""
        response = self.airflow.request(
            "GET", f"{self._path}/taskInstances/{task_id}/links", params={"map_index": map_index}
        )
        links: dict[str, str | None] = response["extra_links"]
        return links

    def mark(self, state: str) -> None:
        """Mark the whole run as a success or a failure."""
        self.airflow.request("PATCH", self._path, body={"state": state})

    def mark_task(self, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark one task as a success or a failure."""
        path = f"{self._path}/taskInstances/{task_id}" + (f"/{map_index}" if map_index >= 0 else "")
        self.airflow.request("PATCH", path, body={"new_state": state})

    def clear(self, *task_ids: str) -> None:
        """Clear tasks, so that they run again."""
        body = {"dag_run_id": self.run_id, "task_ids": task_ids, "dry_run": False, "only_failed": False}
        self.airflow.request("POST", f"/dags/{self.dag_id}/clearTaskInstances", body=body)

    def wait(self, timeout: float) -> str:
        """Wait until the run has ended, and return its final state."""
        wait_until(
            lambda: self.state in RUN_END_STATES,
            description=f"the end of {self.dag_id} {self.run_id}",
            timeout=timeout,
            stop=self.airflow.stop,
        )
        return self.state

    def wait_for(self, task_id: str, *states: str, timeout: float, map_index: int = -1) -> str:
        """Wait until a task is in one of the given states, and return that state.

        :param states: by default, the final states.
        :param timeout: seconds to wait.
        :raises TimeoutError: when the task has reached none of them in time.
        """
        wanted = states or TASK_END_STATES
        state = wait_until(
            lambda: self.state_of(task_id, map_index) in wanted and self.state_of(task_id, map_index),
            description=f"{task_id} to be {' or '.join(wanted)}",
            timeout=timeout,
            stop=self.airflow.stop,
        )
        return str(state)


def _connection(connection_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    extra = fields.get("extra")
    return {"connection_id": connection_id, **fields, "extra": json.dumps(extra) if extra else None}


def _lines(content: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a log's messages; an exception lists its causes first."""
    for message in content:
        yield from str(message["event"]).splitlines()
        for error in message.get("error_detail") or ():
            yield from f"{error['exc_type']}: {error['exc_value']}".splitlines()
