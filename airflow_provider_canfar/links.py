"""The buttons on a task's page: its session, and the platform's portal.

The worker asks for the URLs when a task defers or ends, and Airflow stores them. So the buttons work while
the task is deferred, and after it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

__all__ = ["OpenSessionLink", "SciencePortalLink"]

#: Portals that are not on the host of their API, by that host.
PORTALS = {"ws-uv.canfar.net": "https://www.canfar.net/science-portal/"}


class OpenSessionLink(BaseOperatorLink):
    """*Open session*: the page of an interactive session, the log of a headless one.

    With several sessions, it opens the tab *Sessions*, to choose one of them; where that is switched off, the
    first that has failed, or else the first. Users must be logged in to the platform in their browser.
    """

    name = "Open session"
    xcom_key = "_link_open_session"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL; ``""`` if there is no session yet."""
        from airflow.sdk.execution_time.xcom import XCom

        from airflow_provider_canfar.plugin.sessions_page import task_tab_url

        sessions = XCom.get_value(ti_key=ti_key, key="sessions") or []
        if len(sessions) > 1 and (tab := task_tab_url(ti_key)):
            return tab
        service_url = XCom.get_value(ti_key=ti_key, key="service_url")
        return session_url(sessions, service_url) if sessions and service_url else ""


class SciencePortalLink(BaseOperatorLink):
    """*Science Portal*: the platform's page with a user's sessions."""

    name = "Science Portal"
    xcom_key = "_link_science_portal"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL; ``""`` if the connection does not have the platform's."""
        url = _service_url(operator)
        return portal_url(url) if url else ""


def session_url(sessions: Sequence[Mapping[str, Any]], service_url: str) -> str:
    """Return the URL of a session: of the first that has failed, or else of the first.

    >>> session_url([{"session_id": "k3v9x2qa"}], "https://ws-uv.canfar.net/skaha/v1")
    'https://ws-uv.canfar.net/skaha/v1/session/k3v9x2qa?view=logs'

    :param sessions: a task's sessions from its XCom ``sessions``.
    :param service_url: the platform's base URL.
    """
    session = next((one for one in sessions if one.get("succeeded") is False), sessions[0])
    url: str | None = session.get("url")
    return url or f"{service_url}/session/{session['session_id']}?view=logs"


def portal_url(service_url: str) -> str:
    """Return the URL of a platform's portal.

    >>> portal_url("https://src.canfar.net/skaha/v1"), portal_url("http://127.0.0.1:8099/skaha/v1")
    ('https://src.canfar.net/science-portal/', 'http://127.0.0.1:8099/')

    :param service_url: the platform's base URL.
    """
    parts = urlsplit(service_url)
    if parts.scheme == "http":
        # Only the emulator speaks plain HTTP; its own page shows its sessions.
        return f"http://{parts.netloc}/"
    return PORTALS.get(parts.hostname or "", f"https://{parts.netloc}/science-portal/")


def _service_url(operator: BaseOperator) -> str | None:
    """Return the platform's base URL; None if the connection cannot be read."""
    from airflow_provider_canfar.hooks.canfar import CanfarHook

    conn_id: str = operator.canfar_conn_id  # type: ignore[attr-defined]  # All operators with these links have it.
    try:
        return CanfarHook(conn_id).settings.url
    except Exception:  # noqa: BLE001 - whatever it is, the task itself reports it
        return None
