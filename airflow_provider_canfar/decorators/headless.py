"""``@task.canfar`` runs a function in headless sessions; ``@task.canfar_cmd`` runs the command it returns."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, cast, overload

from airflow.sdk.bases.decorator import DecoratedOperator

from airflow_provider_canfar.decorators._parameters import bind_with_context, check_context, check_kinds
from airflow_provider_canfar.decorators._source import check_function
from airflow_provider_canfar.decorators._task_decorator import decorate, reject_command_arguments
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._session_arguments import (
    CMD_FUNCTION,
    COMMAND_ARGUMENTS,
    FUNCTION,
)
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg
    from airflow.sdk.bases.decorator import Task

    from airflow_provider_canfar.operators._task_arguments import (
        CommandFunctionArguments,
        FunctionArguments,
    )
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.ended_session import LogReader

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["canfar_cmd_task", "canfar_task"]

_TEMPLATE_FIELDS = (
    *DecoratedOperator.template_fields,
    *(field for field in CanfarHeadlessOperator.template_fields if field not in COMMAND_ARGUMENTS),
)


class _CanfarDecoratedOperator(DecoratedOperator, CanfarHeadlessOperator):
    """Run a function in headless sessions, and return what it returns.

    :param python_callable: the function.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its keyword arguments. (templated)
    :param replicas: how many sessions run the function, each with its own ``REPLICA_ID``. The task then
        returns the list of their results in order, with None for each failed replica that
        ``max_failed_replicas`` allows. Without it, one session runs the function and the task returns its
        result. (templated)
    :param python: the Python interpreter in the image, 3.8 or newer. (templated)
    :param kwargs: as for :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator`.
    """

    template_fields: Sequence[str] = (*_TEMPLATE_FIELDS, "python")
    _arguments = FUNCTION
    custom_operator_name = "@task.canfar"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        replicas: int | str | XComArg | None = None,
        python: str = "python3",
        **kwargs: Any,
    ) -> None:
        with in_task(kwargs.get("task_id")):
            reject_command_arguments(self.custom_operator_name, kwargs)
            check_function(python_callable)
            check_kinds(python_callable)
            check_context(python_callable, op_args or (), op_kwargs or {})
            if replicas is not None:
                # A function annotated to return a dict gives a list of dicts here: one output, not many.
                kwargs["multiple_outputs"] = False
            self.python = python
            self.returns_list = replicas is not None
            super().__init__(
                python_callable=python_callable,
                op_args=op_args,
                op_kwargs=op_kwargs,
                replicas=1 if replicas is None else replicas,
                **kwargs,
            )

    def task_result(self, outcomes: Sequence[Outcome]) -> Any:
        """Return the function's result, or the list of the replicas' results.

        :param outcomes: how each replica ended, in order.
        """
        results = [None if one.result is None else json.loads(one.result) for one in outcomes]
        return results if self.returns_list else results[0]

    def log_reader(self, batch: Batch) -> LogReader:
        """Return what takes the function's result out of a session's log.

        :param batch: the replicas of this try.
        """
        from airflow_provider_canfar.decorators._result_reader import ResultReader

        return ResultReader(batch.identity.result_key, batch.replicas)

    def _command(self, context: Context, batch: Batch | None) -> dict[str, Any]:
        from airflow_provider_canfar.decorators._remote_call import build_call, check_variables
        from airflow_provider_canfar.decorators._result_reader import try_marker
        from airflow_provider_canfar.skaha.secret import concealed

        marker = "dry-run"
        if batch is not None:
            marker = try_marker(batch.identity.result_key, batch.identity.name(1, batch.try_number))
        check_variables(self._parsed()["env"] or {})
        # No frame shows an argument, whatever is wrong with the call.
        args, kwargs = concealed(self.op_args), concealed(self.op_kwargs)
        bound = bind_with_context(self.python_callable, args, kwargs, _mapping(context))
        call = build_call(
            self.python_callable,
            bound.args,
            bound.kwargs,
            marker=marker,
            python=self._parsed()["python"],
            multiple_outputs=bool(self.multiple_outputs),
        )
        return {"command": call.command, "env": call.env}


class _CanfarCmdDecoratedOperator(DecoratedOperator, CanfarHeadlessOperator):
    """Run the command that a function returns, in headless sessions.

    The function runs in the Airflow worker, once per try, and returns the program and its arguments. They are
    not rendered as templates. The task stores them in the XCom ``command`` and returns what
    :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator` returns.

    :param python_callable: the function.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its keyword arguments. (templated)
    :param kwargs: as for :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator`.
    """

    template_fields: Sequence[str] = _TEMPLATE_FIELDS
    _arguments = CMD_FUNCTION
    custom_operator_name = "@task.canfar_cmd"

    def __init__(self, *, python_callable: Callable[..., Any], **kwargs: Any) -> None:
        with in_task(kwargs.get("task_id")):
            reject_command_arguments(self.custom_operator_name, kwargs)
            super().__init__(python_callable=python_callable, **kwargs)

    def _command(self, context: Context, batch: Batch | None) -> dict[str, Any]:
        if batch is None:
            return {"command": self._call_function(context)}
        ti = context["ti"]
        index = -1 if ti.map_index is None else ti.map_index
        # After a deferral the command is in XCom already. Calling the function again could give replicas that
        # are launched later a different command, for example one with a new time in it.
        command = ti.xcom_pull(task_ids=self.task_id, key="command", map_indexes=index)
        if command is None:
            command = self._call_function(context)
            ti.xcom_push("command", command)
        return {"command": command}

    def _call_function(self, context: Context) -> list[str]:
        from airflow_provider_canfar.decorators._json_types import to_json_types
        from airflow_provider_canfar.skaha.errors import SpecError

        name = self.python_callable.__name__
        bound = bind_with_context(self.python_callable, self.op_args, self.op_kwargs, _mapping(context))
        argv = self.python_callable(*bound.args, **bound.kwargs)
        if not isinstance(argv, list | tuple) or not all(isinstance(word, str) for word in argv):
            raise SpecError(
                f"{name}() returned {argv!r:.200}, which is not a command. Return a list of strings: the "
                "program and each of its arguments."
            )
        try:
            to_json_types(argv, "command")
        except ValueError as fault:
            raise SpecError(f"{name}() returned a command that Airflow cannot store: {fault}.") from None
        return list(argv)


@overload
def canfar_task(python_callable: Callable[P, R]) -> Task[P, R]: ...


@overload
def canfar_task(
    python_callable: None = None,
    *,
    multiple_outputs: bool | None = None,
    **kwargs: Unpack[FunctionArguments],
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def canfar_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool | None = None, **kwargs: Any
) -> Any:
    """Run a function on the platform.

    Airflow provides this decorator as ``@task.canfar``::

        @task.canfar(image="images.canfar.net/skaha/astroml:24.07", replicas=20, ram=16)
        def photometry(frames: list[str], threshold: float) -> dict:
            from astropy.io import fits

            return {frame: measure(fits.getdata(frame), threshold) for frame in stripe(frames)}

    The function's own source is sent to the image, which needs only Python 3.8 or newer. The function must
    import or define everything it uses, except ``chunk`` and ``stripe`` from
    :mod:`airflow_provider_canfar.replicas` and the numbers ``REPLICA_ID`` and ``REPLICA_COUNT``, which are
    there without an import. JSON must be able to represent arguments and results; keep large data in files
    below ``/arc`` and pass their paths. Pass secrets in ``env``: Airflow stores and shows the arguments.

    :param python_callable: the function.
    :param multiple_outputs: as for ``@task``; with ``replicas`` the list of results is one output.
    :param kwargs: ``replicas``, ``python``, and what
        :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator` takes.
    """

    def decorated(function: Callable[..., Any]) -> Any:
        with in_task(kwargs.get("task_id", function.__name__)):
            check_kinds(function)
            return decorate(function, _CanfarDecoratedOperator, kwargs, multiple_outputs)

    return decorated if python_callable is None else decorated(python_callable)


@overload
def canfar_cmd_task(python_callable: Callable[P, Sequence[str]]) -> Task[P, Sequence[str]]: ...


@overload
def canfar_cmd_task(
    python_callable: None = None, **kwargs: Unpack[CommandFunctionArguments]
) -> Callable[[Callable[P, Sequence[str]]], Task[P, Sequence[str]]]: ...


def canfar_cmd_task(python_callable: Callable[..., Sequence[str]] | None = None, **kwargs: Any) -> Any:
    """Run the command that a function returns on the platform.

    Airflow provides this decorator as ``@task.canfar_cmd``::

        @task.canfar_cmd(image="images.canfar.net/skaha/astroml:24.07", replicas=20)
        def calibrate(night: str) -> list[str]:
            return ["python", "/arc/projects/demo/calibrate.py", f"--night={night}"]

    :param python_callable: the function. It runs in the Airflow worker and returns a program and its
        arguments.
    :param kwargs: what :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator` takes.
    """

    def decorated(function: Callable[..., Any]) -> Any:
        with in_task(kwargs.get("task_id", function.__name__)):
            return decorate(function, _CanfarCmdDecoratedOperator, kwargs, multiple_outputs=False)

    return decorated if python_callable is None else decorated(python_callable)


def _mapping(context: Context) -> Mapping[str, Any]:
    """Return the context as a mapping of any names: the author of a function chooses them."""
    return cast("Mapping[str, Any]", context)
