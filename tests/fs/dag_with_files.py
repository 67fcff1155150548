"""A DAG whose Airflow mounts nothing: it gives a session its files, and reads what the session wrote."""

from __future__ import annotations

from airflow.sdk import DAG, ObjectStoragePath, task

from airflow_provider_canfar.fs.paths import container_path, storage_path
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

FOLDER = ObjectStoragePath("arc://canfar_default@home/jdoe/shout")

SCRIPT = f'echo "OUT is $OUT."; tr a-z A-Z < "$1" > {container_path(FOLDER)}/out.txt'

with DAG("files", schedule=None) as dag:

    @task
    def write() -> str:
        (FOLDER / "in.txt").write_text("stars")
        return container_path(FOLDER / "in.txt")

    @task
    def read(written: str) -> None:
        assert storage_path(written) == FOLDER / "in.txt"
        print(f"The session wrote {(FOLDER / 'out.txt').read_text()!r}.")

    written = write()
    session = CanfarHeadlessOperator(
        task_id="session",
        image="images.canfar.net/skaha/astroml:24.07",
        command=["sh", "-c", SCRIPT, "sh", written],  # type: ignore[list-item]  # Airflow resolves it.
        env={"OUT": f"--out={container_path(FOLDER / 'out.txt')}"},
        deferrable=False,
    )
    session >> read(written)  # type: ignore[arg-type]  # The same.

if __name__ == "__main__":
    run = dag.test()
    assert run.state == "success", run.state
