"""Prepare Airflow's SQLite database for the first task."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

_KEY = re.compile(
    r"CONSTRAINT trigger_pkey PRIMARY KEY \(id\),|,\s*CONSTRAINT trigger_pkey PRIMARY KEY \(id\)"
)


def never_reuse_trigger_ids(database: Path) -> None:
    """Make trigger ids unique for ever, as they are on PostgreSQL and MySQL.

    SQLite gives a new row the id of the last deleted row, unless the table is declared AUTOINCREMENT. Airflow
    deletes a trigger when its task resumes, and looks triggers up by id: a late event of an old trigger would
    then resume the task of a new one.

    :param database: a database that Airflow has migrated, and in which no task has deferred yet.
    :raises RuntimeError: when the table has rows, or is not defined as Airflow defines it.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        (table,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'trigger'").fetchone()
        if "AUTOINCREMENT" in table:
            return
        unique = table.replace("id INTEGER NOT NULL", "id INTEGER PRIMARY KEY AUTOINCREMENT", 1)
        # The constraint is the last line of the table up to Airflow 3.1.
        unique = _KEY.sub("", unique, count=1)
        if "AUTOINCREMENT" not in unique or unique.count("PRIMARY KEY") != 1:
            raise RuntimeError(f"Airflow defines the trigger table in an unknown way:\n{table}")
        if connection.execute('SELECT count(*) FROM "trigger"').fetchone() != (0,):
            raise RuntimeError("The trigger table has rows already; only an empty table can be recreated.")
        indexes = connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'trigger' AND sql IS NOT NULL"
        ).fetchall()
        connection.execute('DROP TABLE "trigger"')
        connection.execute(unique)
        for (index,) in indexes:
            connection.execute(index)
