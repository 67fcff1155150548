"""The plugin that adds the tab *Sessions* to the pages of tasks and of DAG runs.

Every process of Airflow loads all plugins when it starts, so this module imports nothing but the base class;
what serves the files is imported with the first request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey
    from starlette.types import Receive, Scope, Send

#: Where Airflow's API server mounts the files.
URL_PREFIX = "/canfar/sessions"

#: The last part of the address of a task's tab.
TASK_ROUTE = "canfar-sessions"

# Relative to the <base> of Airflow's page, which may be below a path such as /airflow. Airflow 3.1 inserts
# the ids as they are and later releases percent-encode them; address.js reads both.
_TASK = "dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"
_RUN = "dag_id={DAG_ID}&run_id={RUN_ID}"


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with a file of the page; an ASGI application."""
    from airflow_provider_canfar.plugin.static_files import static_files

    await static_files()(scope, receive, send)


class SessionsPagePlugin(AirflowPlugin):
    """The tab *Sessions*; ``[canfar] sessions_page = False`` switches it off."""

    name = "canfar_sessions"
    fastapi_apps: list[Any] = [{"name": "CANFAR sessions", "app": serve, "url_prefix": URL_PREFIX}]
    external_views: list[Any] = [
        {
            "name": "Sessions",
            "href": f"{URL_PREFIX.lstrip('/')}/task.html?{_TASK}",
            "destination": "task_instance",
            "url_route": TASK_ROUTE,
        },
        {
            "name": "Sessions",
            "href": f"{URL_PREFIX.lstrip('/')}/run.html?{_RUN}",
            "destination": "dag_run",
            # Airflow accepts each route once, whatever its destination.
            "url_route": "canfar-run-sessions",
        },
    ]

    @classmethod
    def on_load(cls, *_args: Any, **_kwargs: Any) -> None:
        """Leave the page out where it is switched off. Airflow calls this before it reads the lists."""
        if not _is_on():
            cls.fastapi_apps = []
            cls.external_views = []


def task_tab_url(ti_key: TaskInstanceKey) -> str | None:
    """Return the address of a task's tab in Airflow's pages; None where it is switched off.

    :param ti_key: the task instance.
    """
    if not _is_on():
        return None
    # As Airflow's build_airflow_dagrun_url does; without a setting, Airflow's pages are at the root.
    base = conf.get("api", "base_url", fallback=None) or ""
    mapped = f"/mapped/{ti_key.map_index}" if ti_key.map_index >= 0 else ""
    # Airflow highlights a tab whose own address equals the page's, and quotes neither ":" nor "+" in it.
    dag_id, run_id, task_id = (
        quote(one, safe=":+") for one in (ti_key.dag_id, ti_key.run_id, ti_key.task_id)
    )
    task = f"dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}"
    return f"{base.rstrip('/')}/{task}/plugin/{TASK_ROUTE}"


def _is_on() -> bool:
    return bool(conf.getboolean("canfar", "sessions_page", fallback=True))
