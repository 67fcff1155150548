"""A function's parameters, and the values of Airflow's context that they ask for by their names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import BoundArguments, Parameter, signature
from types import FunctionType
from typing import Any

from airflow_provider_canfar.skaha.errors import SpecError

#: The values of the context that JSON cannot represent, each with an argument that could take its place.
OBJECTS = {
    "asset_state_store": "state=...",
    "conf": 'name="{{ dag_run.conf.name }}"',
    "conn": 'host="{{ conn.archive.host }}"',
    "dag": 'dag_id="{{ dag.dag_id }}"',
    "dag_run": 'run_type="{{ dag_run.run_type }}"',
    "data_interval_end": 'end="{{ data_interval_end }}"',
    "data_interval_start": 'start="{{ data_interval_start }}"',
    "exception": 'error="{{ exception }}"',
    "inlet_events": 'events="{{ inlet_events }}"',
    "inlets": 'inlets="{{ inlets }}"',
    "logical_date": 'ts="{{ ts }}"',
    "macros": 'yesterday="{{ macros.ds_add(ds, -1) }}"',
    "outlet_events": 'events="{{ outlet_events }}"',
    "outlets": 'outlets="{{ outlets }}"',
    "partition_date": 'date="{{ partition_date }}"',
    "prev_data_interval_end_success": 'end="{{ prev_data_interval_end_success }}"',
    "prev_data_interval_start_success": 'start="{{ prev_data_interval_start_success }}"',
    "prev_end_date_success": 'end="{{ prev_end_date_success }}"',
    "prev_start_date_success": 'start="{{ prev_start_date_success }}"',
    "task": 'task_id="{{ task.task_id }}"',
    "task_instance": 'try_number="{{ task_instance.try_number }}"',
    "task_state_store": "state=...",
    "ti": 'try_number="{{ ti.try_number }}"',
    "triggering_asset_events": 'events="{{ triggering_asset_events }}"',
    "var": 'survey="{{ var.value.survey }}"',
}

#: Names that Airflow 2 gave a value, and Airflow 3 does not.
_FORMER = frozenset({"conf"})


def check_kinds(function: Callable[..., Any]) -> None:
    """Check that a function takes no ``**context``, which would be empty in the image.

    :raises SpecError: for a function that does, with what to write instead.
    """
    if not isinstance(function, FunctionType):
        return
    for parameter in signature(function).parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            raise SpecError(
                f"{function.__name__}() takes **{parameter.name}, and @task.canfar cannot send Airflow's "
                "context to the image. Give the function a parameter for each value that it needs: Airflow "
                "fills in ds, run_id and params by their names; pass others as arguments, such as "
                'try_number="{{ ti.try_number }}".'
            )


def check_context(function: Callable[..., Any], args: Collection[Any], kwargs: Mapping[str, Any]) -> None:
    """Check that a function asks for no value of the context that JSON cannot represent.

    :param args: the positional arguments of its call in the DAG file.
    :param kwargs: the keyword arguments.
    :raises SpecError: for a function that does, with what to pass instead.
    """
    try:
        given = signature(function).bind_partial(*args, **kwargs).arguments
    except TypeError:
        return  # Airflow itself says best what is wrong with these arguments.
    for parameter in signature(function).parameters.values():
        is_asked_for = _is_named(parameter) and parameter.name in OBJECTS and parameter.name not in given
        if is_asked_for and (parameter.default is Parameter.empty or parameter.name not in _FORMER):
            raise SpecError(
                f"{function.__name__}() asks for {parameter.name} of Airflow's context, which JSON cannot "
                "represent, so it cannot be sent to the image. Pass what the function needs of it as an "
                f"argument instead, such as {OBJECTS[parameter.name]}."
            )


def bind_with_context(
    function: Callable[..., Any], args: Collection[Any], kwargs: Mapping[str, Any], context: Mapping[str, Any]
) -> BoundArguments:
    """Bind arguments, and values of the context to other parameters with their names, such as ``ds``.

    A ``**context`` parameter gets all values, as with ``@task``.

    :raises SpecError: for arguments that do not match the function's parameters.
    """
    its_signature = signature(function)
    try:
        bound = its_signature.bind_partial(*args, **kwargs)
    except TypeError as error:
        raise SpecError(f"{function.__name__}() cannot be called with these arguments: {error}.") from None
    for name, parameter in its_signature.parameters.items():
        if parameter.kind is Parameter.VAR_KEYWORD:
            others = {key: context[key] for key in context if key not in its_signature.parameters}
            bound.arguments[name] = others | bound.arguments.get(name, {})
        elif _is_named(parameter) and name in context and name not in bound.arguments:
            bound.arguments[name] = context[name]
    return bound


def _is_named(parameter: Parameter) -> bool:
    """Whether a parameter takes one value, and not any number of them."""
    return parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
