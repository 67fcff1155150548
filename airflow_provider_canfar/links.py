"""The buttons in a task's page: its session, and the platform's portal.

Airflow asks for the addresses in the worker, at the end of each of a task's phases, and keeps them. So a
button is there while the task is deferred, and after it has ended.
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

#: CANFAR's portal is not on the host of its API.
PORTALS = {"ws-uv.canfar.net": "https://www.canfar.net/science-portal/"}


class OpenSessionLink(BaseOperatorLink):
    """*Open session*: an interactive session's page; of a headless one, its log.

    Of several replicas it is the first that has failed, or the first. The browser's user must be logged in to
    the platform.
    """

    name = "Open session"
    xcom_key = "_link_open_session"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; ``""`` where there is no session yet."""
        from airflow.sdk.execution_time.xcom import XCom

        sessions = XCom.get_value(ti_key=ti_key, key="sessions")
        url = _service_url(operator)
        return session_address(sessions, url) if sessions and url else ""


class SciencePortalLink(BaseOperatorLink):
    """*Science Portal*: where the platform shows a user's sessions."""

    name = "Science Portal"
    xcom_key = "_link_science_portal"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address."""
        url = _service_url(operator)
        return portal_address(url) if url else ""


def session_address(sessions: Sequence[Mapping[str, Any]], service_url: str) -> str:
    """Return the address of the one session that a button opens.

    >>> session_address([{"session_id": "k3v9x2qa"}], "https://ws-uv.canfar.net/skaha/v1")
    'https://ws-uv.canfar.net/skaha/v1/session/k3v9x2qa?view=logs'

    :param sessions: a task's sessions as it has pushed them.
    :param service_url: the platform's base URL.
    """
    session = next((one for one in sessions if one.get("succeeded") is False), sessions[0])
    address: str | None = session.get("url")
    return address or f"{service_url}/session/{session['session_id']}?view=logs"


def portal_address(service_url: str) -> str:
    """Return where the portal is that goes with a platform.

    >>> portal_address("https://src.canfar.net/skaha/v1"), portal_address("http://127.0.0.1:8099/skaha/v1")
    ('https://src.canfar.net/science-portal/', 'http://127.0.0.1:8099/')

    :param service_url: the platform's base URL.
    """
    parts = urlsplit(service_url)
    if parts.scheme == "http":
        # Plain http is the emulator's, whose own page shows its sessions.
        return f"http://{parts.netloc}/"
    return PORTALS.get(parts.hostname or "", f"https://{parts.netloc}/science-portal/")


def _service_url(operator: BaseOperator) -> str | None:
    """Return the platform's base URL; None where the connection does not tell."""
    from airflow_provider_canfar.hooks.canfar import CanfarHook

    conn_id: str = operator.canfar_conn_id  # type: ignore[attr-defined]  # All operators with these links have it.
    try:
        return CanfarHook(conn_id).settings.url
    except Exception:  # noqa: BLE001 - the task has said what is wrong; a button need not say it again
        return None
