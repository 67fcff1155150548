"""An Airflow for one test: a folder and a migrated database that no scheduler and no other test uses.

``dag.test()`` writes its run into the database that Airflow is configured with. A scheduler that works on
that database takes the run for one of its own, and runs its tasks with the connections that *it* has: a test
would launch sessions on a real account.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

__all__ = ["isolated_airflow", "migrated_database", "refuse_live_scheduler"]

#: Seconds that triggers wait before they fire where no scheduler can be too slow for them; see
#: ``triggers._base.NO_EVENT_WITHIN``. The pauses between the first polls are as short.
NO_EVENT_WITHIN = 0.1

BUNDLE = "dags-folder"


def settings_for(home: Path) -> dict[str, str]:
    """Return the environment variables that keep an Airflow in a folder; they outrank its ``airflow.cfg``.

    :param home: the folder.
    """
    folder = str(home / "dags")
    bundle = {
        "name": BUNDLE,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": folder},
    }
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": folder,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"sqlite+aiosqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "False",
        # A secrets backend outranks the environment, and may hold the connection to a real account.
        "AIRFLOW__SECRETS__BACKEND": "",
        "AIRFLOW__WORKERS__SECRETS_BACKEND": "",
    }


def is_canfar_connection(value: str) -> bool:
    """Return whether a connection in one of Airflow's formats, JSON or a URI, is one to the platform."""
    if not value.lstrip().startswith("{"):
        return value.strip().partition(":")[0] == "canfar"
    try:
        return bool(json.loads(value).get("conn_type") == "canfar")
    except ValueError:
        return False


def migrated_database(cache: Path) -> Path:
    """Return an empty, migrated database; the first call for a version of Airflow creates it, in ten seconds.

    :param cache: the folder that keeps it.
    :raises RuntimeError: when the migration fails, with what Airflow says.
    """
    database = cache / f"airflow-{_versions()}.db"
    if not database.exists():
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            done = subprocess.run(
                [sys.executable, "-m", "airflow", "db", "migrate"],
                env=_without_airflow(os.environ) | settings_for(home),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"airflow db migrate failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            cache.mkdir(parents=True, exist_ok=True)
            # Another worker of pytest-xdist may be doing the same.
            part = database.with_suffix(f".{os.getpid()}")
            shutil.copyfile(home / "airflow.db", part)
            part.replace(database)
    return database


@contextlib.contextmanager
def isolated_airflow(home: Path, database: Path) -> Iterator[None]:
    """Make this process use an Airflow of its own until the block ends, with no connection to the platform.

    In the block, ``dag.test()`` runs any DAG, even one that is defined in the test itself, and triggers fire
    without the ten seconds that a scheduler needs.

    :param home: an empty folder for it.
    :param database: the migrated database that it starts with.
    """
    # With the user's configuration, which the end of the block returns to.
    sdk = import_module("airflow.sdk")
    import_module("airflow.settings")
    shutil.copyfile(database, home / "airflow.db")
    (home / "dags").mkdir()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in list(os.environ.items()):
                if name.startswith("AIRFLOW_CONN_") and is_canfar_connection(value):
                    patch.delenv(name)
            for name, value in settings_for(home).items():
                patch.setenv(name, value)
            _read_settings()
            patch.setattr("airflow_provider_canfar.triggers._base.NO_EVENT_WITHIN", NO_EVENT_WITHIN)
            patch.setattr(sdk.DAG, "test", _any_dag(sdk.DAG.test))
            yield
    finally:
        _read_settings()


def refuse_live_scheduler() -> None:
    """Check that no scheduler works on the database that Airflow uses now.

    :raises RuntimeError: when one does.
    """
    from airflow.jobs.job import Job
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        schedulers = session.scalars(
            select(Job).where(Job.job_type == "SchedulerJob", Job.state == "running")
        ).all()
        if any(scheduler.is_alive() for scheduler in schedulers):
            raise RuntimeError(
                "A scheduler works on the database of this test, and would run the test's tasks with its own "
                "connections. Something has changed Airflow's database after the fixture canfar_emulator: "
                "remove that, or stop the scheduler."
            )


def _any_dag(test: Any) -> Any:
    """Return a ``DAG.test`` that first stores the DAG: Airflow's own runs only what its DAG folder has."""

    @functools.wraps(test)
    def stored_first(dag: Any, *arguments: Any, **options: Any) -> Any:
        refuse_live_scheduler()
        _store(dag)
        return test(dag, *arguments, **options)

    return stored_first


def _store(dag: Any) -> None:
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        bags = import_module("airflow.dag_processing.dagbag")
    except ImportError:  # Airflow 3.1
        bags = import_module("airflow.models.dagbag")
    DagBundlesManager().sync_bundles_to_db()
    bag = bags.DagBag(os.devnull)
    bag.bag_dag(dag)
    bags.sync_bag_to_db(bag, BUNDLE, None)


def _read_settings() -> None:
    """Let Airflow read its settings again: it has opened its database when it was imported."""
    from airflow import configuration, settings

    settings.dispose_orm()
    settings.configure_vars()
    settings.configure_orm()
    configuration.secrets_backend_list[:] = configuration.initialize_secrets_backends()
    with contextlib.suppress(ImportError, AttributeError):  # Newer releases keep those of the SDK, too.
        import_module("airflow.sdk.configuration").clear_secrets_backends_cache()
    # Airflow keeps the file system of a connection for as long as the process lives.
    vars(import_module("airflow.sdk.io.store")).get("_STORE_CACHE", {}).clear()


def _versions() -> str:
    """Return a digest of all that may shape the database: Airflow and its providers."""
    names = sorted(f"{one.name}=={one.version}" for one in distributions() if "airflow" in one.name)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _without_airflow(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("AIRFLOW")}
