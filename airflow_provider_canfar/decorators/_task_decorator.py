"""What ``@task.canfar`` makes of a function: Airflow's task decorator, with its arguments checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

# Airflow's own class has no public name. It makes a mapped task without its operator: only here can the
# arguments of override() be checked, and the values of env be hidden, before Airflow stores them.
from airflow.sdk.bases.decorator import _TaskDecorator, task_decorator_factory

from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.operators._argument_parsers import check_known
from airflow_provider_canfar.operators._environment import HiddenEnv
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._session_arguments import COMMAND_ARGUMENTS

if TYPE_CHECKING:
    from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator


class CheckedDecorator(_TaskDecorator[..., Any, Any]):
    """A function as a task, whose arguments are checked when the DAG file is parsed."""

    def override(self, **kwargs: Any) -> CheckedDecorator:
        """Return the task with other arguments.

        :raises SpecError: for a literal that an argument does not take.
        :raises TypeError: for an argument that the operator does not have.
        """
        with in_task(kwargs.get("task_id", self.kwargs["task_id"])):
            made: Any = super().override(**checked(self.operator_class, kwargs))
        return made  # type: ignore[no-any-return]  # Of this class, as Airflow copies the decorator.


def decorate(
    function: Callable[..., Any],
    operator: type[CanfarHeadlessOperator],
    kwargs: Mapping[str, Any],
    multiple_outputs: bool | None,
) -> CheckedDecorator:
    """Return a function as a task.

    :param operator: what runs it.
    :param kwargs: the operator's arguments.
    :param multiple_outputs: as for ``@task``; None: as the function's annotation says.
    :raises SpecError: for a literal that an argument does not take.
    :raises TypeError: for an argument that the operator does not have.
    """
    made: Any = task_decorator_factory(
        function,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=operator,
        **checked(operator, kwargs),
    )
    return CheckedDecorator(
        function=made.function,
        operator_class=made.operator_class,
        multiple_outputs=made.multiple_outputs,
        kwargs=made.kwargs,
    )


def checked(operator: type[CanfarHeadlessOperator], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Check a decorator's arguments, of a mapped function too, of which Airflow makes no operator yet.

    :return: the arguments, with the values of ``env`` hidden.
    :raises SpecError: for a literal that an argument does not take.
    :raises TypeError: for an argument that the operator does not have.
    """
    reject_command_arguments(operator.custom_operator_name, kwargs)
    # Airflow's decorators take this one by themselves.
    check_known(operator.custom_operator_name, operator, kwargs.keys() - {"on_failure_fail_dagrun"})
    operator._check_partial(kwargs)  # noqa: SLF001 - of our own class
    hidden = {} if kwargs.get("env") is None else {"env": HiddenEnv(kwargs["env"])}
    return {**kwargs, **hidden}


def reject_command_arguments(decorator: str, kwargs: Mapping[str, Any]) -> None:
    """Reject the arguments that a function replaces.

    :raises TypeError: naming the argument.
    """
    for name in COMMAND_ARGUMENTS:
        if name in kwargs:
            raise explained(TypeError(f"{decorator} does not accept {name}: the function replaces it."))
