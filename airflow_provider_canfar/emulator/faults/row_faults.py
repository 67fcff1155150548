"""What is odd in a list of sessions; most of it is in the response for a single session, too.

Where several of these are on, they are applied in the order in which they stand here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_canfar.emulator.faults.fault import Fault, check_texts, check_type


@dataclass(kw_only=True)
class RowFault(Fault):
    """A fault in the rows of some sessions. It affects a request only if that shows one of them.

    :param session: a shell pattern of the ids or names of these sessions.
    """

    session: str = "*"

    def affects(self, row: Any) -> bool:
        """Return whether it affects a row."""
        return isinstance(row, dict) and any(
            fnmatchcase(str(row.get(cell, "")), self.session) for cell in ("id", "name")
        )


@dataclass(kw_only=True)
class Status(RowFault):
    """Sessions are shown with a status of your choice, which need not be one that any server has.

    :param status: that status.
    """

    status: str = "Unknown"


@dataclass(kw_only=True)
class Duplicate(RowFault):
    """A list has several rows of one session, as from an older server, which lists pods rather than Jobs.

    A call for the single session shows the first of them (*SessionDAO.getSession*).

    :param statuses: the status of each row, in their order; None stands for the session's own.
    """

    statuses: list[str | None] = field(default_factory=lambda: ["Terminating", "Running"])

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("statuses", self.statuses, (list, tuple), "a list with a status for each row")


@dataclass(kw_only=True)
class ShortList(RowFault):
    """A list lacks some rows, although their sessions live; a call for the single session still shows them.

    :param rows: how many rows a list lacks at most, from its beginning; by default, all that `session` names.
    """

    rows: int | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("rows", self.rows, (int, type(None)), "a number of rows or None")


@dataclass(kw_only=True)
class NoMetrics(RowFault):
    """Rows lack what their sessions use, as while the cluster's metrics-server is down (*SessionDAO*)."""


@dataclass(kw_only=True)
class OddCells(RowFault):
    """Rows have cells that they should not have, such as ``"<none>"`` where a number or a boolean belongs.

    For example ``odd_cells={"cells": {"isFixedResources": "<none>", "supplementalGroups": [null]}}``.

    :param cells: values by name of cell, of any type.
    :param without: names of cells that the rows lack.
    :param null: the whole row is null.
    """

    cells: dict[str, Any] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)
    null: bool = False

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("cells", self.cells, dict, "an object with values by name of cell")
        check_texts("without", self.without)


@dataclass(kw_only=True)
class Foreign(Fault):
    """Sessions that were launched elsewhere come first in the lists, and have cells of your choice.

    The sessions exist only in the responses: they do not run, and a delete has no effect. Their ids are
    ``foreign1``, ``foreign2`` and so on, unless a row has another one.

    :param rows: one item per session: an object with the cells in which it differs from a made-up headless
        session that is running, or any other value, such as null, which stands in the list as it is.
    :param without: names of cells that these objects lack.
    """

    rows: list[Any] = field(default_factory=lambda: [{}])
    without: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_type("rows", self.rows, (list, tuple), "a list of rows")
        check_texts("without", self.without)
