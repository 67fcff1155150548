"""What Airflow's SQLite database needs before the first task."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path


def never_reuse_trigger_ids(database: Path) -> None:
    """Make a trigger's id its own for ever, as it is on PostgreSQL and MySQL.

    SQLite gives a new row the id of the last one deleted, unless the table says AUTOINCREMENT. Airflow
    deletes a trigger when its task has moved on, and looks triggers up by id: the late end of an old trigger
    would then end the task of a new one.

    :param database: a database that Airflow has migrated, and in which no task has deferred yet.
    :raises RuntimeError: when there are triggers, or the table does not look as Airflow makes it.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        (table,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'trigger'").fetchone()
        if "AUTOINCREMENT" in table:
            return
        unique = table.replace("id INTEGER NOT NULL", "id INTEGER PRIMARY KEY AUTOINCREMENT", 1)
        unique = unique.replace("CONSTRAINT trigger_pkey PRIMARY KEY (id),", "", 1)
        if "AUTOINCREMENT" not in unique or unique.count("PRIMARY KEY") != 1:
            raise RuntimeError(f"The table of triggers is not as Airflow used to make it:\n{table}")
        if connection.execute('SELECT count(*) FROM "trigger"').fetchone() != (0,):
            raise RuntimeError("There are triggers already; only an empty table can be made anew.")
        indexes = connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'trigger' AND sql IS NOT NULL"
        ).fetchall()
        connection.execute('DROP TABLE "trigger"')
        connection.execute(unique)
        for (index,) in indexes:
            connection.execute(index)
