"""``@task.canfar``: a function runs in headless sessions. ``@task.canfar_cmd``: it writes their command."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from airflow_provider_canfar.decorators._source import check
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import Task

    from airflow_provider_canfar.decorators._result_lines import Reading
    from airflow_provider_canfar.skaha.models import SessionSpec
    from airflow_provider_canfar.task_sessions.batch import Batch, Outcome
    from airflow_provider_canfar.task_sessions.reconcile import EndedSession

P = ParamSpec("P")
R = TypeVar("R")

#: The end of the status of a session that ended well, and brought no result.
WITHOUT_A_RESULT = "without a result"

#: What the function stands for, so that none of it can be given beside it.
_COMMAND = ("command", "cmd", "args")

_TEMPLATE_FIELDS = (
    *DecoratedOperator.template_fields,
    *(field for field in CanfarHeadlessOperator.template_fields if field not in _COMMAND),
)


class _CanfarDecoratedOperator(DecoratedOperator, CanfarHeadlessOperator):
    """Run a function in headless sessions, and return what it returns.

    :param python_callable: the function.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its named arguments. (templated)
    :param replicas: how many sessions run it, each with its own ``REPLICA_ID``. The task then returns a list
        of their results in order, with None for one that may fail and did. Left out, there is one session,
        and the task returns its result. (templated)
    :param python: the Python interpreter in the image, 3.8 or newer. (templated)
    :param kwargs: as for :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator`.
    """

    template_fields: Sequence[str] = (*_TEMPLATE_FIELDS, "python")
    custom_operator_name = "@task.canfar"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        replicas: int | None = None,
        python: str = "python3",
        **kwargs: Any,
    ) -> None:
        _refuse_a_command(self.custom_operator_name, kwargs)
        check(python_callable)
        if replicas is not None:
            # What is annotated as a dict comes in a list of them: one value, and not one for each key.
            kwargs["multiple_outputs"] = False
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            replicas=1 if replicas is None else replicas,
            **kwargs,
        )
        self.python = python
        self.returns_list = replicas is not None

    def read_harvest(self, harvest: EndedSession) -> EndedSession:
        """Take the result out of a session's log. A success without one is a failure.

        :raises RequestError: when the platform did not give the log; the result is read another time.
        """
        from airflow_provider_canfar.skaha.errors import NotFound

        outcome, reading = harvest.outcome, self._reading(harvest)
        if outcome.succeeded:
            if harvest.fault is not None and not isinstance(harvest.fault, NotFound):
                raise harvest.fault
            outcome = replace(outcome, result=reading.result)
            if reading.result is None:
                outcome = replace(outcome, succeeded=False, status=f"{outcome.status} {WITHOUT_A_RESULT}")
        if outcome.status.endswith(WITHOUT_A_RESULT):
            return replace(harvest, outcome=outcome, log=f"{reading.log}{_why_without(reading)}\n")
        return replace(harvest, outcome=outcome, log=reading.log)

    def is_complete(self, harvest: EndedSession) -> bool:
        """Tell whether the log, where it was given, has the result in it that a success comes with."""
        if harvest.fault is not None or not harvest.outcome.succeeded:
            return True
        return self._reading(harvest).result is not None

    def task_result(self, outcomes: Sequence[Outcome]) -> Any:
        """Return the function's result, or a list with that of each replica."""
        results = [None if one.result is None else json.loads(one.result) for one in outcomes]
        return results if self.returns_list else results[0]

    def dry_run(self) -> None:
        """Show what would be created."""
        self.command = self._call({}, "dry-run")
        super().dry_run()

    def _spec(self, context: Context, batch: Batch) -> SessionSpec:
        identity = batch.identity
        self.command = self._call(context, _token(identity.key, identity.epoch, batch.try_number))
        return super()._spec(context, batch)

    def _call(self, context: Context, token: str) -> list[str]:
        from airflow_provider_canfar.decorators._remote_call import command

        kwargs = _with_context(self.python_callable, self.op_args, self.op_kwargs, context)
        return command(self.python_callable, list(self.op_args), kwargs, token=token, python=self.python)

    def _reading(self, harvest: EndedSession) -> Reading:
        from airflow_provider_canfar.decorators._result_lines import read
        from airflow_provider_canfar.skaha.naming import SessionName

        name = SessionName.parse(harvest.outcome.name)
        if name is None:
            raise AssertionError(f"{harvest.outcome.name} is no name of this provider's making")
        # The session's own try, which may be an earlier one: it was found alive, or had succeeded.
        token = _token(name.key, name.epoch, name.try_number)
        return read(harvest.log, f"{token}-{name.replica}-{int(self.replicas)}")


class _CanfarCmdDecoratedOperator(DecoratedOperator, CanfarHeadlessOperator):
    """Run the command that a function returns, in headless sessions.

    The function runs in the Airflow worker, once in each try, and returns the program and its arguments,
    which arrive as they are: they are not rendered as templates. The XCom ``command`` has them. The task
    returns what :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator` does.

    :param python_callable: the function.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its named arguments. (templated)
    :param kwargs: as for :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator`.
    """

    template_fields: Sequence[str] = _TEMPLATE_FIELDS
    custom_operator_name = "@task.canfar_cmd"

    def __init__(self, *, python_callable: Callable[..., Any], **kwargs: Any) -> None:
        _refuse_a_command(self.custom_operator_name, kwargs)
        super().__init__(python_callable=python_callable, **kwargs)

    def dry_run(self) -> None:
        """Show what would be created."""
        self.command = self._returned({})
        super().dry_run()

    def _spec(self, context: Context, batch: Batch) -> SessionSpec:
        ti = context["ti"]
        index = -1 if ti.map_index is None else ti.map_index
        # After a deferral it is there: a function that tells the time, say, shall not give replicas that are
        # launched later another command.
        self.command = ti.xcom_pull(task_ids=self.task_id, key="command", map_indexes=index)
        if self.command is None:
            self.command = self._returned(context)
            ti.xcom_push("command", self.command)
        return super()._spec(context, batch)

    def _returned(self, context: Context) -> list[str]:
        from airflow_provider_canfar.skaha.errors import SpecError

        name = self.python_callable.__name__
        kwargs = _with_context(self.python_callable, self.op_args, self.op_kwargs, context)
        words = self.python_callable(*self.op_args, **kwargs)
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise SpecError(
                f"{name}() returned {words!r:.200}, which is no command. Let it return a list of strings: "
                "the program, and each of its arguments."
            )
        return list(words)


@overload
def canfar_task(python_callable: Callable[P, R]) -> Task[P, R]: ...


@overload
def canfar_task(
    python_callable: None = None, *, multiple_outputs: bool | None = None, **kwargs: Any
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def canfar_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool | None = None, **kwargs: Any
) -> Any:
    """Run a function on the platform.

    It is ``@task.canfar``::

        @task.canfar(image="images.canfar.net/skaha/astroml:24.07", replicas=20, ram=16)
        def photometry(frames: list[str], threshold: float) -> dict:
            from astropy.io import fits

            return {frame: measure(fits.getdata(frame), threshold) for frame in stripe(frames)}

    The function's own source goes to the image, which needs Python 3.8 and nothing else; what the function
    uses it imports or defines itself. There without an import are ``chunk`` and ``stripe`` from
    :mod:`airflow_provider_canfar.replicas`, and the numbers ``REPLICA_ID`` and ``REPLICA_COUNT``. Arguments
    and results are what JSON has a form for; data is better left in files below ``/arc``, and the paths
    passed. Arguments are no place for secrets: the platform shows the command.

    :param python_callable: the function.
    :param multiple_outputs: as for ``@task``; with ``replicas`` the list of results is one output.
    :param kwargs: ``replicas``, ``python``, and what
        :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator` takes.
    """
    return task_decorator_factory(
        python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=_CanfarDecoratedOperator,
        **kwargs,
    )


@overload
def canfar_cmd_task(python_callable: Callable[P, Sequence[str]]) -> Task[P, Sequence[str]]: ...


@overload
def canfar_cmd_task(
    python_callable: None = None, **kwargs: Any
) -> Callable[[Callable[P, Sequence[str]]], Task[P, Sequence[str]]]: ...


def canfar_cmd_task(python_callable: Callable[..., Sequence[str]] | None = None, **kwargs: Any) -> Any:
    """Run on the platform the command that a function returns.

    It is ``@task.canfar_cmd``::

        @task.canfar_cmd(image="images.canfar.net/skaha/astroml:24.07", replicas=20)
        def calibrate(night: str) -> list[str]:
            return ["python", "/arc/projects/demo/calibrate.py", f"--night={night}"]

    :param python_callable: the function, which runs in the Airflow worker; it returns a program and its
        arguments.
    :param kwargs: what :class:`~airflow_provider_canfar.operators.headless.CanfarHeadlessOperator` takes.
    """
    return task_decorator_factory(
        python_callable,
        multiple_outputs=False,
        decorated_operator_class=_CanfarCmdDecoratedOperator,
        **kwargs,
    )


def _refuse_a_command(decorator: str, kwargs: Mapping[str, Any]) -> None:
    for name in _COMMAND:
        if name in kwargs:
            raise TypeError(f"{decorator} takes no {name}: the function is what runs.")


def _token(key: str, epoch: int, try_number: int) -> str:
    """Name the sessions of one try in one word, to which the runner adds the replica and their number.

    A result is taken from none but the very session that it is looked for in; and not from one that had
    another number of replicas beside it, and so another share of the work.
    """
    return f"{key}-{epoch}-{try_number}"


def _with_context(
    function: Callable[..., Any], args: Collection[Any], kwargs: Mapping[str, Any], context: Context
) -> dict[str, Any]:
    """Add what the function asks of Airflow's context by its parameters' names, such as ``ds``."""
    described = signature(function)
    asked = described.parameters.keys() - described.bind_partial(*args).arguments.keys()
    return {name: context[name] for name in asked if name in context} | dict(kwargs)  # type: ignore[literal-required]  # These are names of the author's choice.


def _why_without(reading: Reading) -> str:
    """Say in the log why a session that ended well counts as a failure."""
    if reading.fault:
        return f"(The function's result did not come back: {reading.fault}.)"
    return (
        "(The function's result did not come back. It called sys.exit(0) or os._exit(0) before it returned; "
        "or the platform, which keeps the newest 10 MB or so of a log, has lost it.)"
    )
