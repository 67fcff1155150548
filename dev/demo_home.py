"""The folder that one demo uses exclusively, and the folder of the user's own DAGs.

``python -m dev.demo_home FOLDER...`` is ``make clean``.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

LOCK = "demo.lock"

FIRST_DAG = '''\
"""Your first DAG. Edit it, or put other files beside it: Airflow's page follows within five seconds."""

from airflow.sdk import DAG
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

with DAG("my_first_dag", schedule=None):
    image = "images.canfar.net/skaha/astroml:24.07"
    CanfarHeadlessOperator(task_id="greet", image=image, command=["echo", "Hello, sky!"], replicas=2)
'''


class DemoFailed(Exception):
    """The demo cannot continue; the message is for the person who started it."""


@contextlib.contextmanager
def exclusive_home(home: Path) -> Iterator[None]:
    """Create a folder that only its owner can enter, and lock it against other demos.

    What an earlier demo has left in it stays: the database, the logs and the results.

    :raises DemoFailed: when another demo uses the folder, or when it has files that no demo created.
    """
    lock = home / LOCK
    if home.exists() and any(home.iterdir()) and not lock.exists():
        raise DemoFailed(
            f"{home} contains files that do not belong to a demo. Choose another folder with --home."
        )
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    with lock.open("w") as lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"`make up` or `make demo` is running in {home}. Stop it first.") from None
        yield


def delete_home(home: Path) -> None:
    """Delete a demo's folder, if there is one, and say so.

    :raises DemoFailed: when a demo uses the folder, or when it has files that no demo created.
    """
    if home.exists():
        with exclusive_home(home):
            shutil.rmtree(home)
        print(f"Deleted {home}: the database, logs, connections and results.")
    else:
        print(f"There is no {home}.")


def create_dag_folder(folder: Path) -> None:
    """Create the folder of the user's own DAGs, with a first DAG; an existing one is left alone."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
        (folder / "my_first_dag.py").write_text(FIRST_DAG)


def main(homes: list[str]) -> int:
    """Delete the folders of demos, and return the exit code."""
    try:
        for home in homes:
            delete_home(Path(home))
    except DemoFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
