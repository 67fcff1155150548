"""The rows of a list of sessions: built from Jobs, changed by faults, and filtered.

A row is an object with the cells of a session; a fault can make it anything that JSON has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_canfar.emulator.api.serializers import base_url, session_json
from airflow_provider_canfar.emulator.faults.row_faults import (
    Duplicate,
    Foreign,
    NoMetrics,
    OddCells,
    ShortList,
    Status,
)
from airflow_provider_canfar.emulator.runtime.sessions import DESKTOP_APP, HEADLESS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from airflow_provider_canfar.emulator.runtime.platform import Platform
    from airflow_provider_canfar.emulator.runtime.sessions import Session

PUBLIC_CELLS = ("userid", "type", "status", "startTime")
WITHOUT_METRICS = OddCells(without=["ramInUse", "cpuCoresInUse"])
FOREIGN_ROW = {
    "id": "foreign{number}",
    "userid": "{user}",
    "runAsUID": "10001",
    "runAsGID": "10001",
    "supplementalGroups": [30123],
    "image": "images.canfar.net/skaha/astroml:24.07",
    "type": HEADLESS,
    "status": "Running",
    "name": "foreign-{number}",
    "startTime": "2026-03-04T18:22:10Z",
    "expiryTime": "2026-03-18T18:22:10Z",
    "connectURL": "",
    "requestedGPUCores": "0",
    "ramInUse": "0.01",
    "cpuCoresInUse": "0.001",
    "isFixedResources": False,
}


def listed_rows(platform: Platform, request: Request) -> list[Any]:
    """Return the rows of all sessions, in the order of their Jobs' names.

    That is the order in which Kubernetes lists the Jobs (*SessionDAO.getUserSessions*). The name of a Job has
    the session's type, user and id (*K8SUtil.getJobName*); that of a desktop app begins with its id.
    """
    rows = _rows(platform, request, platform.sessions(), is_list=True)
    foreign = platform.faults.fire(Foreign, request.method, request.url.path)
    return [*_foreign_rows(foreign, platform.settings.user), *rows] if foreign else rows


def rows_of_session(platform: Platform, request: Request, session_id: str) -> list[Any]:
    """Return the rows of one session, of which the server shows the first (*SessionDAO.getSession*)."""
    session = platform.session(session_id)
    if session:
        return _rows(platform, request, [session], is_list=False)
    foreign = platform.faults.get(Foreign)
    rows = _foreign_rows(foreign, platform.settings.user) if foreign else []
    rows = [row for row in rows if cell(row, "id") == session_id]
    return rows if rows and platform.faults.fire(Foreign, request.method, request.url.path) else []


def filtered(rows: Iterable[Any], kind: str | None, status: str | None) -> list[Any]:
    """Filter rows as *GetAction.filter* does, by whole words in any case.

    A row that is not an object, and a cell that is not a text, pass every filter.
    """
    return [row for row in rows if _is(row, "type", kind) and _is(row, "status", status)]


def without_apps(rows: Iterable[Any]) -> list[Any]:
    """Leave out desktop apps (*GetAction.listSessions*)."""
    return [row for row in rows if cell(row, "type") != DESKTOP_APP]


def public(row: Any) -> Any:
    """Return a row as ``view=all`` shows it (*PublicSession*)."""
    return {name: row[name] for name in PUBLIC_CELLS if name in row} if isinstance(row, dict) else row


def cell(row: Any, name: str) -> Any:
    """Return a cell of a row, or None when the row has no such cell or is not an object."""
    return row.get(name) if isinstance(row, dict) else None


def _is(row: Any, name: str, word: str | None) -> bool:
    value = cell(row, name)
    return word is None or not isinstance(value, str) or value.lower() == word.lower()


def _rows(platform: Platform, request: Request, sessions: list[Session], *, is_list: bool) -> list[Any]:
    root, words = base_url(request), platform.config.status_words
    rows: list[Any] = [
        session_json(session, root, words) for session in sorted(sessions, key=lambda session: session.job)
    ]
    faults = platform.faults.for_request(request.method, request.url.path)
    status = faults.fire_for_rows(Status, rows)
    if status:
        rows = [row | {"status": status.status} if status.affects(row) else row for row in rows]
    duplicate = faults.fire_for_rows(Duplicate, rows)
    if duplicate:
        rows = [copy for row in rows for copy in _copies(row, duplicate)]
    short_list = faults.fire_for_rows(ShortList, rows) if is_list else None
    if short_list:
        rows = _shortened(rows, short_list)
    no_metrics = faults.fire_for_rows(NoMetrics, rows)
    if no_metrics:
        rows = [_odd(row, WITHOUT_METRICS) if no_metrics.affects(row) else row for row in rows]
    odd_cells = faults.fire_for_rows(OddCells, rows)
    if odd_cells:
        rows = [_odd(row, odd_cells) if odd_cells.affects(row) else row for row in rows]
    return rows


def _copies(row: Any, duplicate: Duplicate) -> list[Any]:
    if not duplicate.affects(row):
        return [row]
    return [row if status is None else row | {"status": status} for status in duplicate.statuses]


def _shortened(rows: list[Any], short_list: ShortList) -> list[Any]:
    left = len(rows) if short_list.rows is None else short_list.rows
    kept = []
    for row in rows:
        if left > 0 and short_list.affects(row):
            left -= 1
        else:
            kept.append(row)
    return kept


def _odd(row: dict[str, Any], odd_cells: OddCells) -> dict[str, Any] | None:
    if odd_cells.null:
        return None
    return {name: value for name, value in (row | odd_cells.cells).items() if name not in odd_cells.without}


def _foreign_rows(foreign: Foreign, user: str) -> list[Any]:
    rows = []
    for number, row in enumerate(foreign.rows, start=1):
        if isinstance(row, dict):
            made_up = {
                name: value.format(number=number, user=user) if isinstance(value, str) else value
                for name, value in FOREIGN_ROW.items()
            }
            rows.append(_odd(made_up, OddCells(cells=row, without=foreign.without)))
        else:
            rows.append(row)
    return rows
