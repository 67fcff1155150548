"""``@task.canfar`` and ``@task.canfar_cmd``, as type checkers and editors see them; only they import this.

Airflow's stub has a method for each decorator of its own providers; any other takes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar, Unpack, overload

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import Task
    from airflow.sdk.definitions.decorators import TaskDecoratorCollection

    from airflow_provider_canfar.operators._task_arguments import (
        CommandFunctionArguments,
        FunctionArguments,
    )

    P = ParamSpec("P")
    R = TypeVar("R")

    class CanfarTask(Protocol):
        """``@task.canfar``, with and without arguments."""

        @overload
        def __call__(self, python_callable: Callable[P, R]) -> Task[P, R]: ...
        @overload
        def __call__(
            self, *, multiple_outputs: bool | None = None, **kwargs: Unpack[FunctionArguments]
        ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    class CanfarCmdTask(Protocol):
        """``@task.canfar_cmd``, with and without arguments."""

        @overload
        def __call__(self, python_callable: Callable[P, Sequence[str]]) -> Task[P, Sequence[str]]: ...
        @overload
        def __call__(
            self, **kwargs: Unpack[CommandFunctionArguments]
        ) -> Callable[[Callable[P, Sequence[str]]], Task[P, Sequence[str]]]: ...

    class TaskDecorators(TaskDecoratorCollection):
        """Airflow's ``task``, with the attributes that this provider adds."""

        canfar: CanfarTask
        canfar_cmd: CanfarCmdTask
