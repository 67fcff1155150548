"""A user's DAG, as a strict type checker sees it. ``mypy`` checks this module; nothing runs it.

When an ignored error disappears, mypy reports the unused ignore (``warn_unused_ignores``).
"""

from __future__ import annotations

import datetime

from airflow.sdk import dag

from airflow_provider_canfar.decorators import canfar_cmd_task, canfar_task, task
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator, sessions_of_this_run
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.replicas import REPLICA_COUNT, REPLICA_ID, chunk, stripe
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.models import SessionSpec

IMAGE = "images.canfar.net/skaha/astroml:24.07"


@task.canfar(image=IMAGE, replicas=3, cores=2.5, retries=2, python="python3.12")
def share(frames: list[str]) -> list[str]:
    return [*chunk(frames), *stripe(frames), f"{REPLICA_ID + 1} of {REPLICA_COUNT}"]


@task.canfar_cmd(image=IMAGE, pool="canfar")
def calibrate(night: str) -> list[str]:
    return ["calibrate", night]


@task
def plain(frame: str) -> int:
    return len(frame)


@task.canfar(image=IMAGE, nonsense=4)  # type: ignore[call-overload,untyped-decorator]  # there is no such argument
def nonsense(frame: str) -> float:
    return len(frame)


@task.canfar_cmd(image=IMAGE, nonsense=4)  # type: ignore[call-overload,untyped-decorator]  # there is no such argument
def nonsense_cmd(frame: str) -> list[str]:
    return [frame]


@canfar_task(image=IMAGE, nonsense=4)  # type: ignore[call-overload,untyped-decorator]  # there is no such argument
def nonsense_function(frame: str) -> float:
    return len(frame)


@canfar_cmd_task(image=IMAGE, command=["true"])  # type: ignore[call-overload,untyped-decorator]  # the function returns it
def nonsense_cmd_function(frame: str) -> list[str]:
    return [frame]


@task
def launch() -> list[str]:
    hook = CanfarHook()
    hook.create(SessionSpec(name="fit", image=IMAGE, cores=2))
    hook.create(name="fit", image=IMAGE, command=("true",), cores=2, ram=0.5, env={"BAND": "r", "N": 3})
    hook.create(name="fit", image=IMAGE, nonsense=3)  # type: ignore[call-overload]  # there is no such field
    hook.create(name="fit", image=IMAGE, cores="2")  # type: ignore[call-overload]  # not a number
    hook.create(name="fit", image=IMAGE, command="echo hello")  # type: ignore[call-overload]  # not a list
    hook.create(name="fit")  # type: ignore[call-overload]  # without an image
    hook.create(SessionSpec(name="fit", image=IMAGE), cores=2)  # type: ignore[call-overload]  # a spec has its own
    return hook.create(name="explore", image=IMAGE, kind="notebook")


async def launch_async() -> list[str]:
    async with CanfarHook().client() as client:
        await client.create(name="fit", image=IMAGE, nonsense=3)  # type: ignore[call-overload]  # no such field
        await client.create(name="fit", image=IMAGE, replicas="2")  # type: ignore[call-overload]  # not a number
        return await client.create(name="fit", image=IMAGE, command=["true"], replicas=2)


@dag(schedule=None)
def survey() -> None:
    minute = datetime.timedelta(minutes=1)
    fit = CanfarHeadlessOperator(
        task_id="fit", image=IMAGE, command=["true"], cores=2.5, retries=3, retry_delay=minute
    )
    fit >> CanfarSessionSensor(task_id="wait", prefix="fit-", timeout=3600, soft_fail=True)
    fit >> sessions_of_this_run(kind="headless", settle_time=minute, retries=2).as_teardown(setups=fit)
    share(["m13.fits"]) >> calibrate("2026-03-04")
    plain("m13.fits")

    CanfarHeadlessOperator(task_id="a", image=IMAGE, nonsense=4)  # type: ignore[call-arg]  # unknown
    CanfarHeadlessOperator(image=IMAGE)  # type: ignore[call-arg]  # without a task_id
    CanfarHeadlessOperator(task_id="a", image=IMAGE, retries="3")  # type: ignore[arg-type]  # not a number
    CanfarInteractiveOperator(task_id="a", image=IMAGE, nonsense=4)  # type: ignore[call-arg]  # unknown
    CanfarCleanupOperator(task_id="a", nonsense=4)  # type: ignore[call-arg]  # unknown
    sessions_of_this_run(nonsense=4)  # type: ignore[call-arg]  # unknown
    sessions_of_this_run(prefix="fit-")  # type: ignore[call-arg]  # those of the run, whatever their names
    sessions_of_this_run(older_than=[1])  # type: ignore[arg-type]  # not a duration
    CanfarSessionSensor(task_id="a", nonsense=4)  # type: ignore[call-arg]  # unknown
    CanfarResourceSensor(task_id="a", nonsense=4)  # type: ignore[call-arg]  # unknown


survey()
