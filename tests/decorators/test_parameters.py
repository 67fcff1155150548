"""A function's parameters, and Airflow's context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from airflow_provider_canfar.decorators import canfar_cmd_task, canfar_task
from airflow_provider_canfar.decorators._parameters import OBJECTS, bind_with_context
from airflow_provider_canfar.skaha.errors import SpecError
from tests.decorators.tasks import operator_of
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE


def with_context(**context: Any) -> None:
    """Want all of the context."""


def with_options(frame: str, *, seeing: float = 0.7, **kwargs: Any) -> None:
    """Want some of it."""


@pytest.mark.parametrize("function", [with_context, with_options])
def test_a_function_that_takes_the_whole_context_is_rejected_when_it_is_decorated(
    function: Callable[..., Any],
) -> None:
    for decorate in (canfar_task, canfar_task(image=IMAGE)):
        with pytest.raises(
            SpecError, match=r"takes \*\*\w+, and @task\.canfar cannot send .* ds, run_id"
        ) as e:
            decorate(function)
        assert 'try_number="{{ ti.try_number }}"' in str(e.value)


def function_of(parameter: str, default: str = "=None") -> Callable[..., Any]:
    """Define a function with one parameter."""
    names: dict[str, Any] = {}
    exec(f"def night({parameter}{default}): return 1", names)  # noqa: S102 - the test's own source
    function: Callable[..., Any] = names["night"]
    return function


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_value_of_the_context_that_json_cannot_represent_is_rejected_when_the_dag_is_parsed(
    name: str,
) -> None:
    for parameter in (name, f"*, {name}"):
        with (
            DAG("survey"),
            pytest.raises(SpecError, match=f"night\\(\\) asks for {name} of Airflow's context"),
        ):
            canfar_task(image=IMAGE)(function_of(parameter, ""))()


def test_such_a_value_may_be_passed() -> None:
    with DAG("survey"):
        for arguments, named in ((["m13"], {}), ([], {"task": "m13"})):
            operator = operator_of(canfar_task(image=IMAGE)(function_of("task"))(*arguments, **named))
            assert operator.task_type


def test_a_parameter_named_conf_may_have_a_default() -> None:
    """Airflow 3 gives it no value."""
    with DAG("survey"):
        assert operator_of(canfar_task(image=IMAGE)(function_of("conf"))())


@pytest.mark.parametrize(
    "name", ["ds", "ds_nodash", "ts", "run_id", "params", "try_number", "map_index_template"]
)
def test_values_that_json_can_represent_are_filled_in(name: str) -> None:
    with DAG("survey"):
        assert operator_of(canfar_task(image=IMAGE)(function_of(name))())
    assert bind_with_context(function_of(name), [], {}, {name: "a", "ti": "b"}).arguments == {name: "a"}


def test_every_value_of_the_context_that_is_an_object_is_known() -> None:
    """When Airflow adds a value, decide here whether it can be sent."""
    sent = {
        *("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "run_id", "task_instance_key_str"),
        *("params", "test_mode", "try_number", "task_reschedule_count", "expanded_ti_count"),
        *("map_index_template", "partition_key", "reason", "templates_dict"),
        "start_date",  # Airflow 3.1 names it, and never fills it.
    }
    assert KNOWN_CONTEXT_KEYS - sent <= OBJECTS.keys()


@pytest.mark.parametrize(
    ("parameters", "args", "kwargs", "bound"),
    [
        ("*params", [1, 2], {}, ((1, 2), {})),
        ("*params", [], {}, ((), {})),
        ("ds, /, frame", [], {"frame": 1}, (("2026-03-04", 1), {})),
        ("frame, ds, *more", ["m13"], {}, (("m13", "2026-03-04"), {})),
        ("frame, *, ds", ["m13"], {}, (("m13",), {"ds": "2026-03-04"})),
        ("ds", ["mine"], {}, (("mine",), {})),
        ("frame=1, *, ds=None", [], {}, ((), {"ds": "2026-03-04"})),
        ("frame, **context", ["m13"], {"ds": "mine"}, (("m13",), {"ds": "mine", "params": {}})),
    ],
)
def test_parameters_of_all_kinds_get_their_values(
    parameters: str, args: list[Any], kwargs: dict[str, Any], bound: Any
) -> None:
    result = bind_with_context(function_of(parameters, ""), args, kwargs, {"ds": "2026-03-04", "params": {}})
    assert (result.args, result.kwargs) == bound


def test_arguments_that_do_not_match_are_rejected() -> None:
    with pytest.raises(
        SpecError, match=r"night\(\) cannot be called with these arguments: too many positional"
    ):
        bind_with_context(function_of("frame"), [1, 2], {}, {})


def test_a_command_s_function_runs_in_the_worker_and_gets_the_whole_context() -> None:
    def command(frame: str, ti: Any = None, **context: Any) -> list[str]:
        return ["measure", frame, ti.run_id, context["dag_run"].run_id]

    stars = FakeTask(lambda: operator_of(canfar_cmd_task(image=IMAGE, task_id="stars")(command)("m13")))
    operator: Any = stars.operator
    assert operator._call_function(stars.context) == ["measure", "m13", "manual__2026", "manual__2026"]


@pytest.mark.parametrize("word", ["a\0b", "m13\udcff.fits"])
def test_a_command_that_airflow_cannot_store_is_rejected(word: str) -> None:
    def command() -> list[str]:
        return ["echo", word]

    stars = FakeTask(lambda: operator_of(canfar_cmd_task(image=IMAGE, task_id="stars")(command)()))
    operator: Any = stars.operator
    with pytest.raises(
        SpecError, match=r"command\(\) returned a command that Airflow cannot store: command\[1\]"
    ):
        operator._call_function(stars.context)
