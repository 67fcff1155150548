"""The arguments of the sensors: checked when the DAG file is parsed, or rendered and then checked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.sdk import DAG

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.operators import _selection_arguments
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.statuses import GONE, Kind, Status
from tests.airflow_versions import DagSerialization
from tests.fake_task import FakeTask

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.testing import Emulator

ANY_SENSOR = pytest.mark.parametrize(
    "sensor", [partial(CanfarSessionSensor, prefix="survey-"), partial(CanfarResourceSensor, cores=1)]
)


def rendered(sensor: CanfarSessionSensor | CanfarResourceSensor, **params: Any) -> Any:
    """Render a sensor's templates as Airflow does before each phase."""
    sensor.render_template_fields(cast("Context", {"params": params}))
    return sensor


@pytest.mark.parametrize(
    "settings",
    [
        {"prefix": "survey_"},
        {"prefix": 7},
        {"regex": "["},
        {"ids": ""},
        {"ids": ["a/b"]},
        {"ids": "k3v9x2qa", "prefix": "a"},
        {"kind": "notebok"},
        {"kind": ["headless", "notebok"]},
        {"kind": 7},
        {"prefix": "a", "status": "Done"},
        {"prefix": "a", "status": [None, "Done"]},
        {"prefix": "a", "fail_on": "Done"},
        {"prefix": "a", "at_least": 0},
        {"prefix": "a", "started_after": "yesterday"},
        {"prefix": "a", "started_after": 1772648530},
        {"ids": "k3v9x2qa", "started_after": "2026-03-04"},
        {"prefix": "a", "at_least": 1.5},
        {"prefix": "a", "at_least": True},
        {"prefix": "a", "at_least": "many"},
        {"prefix": "a", "deferrable": "{{ params.deferrable }}"},
        {"prefix": "a", "deferrable": "perhaps"},
        {"prefix": "a", "poll_interval": "often"},
        {"prefix": "a", "poll_interval": timedelta(seconds=-1)},
        {"prefix": "a", "poke_interval": float("inf")},
    ],
)
def test_an_invalid_literal_fails_when_the_dag_file_is_parsed(settings: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        CanfarSessionSensor(task_id="wait", **settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "wait for every session"),
        ({"prefix": ""}, "wait for every session"),
        ({"status": "{{ params.s }}"}, "wait for every session"),
        ({"ids": []}, r"Invalid ids \[\]"),
        ({"ids": "[k3v9x2qa"}, "Invalid ids"),
        ({"ids": "k3v9x2qa", "at_least": 2}, "Invalid at_least 2"),
        ({"prefix": "a", "status": []}, r"Invalid status \[\]"),
        ({"prefix": "a", "status": "Failed", "fail_on": "Error"}, "Invalid fail_on"),
        ({"prefix": "a", "fail_on": "Completed"}, "Invalid fail_on"),
        ({"prefix": "a", "kind": "desktop-app"}, "does not list"),
        ({"prefix": "a", "at_most": 1, "status": "Completed"}, "never leaves it"),
        ({"at_most": 1, "at_least": 1}, "Invalid at_most 1 with at_least"),
        ({"prefix": "{{ params.p }}", "at_most": 1, "at_least": 1}, "Invalid at_most 1 with at_least"),
        ({"at_most": 1, "fail_on": "Failed", "status": "{{ params.s }}"}, "Invalid at_most 1 with at_least"),
    ],
)
def test_a_condition_that_can_never_be_met_fails_when_the_dag_file_is_parsed(
    settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SpecError, match=reason) as error:
        CanfarSessionSensor(task_id="wait", **settings)
    assert error.value.__notes__ == ["In the task 'wait'."]


@pytest.mark.parametrize(
    "settings",
    [
        {"ids": "{{ params.ids }}", "at_least": 2},
        {"ids": ["k3v9x2qa", "{{ params.id }}"], "at_least": 3},
        {"kind": "{{ params.kind }}"},
        {"kind": ["{{ params.kind }}"]},
        {"at_most": "{{ params.n }}"},
        {"prefix": "a", "status": "{{ params.s }}", "fail_on": "Completed"},
        {"prefix": "a", "status": "{{ params.s }}", "at_most": 1},
    ],
)
def test_what_depends_on_a_template_passes_until_the_task_runs(settings: dict[str, Any]) -> None:
    CanfarSessionSensor(task_id="wait", **settings)


@pytest.mark.parametrize("delimiters", [{"variable_start_string": "[["}, {"line_statement_prefix": "%"}])
def test_what_may_be_a_template_of_other_delimiters_passes_too(delimiters: dict[str, str]) -> None:
    with DAG("survey", schedule=None, jinja_environment_kwargs=delimiters):
        CanfarSessionSensor(task_id="wait", ids="[[ params.ids ]]")


def test_ids_that_can_be_read_only_once_are_left_for_the_task() -> None:
    ids: Any = iter(["k3v9x2qa"])
    CanfarSessionSensor(task_id="wait", ids=ids)
    assert list(ids) == ["k3v9x2qa"]


def test_what_an_expansion_may_still_give_is_not_missing() -> None:
    with DAG("survey", schedule=None):
        CanfarSessionSensor.partial(task_id="wait").expand(prefix=["a", "b"])
        CanfarResourceSensor.partial(task_id="room").expand(cores=[1, 2])


@pytest.mark.parametrize("settings", [{"prefix": "survey-"}, {"at_most": 0}])
def test_default_args_may_choose_the_sessions(settings: dict[str, Any]) -> None:
    with DAG("survey", schedule=None, default_args=settings):
        CanfarSessionSensor(task_id="wait")


@pytest.mark.parametrize(
    "settings",
    [
        {"status": ["Completed", "Error", "Gone", "Failed (OOMKilled)", "running"]},
        {"kind": [kind for kind in Kind if kind is not Kind.DESKTOP_APP]},
        {"fail_on": []},
        {"started_after": "{{ dag_run.run_after }}"},
        {"started_after": datetime(2026, 3, 4, tzinfo=UTC)},
        {"started_after": "2026-03-04T18:22:10Z"},
        {"at_least": "3"},
        {"at_least": 3.0},
        {"at_least": "{{ params.n }}", "status": "{{ params.s }}", "kind": ["{{ params.k }}"]},
        {"deferrable": "False"},
    ],
)
def test_other_literals_and_templates_pass(settings: dict[str, Any]) -> None:
    task = CanfarSessionSensor(task_id="wait", **({"prefix": "survey-"} | settings))
    assert task.prefix == "survey-"


def test_the_words_are_those_of_the_platform() -> None:
    """They stand twice, as parsing a DAG file must not import pydantic."""
    assert set(_selection_arguments.KINDS) == set(Kind)
    assert set(_selection_arguments.END_STATUSES) == {*Status, GONE} - {Status.UNKNOWN}


@ANY_SENSOR
@pytest.mark.parametrize("name", ["poll_interval", "poke_interval"])
@pytest.mark.parametrize("duration", [7, 7.0, "7", timedelta(seconds=7)])
def test_an_interval_is_seconds_or_a_timedelta(sensor: Any, name: str, duration: Any) -> None:
    assert sensor(task_id="wait", **{name: duration}).poke_interval == 7.0


@ANY_SENSOR
def test_default_args_set_the_interval_and_the_mode(sensor: Any) -> None:
    with DAG("survey", schedule=None, default_args={"poke_interval": 60, "mode": "reschedule"}):
        task = sensor(task_id="wait")
    assert (task.poke_interval, task.mode, task.deferrable) == (60.0, "reschedule", False)


@ANY_SENSOR
@pytest.mark.parametrize(
    ("name", "meant"),
    [("poll_intervall", "poll_interval"), ("softfail", "soft_fail"), ("conn_id", "canfar_conn_id")],
)
def test_an_unknown_argument_names_the_one_that_was_meant(sensor: Any, name: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"{name!r}. Did you mean {meant!r}"):
        sensor(task_id="wait", **{name: "x"})


def test_each_sensor_suggests_its_own_arguments() -> None:
    with pytest.raises(TypeError, match="Did you mean 'ram'"):
        CanfarResourceSensor(task_id="room", **cast("Any", {"memory": 8}))
    with pytest.raises(TypeError, match="Did you mean 'ids'"):
        CanfarSessionSensor(task_id="wait", **cast("Any", {"session_ids": "a"}))
    with pytest.raises(TypeError, match=r"(?m)'memory'\.$"):
        CanfarSessionSensor(task_id="wait", **cast("Any", {"memory": 8}))


def test_the_arguments_of_airflow_are_known() -> None:
    task = CanfarSessionSensor(
        task_id="wait", prefix="a", retries=2, exponential_backoff=True, max_wait=60, pool="p"
    )
    assert (task.retries, task.pool) == (2, "p")


@pytest.mark.parametrize("nothing", [None, "", "None", "\n"])
@pytest.mark.parametrize(
    "name", ["ids", "prefix", "regex", "kind", "status", "at_least", "at_most", "fail_on", "started_after"]
)
@pytest.mark.parametrize("native", [False, True])
def test_what_renders_to_nothing_is_an_error_that_names_the_argument(
    platform: Emulator, name: str, nothing: str | None, *, native: bool
) -> None:
    platform.forget_requests()
    chosen: dict[str, Any] = {} if name in ("ids", "regex") else {"prefix": "survey"}
    chosen[name] = "{{ params.given }}"
    with DAG("survey", schedule=None, render_template_as_native_obj=native):
        task = CanfarSessionSensor(task_id="wait", **chosen)
    rendered(task, given=nothing)
    with pytest.raises(
        AirflowFailException, match=re.escape(f"Invalid {name}: {{{{ params.given }}}} rendered")
    ):
        task.execute(FakeTask(lambda: task).context)
    assert platform.requests() == {}


def test_an_id_of_a_list_that_renders_to_nothing_is_named(platform: Emulator) -> None:
    task = rendered(CanfarSessionSensor(task_id="wait", ids=["k3v9x2qa", "{{ params.other }}"]), other=None)
    with pytest.raises(AirflowFailException, match=r"Invalid ids\[1\]"):
        task.execute(FakeTask(lambda: task).context)


def test_an_element_of_a_list_is_one_id_whatever_it_renders_to(platform: Emulator) -> None:
    """Values of a run's conf cannot add sessions that the author has not listed."""
    task = rendered(CanfarSessionSensor(task_id="wait", ids=["{{ params.one }}"]), one="k3v9x2qa,m0d4tt7z")
    with pytest.raises(AirflowFailException, match="session id"):
        task.execute(FakeTask(lambda: task).context)


def test_a_number_can_come_from_a_template_and_is_checked(platform: Emulator) -> None:
    def condition(n: Any) -> Any:
        return rendered(
            CanfarSessionSensor(task_id="wait", prefix="a", at_least="{{ params.n }}"), n=n
        )._session_condition()

    assert condition(3).at_least == 3
    with pytest.raises(SpecError, match="Invalid at_least 'many'"):
        condition("many")


@pytest.mark.parametrize("name", ["ids", "prefix", "regex", "kind", "status", "at_least", "fail_on"])
def test_an_upstream_s_output_in_any_argument_makes_it_upstream(name: str) -> None:
    with DAG("survey", schedule=None) as dag:
        up = CanfarResourceSensor(task_id="up", cores=1)
        chosen = {} if name in ("ids", "prefix", "regex") else {"prefix": "survey-"}
        plain = CanfarSessionSensor(task_id="plain", **cast("Any", {**chosen, name: up.output}))
        mapped = CanfarSessionSensor.partial(task_id="mapped", **{name: up.output}).expand(poke_interval=[7])
    assert plain.upstream_task_ids == mapped.upstream_task_ids == {"up"}
    assert DagSerialization.to_dict(dag)


@pytest.mark.parametrize("name", ["cores", "ram"])
def test_an_upstream_s_output_in_an_amount_makes_it_upstream(name: str) -> None:
    with DAG("survey", schedule=None):
        up = CanfarResourceSensor(task_id="up", cores=1)
        room = CanfarResourceSensor(task_id="room", **cast("Any", {name: up.output}))
    assert room.upstream_task_ids == {"up"}


@pytest.mark.parametrize("name", ["ids", "prefix", "regex", "kind", "status", "at_least", "fail_on"])
def test_a_none_of_an_expansion_is_an_error(platform: Emulator, name: str) -> None:
    """Left out, it would wait for sessions that the author did not mean."""
    chosen: dict[str, Any] = {"kind": "headless"} if name == "prefix" else {"prefix": "survey"}
    with DAG("survey", schedule=None) as dag:
        CanfarSessionSensor.partial(task_id="wait", **chosen).expand(**{name: [None]})
    mapped: Any = dag.get_task("wait")
    task = mapped.unmap({name: None})
    with pytest.raises(AirflowFailException, match=f"Invalid {name}: .* rendered to nothing"):
        task.execute(FakeTask(lambda: task).context)


@pytest.mark.parametrize(
    ("name", "value"), [("at_least", "many"), ("prefix", "survey_"), ("kind", "notebok")]
)
def test_a_wrong_element_of_an_expansion_ends_its_task_without_retries(
    platform: Emulator, name: str, value: str
) -> None:
    """Were it refused where the task is made, in the worker, Airflow would retry it."""
    chosen: dict[str, Any] = {} if name == "prefix" else {"prefix": "survey"}
    with DAG("survey", schedule=None) as dag:
        CanfarSessionSensor.partial(task_id="wait", **chosen).expand(**{name: [value]})
    mapped: Any = dag.get_task("wait")
    task = mapped.unmap({name: value})
    with pytest.raises(AirflowFailException, match=f"Invalid {name} '{value}'"):
        task.execute(FakeTask(lambda: task).context)


def test_an_amount_of_an_expansion_may_be_left_out(platform: Emulator) -> None:
    with DAG("survey", schedule=None) as dag:
        CanfarResourceSensor.partial(task_id="room", ram=1).expand(cores=[None])
    mapped: Any = dag.get_task("room")
    task = mapped.unmap({"cores": None})
    assert task.execute(FakeTask(lambda: task).context)


def test_a_function_may_give_an_argument(platform: Emulator) -> None:
    def prefix(context: Any, jinja_env: Any) -> Any:
        return None

    task = rendered(CanfarSessionSensor(task_id="wait", prefix=cast("Any", prefix)))
    with pytest.raises(AirflowFailException, match=r"Invalid prefix: the function prefix\(\) rendered to no"):
        task.execute(FakeTask(lambda: task).context)


@pytest.mark.parametrize(
    "ids", ["k3v9x2qa,{{ params.n }}", "{{ params.n }} k3v9x2qa", ["{{ params.s }}", "a"]]
)
def test_nothing_among_several_ids_is_no_id(platform: Emulator, ids: Any) -> None:
    task = rendered(CanfarSessionSensor(task_id="wait", ids=ids), n=None, s="None")
    with pytest.raises(AirflowFailException, match=r"None is no id|rendered to nothing"):
        task.execute(FakeTask(lambda: task).context)


def test_the_word_none_is_no_id() -> None:
    with pytest.raises(SpecError, match="None is no id"):
        CanfarSessionSensor(task_id="wait", ids=["k3v9x2qa", "None"])
