"""How type checkers see the decorators. ``mypy`` checks this module; nothing runs it.

When an ignored error disappears, mypy reports the unused ignore (``warn_unused_ignores``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from airflow.sdk import XComArg, task

from airflow_provider_canfar.decorators import canfar_cmd_task, canfar_task

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import Task


@canfar_task(image="skaha/astroml:24.07", replicas=20, ram=16)
def photometry(frames: list[str], threshold: float = 5.0) -> dict[str, float]:
    return dict.fromkeys(frames, threshold)


@canfar_task
def bare(frame: str) -> float:
    return len(frame)


@canfar_cmd_task(image="skaha/astroml:24.07")
def calibrate(night: str) -> list[str]:
    return ["calibrate", night]


@task.canfar(image="skaha/astroml:24.07")
def by_task_attribute(frame: str) -> float:
    return len(frame)


def calls() -> None:
    assert_type(photometry(["m13.fits"], threshold=3.0), XComArg)
    photometry(["m13.fits"], thresh=3.0)  # type: ignore[call-arg]  # there is no such parameter
    photometry("m13.fits")  # type: ignore[arg-type]  # a string is not a list
    photometry.override(replicas=3)(["m13.fits"])
    assert_type(photometry.partial(threshold=3.0).expand(frames=[["m13.fits"]]), XComArg)
    assert_type(photometry.function(["m13.fits"]), dict[str, float])

    assert_type(bare("m13.fits"), XComArg)
    bare(13)  # type: ignore[arg-type]  # a number is not a string

    assert_type(calibrate("2026-03-04"), XComArg)
    calibrate(20260304)  # type: ignore[arg-type]  # a number is not a string

    checked: Task[[str], float] = by_task_attribute
    checked("m13.fits")
    by_task_attribute(13)  # type: ignore[arg-type]  # a number is not a string


@canfar_cmd_task(image="skaha/astroml:24.07")  # type: ignore[arg-type]  # a command is a list of strings
def returns_no_command(night: str) -> int:
    return len(night)
