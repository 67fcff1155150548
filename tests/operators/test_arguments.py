"""What arguments take: as literals when the DAG file is parsed, and as templates and outputs later."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, BaseOperator, task
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.decorators import canfar_cmd_task, canfar_task
from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.operators import _argument_parsers as arguments
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.operators.interactive import CanfarInteractiveOperator
from airflow_provider_canfar.skaha.errors import SpecError
from tests.airflow_versions import DagSerialization
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

SECRET = "a-value-that-is-stored-nowhere"

BOTH = pytest.mark.parametrize("operator", [CanfarHeadlessOperator, CanfarInteractiveOperator])


def headless(**settings: Any) -> CanfarHeadlessOperator:
    return CanfarHeadlessOperator(**{"task_id": "stars", "image": IMAGE, "command": ["true"]} | settings)


def interactive(**settings: Any) -> CanfarInteractiveOperator:
    return CanfarInteractiveOperator(**{"task_id": "inspect", "image": IMAGE} | settings)


@task
def up() -> None:
    """Run before the others."""


def rendered(
    make: Any,
    *,
    native: Any = False,
    params: Any = None,
    output: Any = None,
    of_output: Any = lambda _: {},
    **settings: Any,
) -> Any:
    """Make an operator and let Airflow render it.

    :param params: of the DAG's run.
    :param output: what the upstream task has returned.
    :param of_output: the settings in which that output stands.
    """
    with DAG("survey", render_template_as_native_obj=native):
        operator = make(**settings | of_output(up()))
    ti = SimpleNamespace(xcom_pull=lambda **_: output, try_number=2, task=operator)
    operator.render_template_fields({"params": params or {}, "ti": ti, "expanded_ti_count": None})
    return operator


def run(operator: Any) -> Any:
    """Run a rendered operator."""
    return operator.execute(FakeTask(lambda: operator).context)


# --- outputs of other tasks


#: Each argument, and something in which another task's output stands.
WITH_OUTPUT: list[tuple[str, Callable[[Any], Any]]] = [
    ("env", lambda output: {"A": output}),
    *((name, lambda output: output) for name in CanfarHeadlessOperator.template_fields),
    ("command", lambda output: ["echo", output]),
    ("env", lambda output: {"A": output["key"]}),
    ("env", lambda output: {"A": output.map(str)}),
]


def also_takes(name: str) -> dict[str, Any]:
    others: dict[str, dict[str, Any]] = {
        "args": {"command": None},
        "cmd": {"command": None, "cmd": None},
        "account_sessions_prefix": {"max_account_sessions": 1},
    }
    return others.get(name, {})


@pytest.mark.parametrize(("name", "place"), WITH_OUTPUT)
def test_an_upstream_task_whose_output_is_an_argument_runs_first(
    name: str, place: Callable[[Any], Any]
) -> None:
    with DAG("survey"):
        given = also_takes(name) | {name: place(up())}
        assert headless(**given).upstream_task_ids == {"up"}


@pytest.mark.parametrize(("name", "place"), WITH_OUTPUT)
def test_so_it_does_for_a_mapped_task(name: str, place: Callable[[Any], Any]) -> None:
    over = "cores" if name == "replicas" else "replicas"
    with DAG("survey") as dag:
        given = {"image": IMAGE, **also_takes(name), name: place(up())}
        CanfarHeadlessOperator.partial(task_id="stars", **given).expand(**{over: [1, 2]})
    assert dag.get_task("stars").upstream_task_ids == {"up"}


@pytest.mark.parametrize("name", CanfarInteractiveOperator.template_fields)
def test_so_it_does_for_an_interactive_task(name: str) -> None:
    with DAG("survey"):
        assert interactive(**{name: up()}).upstream_task_ids == {"up"}


@pytest.mark.parametrize("operator", [CanfarHeadlessOperator, CanfarInteractiveOperator])
def test_a_mapped_task_has_airflow_s_own_defaults(operator: Any) -> None:
    """Airflow looks for them in the __init__ of each class, and takes the wrong ones out of some."""

    class Plain(BaseOperator):
        def __init__(self, image: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    with DAG("mapped", schedule=None):
        plain = Plain.partial(task_id="plain").expand(image=[IMAGE])
        ours = operator.partial(task_id="ours").expand(image=[IMAGE])
    assert {**ours.partial_kwargs, "task_id": ""} == {**plain.partial_kwargs, "task_id": ""}


def test_so_it_does_for_an_environment_that_is_set_later() -> None:
    with DAG("survey"):
        stars = headless()
        stars.env = {"A": up()}
        assert stars.upstream_task_ids == {"up"}


@pytest.mark.parametrize("decorator", [canfar_task, canfar_cmd_task])
def test_so_it_does_for_a_function(decorator: Any) -> None:
    def measure(frame: str) -> list[str]:
        return [frame]

    with DAG("survey") as dag:
        decorated = decorator(image=IMAGE, env={"A": up()})(measure)
        decorated("m13")
        decorated.override(task_id="mapped").expand(frame=["m13", "m92"])
    assert dag.get_task("measure").upstream_task_ids == {"up"}
    assert dag.get_task("mapped").upstream_task_ids == {"up"}


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("output", ["M 13", "3.10", "{{ params }}", "a\r\n"])
def test_the_output_arrives_as_it_is(output: str, *, native: bool) -> None:
    stars = rendered(
        headless,
        native=native,
        output=output,
        of_output=lambda value: {"env": {"A": value}, "command": ["echo", value]},
    )
    assert dict(stars.env) == {"A": output}
    assert stars.command == ["echo", output]


def test_an_environment_may_be_an_output_as_a_whole() -> None:
    stars = rendered(headless, output={"A": "1"}, of_output=lambda value: {"env": value})
    assert dict(stars.env) == {"A": "1"}


@pytest.mark.parametrize("env", [{"A": SECRET}, {"A": "{{ params.secret }}"}])
def test_airflow_stores_no_value_of_the_environment(env: Any) -> None:
    stars = rendered(headless, params={"secret": SECRET}, env=env)
    assert dict(stars.env) == {"A": SECRET}
    stored = {name: getattr(stars, name) for name in stars.template_fields}
    assert SECRET not in repr(stored)
    assert SECRET not in json.dumps(stored["env"].serialize())
    with DAG("survey") as dag:
        headless(env={"A": SECRET, "B": up()})
        CanfarHeadlessOperator.partial(task_id="many", image=IMAGE, env={"A": SECRET}).expand(replicas=[1, 2])

        @canfar_cmd_task(image=IMAGE, env={"A": SECRET})
        def measure(frame: str) -> list[str]:
            return [frame]

        measure("m13")
        measure.override(task_id="mapped").expand(frame=["m13", "m92"])
        measure.override(task_id="own", env={"A": SECRET}).partial().expand(frame=["m13", "m92"])
    serialized = json.dumps(DagSerialization.to_dict(dag))
    assert '"stars"' in serialized
    assert SECRET not in serialized


def test_the_environment_still_reads_like_a_mapping() -> None:
    stars = headless(env={"A": "1"})
    assert stars.env is not None
    stars.env["B"] = "2"
    del stars.env["A"]
    assert stars.env == {"B": "2"}
    assert repr(stars.env) == "{'B': '***'}"
    assert headless().env is None


def test_a_variable_is_not_set_in_an_environment_that_another_task_gives() -> None:
    with DAG("survey"):
        stars: Any = headless(env=up())
    with pytest.raises(TypeError, match="set env as a whole"):
        stars.env["A"] = "1"


# --- nothing is not left out


GIVEN = [name for name in CanfarHeadlessOperator.template_fields if name not in ("cores", "ram", "gpus")]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("nothing", ["{{ none }}", "{{ '' }}", "{% if false %}x{% endif %}"])
@pytest.mark.parametrize("name", GIVEN)
def test_what_renders_to_nothing_is_an_error_that_names_the_argument(
    platform: Emulator, name: str, nothing: str, *, native: bool
) -> None:
    stars = rendered(headless, native=native, **also_takes(name) | {name: nothing})
    with pytest.raises(AirflowFailException, match=f"Invalid {name} .*rendered to nothing"):
        run(stars)
    assert not platform.requests()


@pytest.mark.parametrize("name", GIVEN)
def test_an_output_of_none_is_an_error_that_names_the_argument(platform: Emulator, name: str) -> None:
    stars = rendered(headless, output=None, of_output=lambda value: also_takes(name) | {name: value})
    with pytest.raises(AirflowFailException, match=f"Invalid {name} None: .*rendered to nothing"):
        run(stars)
    assert not platform.requests()


@pytest.mark.parametrize("name", [n for n in CanfarInteractiveOperator.template_fields if n in GIVEN])
def test_so_it_is_for_an_interactive_task(platform: Emulator, name: str) -> None:
    with pytest.raises(AirflowFailException, match=f"Invalid {name} 'None': .*rendered to nothing"):
        run(rendered(interactive, **{name: "{{ none }}"}))
    assert not platform.requests()


def test_a_none_in_a_command_or_an_environment_is_an_error(platform: Emulator) -> None:
    in_command = rendered(headless, output=None, of_output=lambda value: {"command": ["echo", value]})
    with pytest.raises(AirflowFailException, match=r"Invalid command\[1\]: must be a string, not NoneType"):
        run(in_command)
    in_env = rendered(headless, output=None, of_output=lambda value: {"env": {"A": value}})
    with pytest.raises(
        AirflowFailException, match=r"Invalid env variable A: its value must be .*, not NoneType"
    ):
        run(in_env)
    assert not platform.requests()


def test_an_output_that_is_set_later_is_not_left_out_either(platform: Emulator) -> None:
    with DAG("survey"):
        stars: Any = headless(command=None)
        stars.command = up()
    ti = SimpleNamespace(xcom_pull=lambda **_: None, try_number=1, task=stars)
    stars.render_template_fields({"ti": ti, "expanded_ti_count": None})
    with pytest.raises(AirflowFailException, match=r"Invalid command None: .*rendered to nothing"):
        run(stars)
    assert not platform.requests()


@pytest.mark.parametrize("name", ["command", "env", "name"])
def test_a_none_of_an_expansion_is_an_error(platform: Emulator, name: str) -> None:
    with DAG("survey") as dag:
        CanfarHeadlessOperator.partial(task_id="stars", image=IMAGE).expand(**{name: [None]})
    mapped: Any = dag.get_task("stars")
    with pytest.raises(AirflowFailException, match=f"Invalid {name} None"):
        run(mapped.unmap({name: None}))
    assert not platform.requests()


def test_a_none_that_the_author_wrote_means_left_out() -> None:
    with DAG("survey") as dag:
        CanfarHeadlessOperator.partial(task_id="stars", image=IMAGE, name=None, env=None).expand(
            ram=[None, 4]
        )
    mapped: Any = dag.get_task("stars")
    parsed = mapped.unmap({"ram": None})._parsed()
    assert (parsed["name"], parsed["env"], parsed["ram"]) == (None, None, None)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", ["cores", "ram", "gpus"])
@pytest.mark.parametrize("make", [headless, interactive])
def test_resources_that_render_to_nothing_are_left_out(make: Any, name: str, *, native: bool) -> None:
    for nothing in ("{{ none }}", "{{ '' }}", "{{ 64 if ti.try_number > 2 else '' }}"):
        assert rendered(make, native=native, **{name: nothing})._parsed()[name] is None
    for left_out in (None, "", "None"):
        assert make(**{name: left_out})._parsed()[name] is None
    assert (
        rendered(make, native=native, **{name: "{{ 64 if ti.try_number > 1 else '' }}"})._parsed()[name] == 64
    )


# --- kinds


WRONG: list[tuple[str, Any]] = [
    *((name, value) for name in ("cores", "ram") for value in ("many", 0, -1, "nan", "inf", True, [2])),
    *(("gpus", value) for value in (0, True, 1.5, "one", "-1")),
    *(("replicas", value) for value in (0, -1, 2.5, "many", None, True, 10_001, "", [1])),
    *(("max_active_replicas", value) for value in (0, "some", True, 1.5)),
    *(("max_failed_replicas", value) for value in (-1, None, "few", False)),
    *(("max_log_bytes", value) for value in (-1, "1 MB", 1.5)),
    *(("max_logged_replicas", value) for value in (0, None, 1.5)),
    *(
        (name, value)
        for name in ("poll_interval", "startup_timeout", "logging_interval")
        for value in (0, -1, "soon", timedelta(0), timedelta(seconds=-1), True, [1], "nan")
    ),
    ("poll_interval", None),
    ("record_within", None),
    ("record_within", -1),
    *((name, value) for name in ("fail_fast", "destroy_on_kill") for value in ("maybe", None, 2, 1.0)),
    *(("deferrable", value) for value in ("maybe", "", "{{ params.wait }}")),
    ("command_encoding", "base64"),
    ("command_encoding", None),
    ("on_clear", "Resume"),
    ("on_finish_action", "delete"),
    *(("name", value) for value in ("find_stars", "", ["m13"], "-a", "stars.fits")),
    *(("image", value) for value in (None, "", 7, "astroml", "A/B:1")),
    *(("canfar_conn_id", value) for value in (None, "", 7)),
    *(("command", value) for value in ("echo hello", [], ["sleep", 3], 7, b"x", {"a": 1}, ["a\0"], [["a"]])),
    *(
        ("env", value)
        for value in (["A=1"], "A=1", {"A": None}, {"A": True}, {"A": ["b"]}, {7: "x"}, {"": "x"})
    ),
    *(("env", {name: "x"}) for name in ("REPLICA_ID", "A=B")),
    ("env", {"A": "x\0"}),
    ("env", {"A": "\ud800"}),
    ("command", ["\ud800"]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_literal_is_an_error_when_the_dag_file_is_parsed(name: str, value: Any) -> None:
    with pytest.raises(SpecError, match=name):
        headless(**{name: value})


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, v in WRONG if v is not None])
def test_so_it_is_in_partial(name: str, value: Any) -> None:
    with pytest.raises(SpecError, match=name):
        CanfarHeadlessOperator.partial(task_id="stars", **{"image": IMAGE, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((n, v) for n, v in WRONG if n in CanfarInteractiveOperator.template_fields),
        *(("kind", kind) for kind in ("headless", "desktop-app", "Notebook", "", None)),
        *((name, "maybe") for name in ("wait_for_quota", "wait_for_url")),
        *(("keep_alive_for", value) for value in (0, "an hour", True)),
    ],
)
def test_so_it_is_for_an_interactive_task_s_literal(name: str, value: Any) -> None:
    with pytest.raises(SpecError, match=name):
        interactive(**{name: value})


def test_what_expand_or_override_may_still_give_is_not_missing() -> None:
    with DAG("survey", default_args={"max_account_sessions": 4}):
        chosen: dict[str, Any] = {"image": IMAGE, "account_sessions_prefix": "survey-"}
        CanfarHeadlessOperator.partial(task_id="mapped", **chosen).expand(max_account_sessions=[1, 2])
        canfar_task(**chosen)(stars)()
    with pytest.raises(SpecError, match="Invalid account_sessions_prefix 'survey-'"):
        headless(**chosen)


def stars() -> list[str]:
    """Do what a decorated function may."""
    return ["true"]


@pytest.mark.parametrize("decorator", [canfar_task, canfar_cmd_task])
@pytest.mark.parametrize(("name", "value"), [("ram", "much"), ("env", {"A": None}), ("on_clear", "x")])
def test_so_it_is_in_a_decorator(decorator: Any, name: str, value: Any) -> None:
    with pytest.raises(SpecError, match=name):
        decorator(**{"image": IMAGE, name: value})(stars)


def test_a_program_of_the_wrong_type_is_not_quoted() -> None:
    with pytest.raises(SpecError, match="Invalid cmd of type list: must be a string") as refusal:
        headless(command=None, cmd=["curl", "-u", SECRET])
    assert SECRET not in str(refusal.value)


def test_a_program_is_either_a_command_or_cmd_with_args() -> None:
    with pytest.raises(SpecError, match="Invalid command together with cmd or args"):
        headless(cmd="echo")
    with pytest.raises(SpecError, match="Invalid args: a shell cannot split it"):
        headless(command=None, cmd="echo", args="it's")


#: A right value in each of its forms -> what it means.
RIGHT: list[tuple[str, Any, Any]] = [
    ("startup_timeout", 600, 600.0),
    ("startup_timeout", timedelta(minutes=10), 600.0),
    ("startup_timeout", "600", 600.0),
    ("startup_timeout", None, None),
    ("poll_interval", timedelta(seconds=5), 5.0),
    ("logging_interval", timedelta(seconds=30), 30.0),
    ("record_within", timedelta(minutes=20), 1200.0),
    ("record_within", 0, 0.0),
    ("max_active_replicas", "1", 1),
    ("max_active_replicas", None, None),
    ("max_failed_replicas", "2", 2),
    ("max_logged_replicas", "2", 2),
    ("max_log_bytes", "1000", 1000),
    ("max_log_bytes", None, None),
    ("replicas", "3.0", 3),
    ("replicas", 3.0, 3),
    ("destroy_on_kill", "False", False),
    ("destroy_on_kill", False, False),
    ("fail_fast", "true", True),
    ("deferrable", "false", False),
    ("cores", "0.5", 0.5),
    ("ram", 16, 16),
    ("gpus", "2", 2),
    ("command_encoding", "plain", "plain"),
    ("name", "3c273", "3c273"),
    ("name", "2026-03-04", "2026-03-04"),
    ("env", {"N": 7, "X": 0.5}, {"N": "7", "X": "0.5"}),
]


@pytest.mark.parametrize(("name", "value", "means"), RIGHT)
def test_a_right_value_has_its_meaning_as_a_literal_and_as_a_template(
    name: str, value: Any, means: Any
) -> None:
    assert headless(**{name: value})._parsed()[name] == means
    if value is not None and name not in ("deferrable", "env"):
        text = str(value.total_seconds()) if isinstance(value, timedelta) else value
        for native in (False, True):
            made = rendered(headless, native=native, params={"x": text}, **{name: "{{ params.x }}"})
            assert made._parsed()[name] == means


def test_a_number_is_no_name_as_a_literal_and_its_text_is_one_as_a_template() -> None:
    with pytest.raises(SpecError, match="Invalid name 7"):
        headless(name=7)
    made = rendered(headless, native=True, params={"x": 7}, name="{{ params.x }}")
    assert made._parsed()["name"] == "7"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (n, v)
        for n, v in WRONG
        if n not in ("deferrable", "env", "canfar_conn_id") and isinstance(v, str | int | float) and v != ""
    ],
)
def test_a_wrong_rendered_value_is_an_error_before_any_request(
    platform: Emulator, name: str, value: Any
) -> None:
    for native in (False, True):
        stars = rendered(headless, native=native, params={"x": value}, **{name: "{{ params.x }}"})
        if getattr(stars, name) in ("1", "True"):
            continue  # As text, True is a flag only.
        with pytest.raises(AirflowFailException, match=name):
            run(stars)
    assert not platform.requests()


def test_a_task_runs_with_arguments_of_every_kind(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "command": ["true"],
        "replicas": "{{ params.n }}",
        "max_active_replicas": "1",
        "max_failed_replicas": "{{ 0 }}",
        "poll_interval": timedelta(seconds=0.1),
        "startup_timeout": 600,
        "logging_interval": timedelta(seconds=1),
        "record_within": "{{ 1200 }}",
        "max_logged_replicas": "{{ 2 }}",
        "max_log_bytes": "1000",
        "destroy_on_kill": "{{ false }}",
        "deferrable": False,
    }
    outcomes = run(rendered(headless, params={"n": 2}, **settings))
    assert [one["succeeded"] for one in outcomes] == [True, True]


@BOTH
def test_deferrable_may_be_text(operator: Any) -> None:
    assert operator(task_id="stars", image=IMAGE, deferrable="False").deferrable is False


def test_a_flag_that_renders_to_false_leaves_the_sessions_at_a_kill() -> None:
    assert rendered(headless, destroy_on_kill="{{ false }}")._destroys_on_kill is False


# --- unknown arguments


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("replica", "replicas"),
        ("memory", "ram"),
        ("gpu", "gpus"),
        ("env_vars", "env"),
        ("arguments", "args"),
        ("get_logs", "logging_interval"),
        ("cmds", "command"),
        ("bash_command", "command"),
        ("environment", "env"),
        ("mem_limit", "ram"),
        ("startup_timeout_seconds", "startup_timeout"),
        ("auto_remove", "on_finish_action"),
        ("retry", "retries"),
    ],
)
def test_an_unknown_argument_is_answered_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"Unknown argument '{name}'. Did you mean '{meant}'?"):
        headless(**{name: SECRET})
    with pytest.raises(TypeError, match=f"Unknown argument '{name}'. Did you mean '{meant}'?") as refusal:
        CanfarHeadlessOperator.partial(task_id="stars", image=IMAGE, **{name: SECRET})
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("decorator", [canfar_task, canfar_cmd_task])
def test_so_it_is_for_a_decorator(decorator: Any) -> None:
    with pytest.raises(TypeError, match=r"@task\.canfar.*: Unknown argument 'memory'. Did you mean 'ram'?"):
        decorator(image=IMAGE, memory=16)(stars)


@pytest.mark.parametrize("decorator", [canfar_task, canfar_cmd_task])
def test_so_it_is_for_an_override_of_a_mapped_function(decorator: Any) -> None:
    def measure(frame: str) -> list[str]:
        return [frame]

    with DAG("survey"):
        decorated = decorator(image=IMAGE)(measure)
        for task in (decorated, decorated.override(ram=2), decorated.partial()):
            with pytest.raises(TypeError, match=r"Unknown argument 'memory'\. Did you mean 'ram'\?"):
                task.override(task_id="mapped", memory=16)
            with pytest.raises(SpecError, match="Invalid replicas 0"):
                task.override(task_id="mapped", replicas=0)


def test_an_interactive_task_is_not_told_of_what_it_does_not_take() -> None:
    with pytest.raises(TypeError, match=r"(?m)Unknown argument 'memory'\. Did you mean 'ram'\?$"):
        interactive(memory=16)
    with pytest.raises(TypeError, match=r"(?m)Unknown argument 'env_vars'\.$"):
        interactive(env_vars={"A": SECRET})


@BOTH
def test_what_every_operator_of_airflow_takes_is_known(operator: Any) -> None:
    given = {"retries": 2, "pool": "small", "execution_timeout": timedelta(hours=1), "doc_md": "# Stars"}
    made = operator(task_id="stars", image=IMAGE, **given)
    assert (made.retries, made.pool, made.doc_md) == (2, "small", "# Stars")
    operator.partial(task_id="many", image=IMAGE, **given).expand(ram=[1, 2])


@BOTH
def test_default_args_may_hold_arguments_of_other_operators(operator: Any) -> None:
    with DAG("survey", default_args={"image": IMAGE, "bash_command": "true", "memory": 16, "ram": 8}) as dag:
        assert operator(task_id="stars").ram == 8
        operator.partial(task_id="many", image=IMAGE).expand(cores=[1, 2])
    assert dag.task_ids == ["stars", "many"]


def test_a_subclass_may_take_arguments_of_its_own() -> None:
    class Survey(CanfarHeadlessOperator):
        def __init__(self, *, band: str, **kwargs: Any) -> None:
            kwargs["ram"] = kwargs.pop("memory", None)
            super().__init__(command=["survey", band], **kwargs)

    made = Survey(task_id="stars", image=IMAGE, band="r", memory=16)
    assert (made.ram, made.command) == (16, ["survey", "r"])


# --- parsers


@given(st.integers(min_value=1), st.booleans())
def test_a_whole_number_is_exact_however_large_and_however_written(value: int, is_text: bool) -> None:
    if value < 10**300:
        assert arguments.whole_number("n", str(value) if is_text else value, minimum=1) == value


@given(st.one_of(st.text(), st.floats(), st.booleans(), st.none(), st.lists(st.integers()), st.binary()))
def test_a_parser_returns_what_it_promises_or_says_what_is_wrong(value: Any) -> None:
    parsers: list[tuple[Callable[..., Any], type | tuple[type, ...], dict[str, Any]]] = [
        (arguments.seconds, float, {}),
        (arguments.whole_number, int, {"minimum": 0, "maximum": 10}),
        (arguments.number, (int, float), {"may_be_minimum": False}),
        (arguments.flag, bool, {}),
        (arguments.one_of, str, {"choices": ("a", "b")}),
        (arguments.text, str, {}),
    ]
    for parse, kind, options in parsers:
        with suppress(SpecError):
            assert isinstance(parse("thing", value, **options), kind)


@given(st.text(min_size=1000).map("x".__add__))
def test_a_message_quotes_the_beginning_of_a_long_value(value: str) -> None:
    for parse in (arguments.seconds, arguments.number, arguments.flag):
        with pytest.raises(SpecError, match="Invalid thing ") as refusal:
            parse("thing", value)
        assert len(str(refusal.value)) < 300


@given(st.text(max_size=20))
def test_a_hint_names_an_argument_that_there_is(name: str) -> None:
    known = arguments.known_arguments(CanfarHeadlessOperator)
    hint = arguments.unknown_argument(name, known, arguments.ALSO_CALLED)
    _, asks, meant = hint.partition("Did you mean '")
    assert not asks or meant.removesuffix("'?") in known


def test_every_name_that_others_use_is_one_that_we_do_not() -> None:
    known = arguments.known_arguments(CanfarHeadlessOperator) | arguments.known_arguments(
        CanfarInteractiveOperator
    )
    assert set(arguments.ALSO_CALLED.values()) <= known
    assert not set(arguments.ALSO_CALLED) & known
    assert "retries" in arguments.known_arguments(BaseOperator)
