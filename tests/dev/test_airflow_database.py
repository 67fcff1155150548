from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dev.airflow_database import never_reuse_trigger_ids

#: As Airflow 3.3 defines it.
TABLE = """
CREATE TABLE "trigger" (
    id INTEGER NOT NULL,
    classpath VARCHAR(1000) NOT NULL,
    team_name VARCHAR(50),
    CONSTRAINT trigger_pkey PRIMARY KEY (id),
    CONSTRAINT trigger_team_name_fkey FOREIGN KEY(team_name) REFERENCES team (name) ON DELETE SET NULL
)
"""
#: As Airflow 3.1 defines it.
TABLE_OF_3_1 = """
CREATE TABLE "trigger" (
    id INTEGER NOT NULL,
    classpath VARCHAR(1000) NOT NULL,
    CONSTRAINT trigger_pkey PRIMARY KEY (id)
)
"""
INDEX = 'CREATE INDEX idx_trigger_team_name ON "trigger" (team_name)'


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "airflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(TABLE)
        connection.execute(INDEX)
    return path


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database)) as connection:
        yield connection


def add_trigger(connection: sqlite3.Connection) -> int | None:
    with connection:
        return connection.execute("INSERT INTO \"trigger\" (classpath) VALUES ('a.Trigger')").lastrowid


def delete_triggers(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute('DELETE FROM "trigger"')


def test_sqlite_by_itself_reuses_the_id_of_a_deleted_trigger(connection: sqlite3.Connection) -> None:
    first = add_trigger(connection)
    delete_triggers(connection)
    assert add_trigger(connection) == first


def test_no_id_is_reused_afterwards(database: Path, connection: sqlite3.Connection) -> None:
    never_reuse_trigger_ids(database)
    first = add_trigger(connection)
    delete_triggers(connection)
    assert add_trigger(connection) != first


def test_no_id_is_reused_with_the_table_of_airflow_3_1(tmp_path: Path) -> None:
    path = tmp_path / "airflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(TABLE_OF_3_1)
    never_reuse_trigger_ids(path)
    with closing(sqlite3.connect(path)) as connection:
        first = add_trigger(connection)
        delete_triggers(connection)
        assert add_trigger(connection) != first


def test_the_indexes_are_kept(database: Path, connection: sqlite3.Connection) -> None:
    never_reuse_trigger_ids(database)
    assert connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index'").fetchall() == [(INDEX,)]


def test_a_second_call_changes_nothing(database: Path, connection: sqlite3.Connection) -> None:
    never_reuse_trigger_ids(database)
    add_trigger(connection)
    never_reuse_trigger_ids(database)
    assert connection.execute('SELECT count(*) FROM "trigger"').fetchone() == (1,)


def test_a_table_with_triggers_is_not_touched(database: Path, connection: sqlite3.Connection) -> None:
    add_trigger(connection)
    with pytest.raises(RuntimeError, match="has rows already"):
        never_reuse_trigger_ids(database)
    assert connection.execute('SELECT count(*) FROM "trigger"').fetchone() == (1,)


def test_a_table_of_an_unknown_shape_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "airflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('CREATE TABLE "trigger" (id BIGINT PRIMARY KEY, classpath TEXT)')
    with pytest.raises(RuntimeError, match="in an unknown way"):
        never_reuse_trigger_ids(path)
