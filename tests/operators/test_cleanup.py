"""The cleanup operator on the emulator: which sessions it destroys, and which choices it refuses."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.sdk import DAG
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_provider_canfar.account_sessions import cleanup as account_cleanup
from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators._run_keys import keys_of_this_run
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator, sessions_of_this_run
from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.errors import PartialFailure, SpecError
from airflow_provider_canfar.skaha.naming import Identity, key_of
from tests.fake_task import FakeTask
from tests.on_emulator import launch, shown, wait_until

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_canfar.testing import Emulator


def clean(context: dict[str, Any] | None = None, **settings: Any) -> list[dict[str, Any]]:
    """Run a cleanup."""
    settings.setdefault("settle_time", 0.2)
    return CanfarCleanupOperator(task_id="tidy", **settings).execute(cast("Context", context or {}))


def names(platform: Emulator) -> list[str]:
    return sorted(session["name"] for session in platform.live())


def test_only_sessions_with_the_prefix_are_destroyed(platform: Emulator) -> None:
    for name in ("survey-1", "survey-2", "other"):
        launch(name, "sleep", "60")
    destroyed = clean(prefix="survey-")
    assert sorted(row["name"] for row in destroyed) == ["survey-1", "survey-2"]
    assert names(platform) == ["other"]


def test_case_does_not_matter_since_the_platform_keeps_names_in_lower_case(platform: Emulator) -> None:
    launch("Survey-1", "sleep", "60")
    assert len(clean(prefix="SURVEY")) == 1


def test_a_regular_expression_is_searched_for_in_the_names(platform: Emulator) -> None:
    for name in ("a-m13-x", "a-m31-x"):
        launch(name, "sleep", "60")
    clean(regex="m1[0-9]")
    assert names(platform) == ["a-m31-x"]


@pytest.mark.parametrize(
    "given",
    [
        "{ids[0]} {ids[1]}",
        "{ids[0]},{ids[1]}",
        "{ids}",
        '[{{"session_id": "{ids[0]}"}}, {{"session_id": "{ids[1]}"}}]',
    ],
)
def test_ids_can_come_from_a_template(platform: Emulator, given: str) -> None:
    ids = [launch(f"survey-{number}", "sleep", "60") for number in range(2)]
    launch("other", "sleep", "60")
    assert [row["session_id"] for row in clean(ids=given.format(ids=ids))] == ids


def test_ids_can_be_the_results_of_operators(platform: Emulator) -> None:
    """Each mapped task returns a list with one dict per replica."""
    ids = [launch(f"survey-{number}", "sleep", "60") for number in range(2)]
    clean(ids=[[{"replica": 1, "session_id": ids[0]}], [{"replica": 1, "session_id": ids[1]}]])
    assert platform.live() == []


def test_an_empty_list_of_ids_chooses_no_session(platform: Emulator) -> None:
    launch("survey-1", "sleep", "60")
    assert clean(ids=[]) == []
    assert names(platform) == ["survey-1"]


def test_an_unknown_id_counts_as_destroyed(platform: Emulator) -> None:
    assert clean(ids="k3v9x2qa") == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "none of ids, prefix and regex"),
        ({"prefix": ""}, "an empty prefix"),
        ({"regex": ""}, "matches every name"),
        ({"regex": ".*"}, "matches every name"),
        ({"regex": "^[a-z]"}, "matches every name"),
        ({"regex": "^.{3,}$"}, "matches every name"),
        ({"regex": "-"}, "matches every name that looks like 'a-a'"),
        ({"regex": "[0-9]"}, "matches every name"),
        ({"regex": "-[0-9]+-[0-9]+-[0-9]+$"}, "matches every name that looks like 'calibrate-"),
        ({"regex": "-0-1-1$"}, "matches every name that looks like 'calibrate-"),
        ({"of_this_run": True, "prefix": "survey"}, "Invalid of_this_run"),
        ({"older_than": "{{ params.age }}"}, "none of ids, prefix and regex"),
        ({"of_this_run": True, "prefix": "{{ params.prefix }}"}, "Invalid of_this_run"),
        ({"ids": "k3v9x2qa/../x"}, "session id"),
        ({"ids": "[k3v9x2qa"}, "a list of ids"),
        ({"ids": [7]}, "session id 7"),
    ],
)
def test_a_choice_of_too_much_or_an_invalid_one_fails_when_the_dag_file_is_parsed(
    settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SpecError, match=reason.replace("[", r"\[")) as error:
        CanfarCleanupOperator(task_id="tidy", **settings)
    assert error.value.__notes__ == ["In the task 'tidy'."]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"allow_all": "{{ 'no' }}"}, "none of ids, prefix and regex"),
        ({"kind": "{{ 'notebook' }}"}, "none of ids, prefix and regex"),
        ({"regex": "{{ '.*' }}"}, "matches every name"),
        ({"of_this_run": "{{ 'yes' }}", "prefix": "survey"}, "Invalid of_this_run"),
        ({"ids": "{{ 'k3v9x2qa/../x' }}"}, "session id"),
        ({"ids": "{{ '[k3v9x2qa' }}"}, "a list of ids"),
    ],
)
def test_what_depends_on_a_template_fails_before_any_request(
    platform: Emulator, settings: dict[str, Any], reason: str
) -> None:
    launch("survey-1", "sleep", "60")
    platform.forget_requests()
    operator = rendered(CanfarCleanupOperator(task_id="tidy", **settings))
    with pytest.raises(AirflowFailException, match=reason.replace("[", r"\[")):
        operator.execute(cast("Context", {}))
    assert platform.requests() == {}
    assert names(platform) == ["survey-1"]


def test_what_an_expansion_may_still_give_is_not_missing() -> None:
    with DAG("tidy", schedule=None):
        CanfarCleanupOperator.partial(task_id="tidy").expand(prefix=["a-", "b-"])
        CanfarCleanupOperator.partial(task_id="all", regex=".*").expand(allow_all=[True])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"regex": "a["}, "missing ]"),
        ({"regex": "(?!keep)"}, "lookaheads"),
        ({"prefix": "survey_"}, "letters, digits and '-'"),
        ({"prefix": 7}, "must be text"),
        ({"ids": ""}, "no id in it"),
        ({"ids": " , "}, "no id in it"),
        ({"ids": ["k3v9x2qa/../x"]}, "session id"),
        ({"prefix": "survey", "kind": "notebok"}, "kind 'notebok'"),
        ({"prefix": "survey", "status": "Done"}, "status 'Done'"),
        ({"prefix": "survey", "status": "Gone"}, "status 'Gone'"),
        ({"prefix": "survey", "status": ["Failed", 7]}, "status 7"),
        ({"prefix": "survey", "regex": "survey"}, "together"),
        ({"prefix": "survey", "older_than": timedelta(hours=-1)}, "older_than"),
        ({"prefix": "survey", "older_than": "a day"}, "older_than"),
        ({"prefix": "survey", "settle_time": -1}, "settle_time"),
        ({"prefix": "survey", "dry_run": "perhaps"}, "dry_run"),
        ({"prefix": "survey", "allow_all": "perhaps"}, "allow_all"),
        ({"of_this_run": 7}, "of_this_run"),
    ],
)
def test_an_invalid_literal_fails_when_the_dag_file_is_parsed(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError, match=reason.replace("[", r"\[")):
        CanfarCleanupOperator(task_id="tidy", **settings)


@pytest.mark.parametrize(
    ("name", "meant"), [("prefx", "prefix"), ("session_ids", "ids"), ("everything", "allow_all")]
)
def test_an_unknown_argument_names_the_one_that_was_meant(name: str, meant: str) -> None:
    unknown: dict[str, Any] = {name: "survey-"}
    with pytest.raises(TypeError, match=f"'{name}'. Did you mean '{meant}'"):
        CanfarCleanupOperator(task_id="tidy", **unknown)


def rendered(operator: CanfarCleanupOperator, **context: Any) -> CanfarCleanupOperator:
    """Render an operator's templates as Airflow does before each phase."""
    operator.render_template_fields(cast("Context", {"params": context}))
    return operator


@pytest.mark.parametrize("nothing", [None, "", " ", "None"])
@pytest.mark.parametrize(
    "name",
    ["ids", "prefix", "regex", "kind", "status", "older_than", "dry_run", "allow_all", "canfar_conn_id"],
)
@pytest.mark.parametrize("native", [False, True])
def test_what_renders_to_nothing_destroys_nothing_and_is_named(
    platform: Emulator, name: str, nothing: str | None, *, native: bool
) -> None:
    platform.forget_requests()
    chosen: dict[str, Any] = {} if name in ("ids", "regex") else {"prefix": "survey"}
    chosen[name] = "{{ params.given }}"
    with DAG("tidy", schedule=None, render_template_as_native_obj=native):
        operator = CanfarCleanupOperator(task_id="tidy", **chosen)
    rendered(operator, given=nothing)
    expected = f"Invalid {name}: {{{{ params.given }}}} rendered to nothing"
    with pytest.raises(AirflowFailException, match=re.escape(expected)):
        operator.execute(cast("Context", {}))
    assert platform.requests() == {}


@pytest.mark.parametrize("with_others", [False, True])
def test_the_ids_of_a_launch_that_failed_are_named(platform: Emulator, *, with_others: bool) -> None:
    """Its task has pushed nothing, so its output is None."""
    with DAG("tidy", schedule=None):
        launch_task = CanfarCleanupOperator(task_id="launch", prefix="a")
        ids: Any = [launch_task.output, "k3v9x2qa"] if with_others else launch_task.output
        operator = CanfarCleanupOperator(task_id="tidy", ids=ids)
    assert operator.upstream_task_ids == {"launch"}
    operator.ids = [None, "k3v9x2qa"] if with_others else None
    place = r"ids\[0\]" if with_others else "ids"
    with pytest.raises(
        AirflowFailException, match=rf"Invalid {place}: the output of task 'launch' rendered to nothing"
    ):
        operator.execute(cast("Context", {}))


def test_an_empty_list_out_of_a_template_chooses_no_session(platform: Emulator) -> None:
    launch("survey-1", "sleep", "60")
    operator = rendered(CanfarCleanupOperator(task_id="tidy", ids="{{ params.ids }}"), ids=[])
    assert operator.execute(cast("Context", {})) == []
    assert names(platform) == ["survey-1"]


@pytest.mark.parametrize(
    "name", ["older_than", "settle_time", "dry_run", "allow_all", "status", "of_this_run"]
)
def test_an_upstream_s_output_in_any_argument_makes_it_upstream(name: str) -> None:
    with DAG("tidy", schedule=None):
        up = CanfarCleanupOperator(task_id="up", prefix="a")
        given: dict[str, Any] = {"prefix": "survey", name: up.output}
        operator = CanfarCleanupOperator(task_id="tidy", **given)
    assert operator.upstream_task_ids == {"up"}


def test_flags_and_durations_can_come_from_templates(platform: Emulator) -> None:
    wait_until(launch("survey-1", "sleep", "60"), "Running")
    operator = rendered(
        CanfarCleanupOperator(
            task_id="tidy",
            prefix="survey-",
            dry_run="{{ params.dry }}",
            allow_all="{{ params.all }}",
            older_than="{{ params.age }}",
            settle_time="{{ params.age }}",
        ),
        dry=True,
        all=False,
        age=0,
    )
    assert len(operator.execute(cast("Context", {}))) == 1
    assert names(platform) == ["survey-1"]


def test_a_text_stays_text_in_a_dag_that_renders_native_objects() -> None:
    with DAG("tidy", schedule=None, render_template_as_native_obj=True):
        literal = CanfarCleanupOperator(task_id="literal", prefix="1e5")
        template = CanfarCleanupOperator(task_id="template", prefix="{{ params.night }}")
        several = CanfarCleanupOperator(task_id="several", ids=["12345678", "{{ params.night }}"])
        listed = CanfarCleanupOperator(task_id="listed", ids="{{ params.ids }}")
    assert rendered(literal).prefix == "1e5"
    assert rendered(template, night="1e5").prefix == "1e5"
    assert rendered(several, night="1e5").ids == ["12345678", "1e5"]
    assert rendered(listed, ids=["a1", "b2"]).ids == ["a1", "b2"]


@pytest.mark.parametrize("settings", [{}, {"regex": "."}, {"prefix": ""}])
def test_with_allow_all_every_session_of_the_kind_is_destroyed(
    platform: Emulator, settings: dict[str, Any]
) -> None:
    for name in ("survey-1", "other"):
        launch(name, "sleep", "60")
    launch("a-notebook", kind="notebook")
    assert len(clean(allow_all=True, **settings)) == 2
    assert names(platform) == ["a-notebook"]


def test_sessions_of_other_kinds_are_left_alone(platform: Emulator) -> None:
    launch("survey-1", "sleep", "60")
    launch("survey-2", kind="notebook")
    launch("survey-3", kind="carta")
    clean(prefix="survey-", kind=["notebook"])
    assert names(platform) == ["survey-1", "survey-3"]


def test_by_ids_the_kind_is_any_unless_it_is_set(platform: Emulator) -> None:
    ids = [launch("survey-1", "sleep", "60"), launch("survey-2", kind="notebook")]
    clean(ids=ids, kind="headless")
    assert names(platform) == ["survey-2"]
    clean(ids=ids)
    assert names(platform) == []


def test_only_sessions_in_the_status_are_destroyed(platform: Emulator) -> None:
    failed = launch("survey-1", "false")
    launch("survey-2", "sleep", "60")
    wait_until(failed, "Failed")
    assert [row["name"] for row in clean(prefix="survey-", status="Error")] == ["survey-1"]


def test_only_sessions_that_are_old_enough_are_destroyed(platform: Emulator) -> None:
    old = launch("survey-1", "sleep", "60")
    wait_until(old, "Running")
    assert clean(prefix="survey-", older_than=timedelta(hours=1)) == []
    assert len(clean(prefix="survey-", older_than=timedelta(0))) == 1


def test_a_session_that_has_not_started_is_never_old_enough(platform: Emulator) -> None:
    platform.configure(start_delay=60)
    launch("survey-1", "sleep", "60")
    assert clean(prefix="survey-", older_than=timedelta(0)) == []


def test_a_dry_run_only_lists(platform: Emulator) -> None:
    launch("survey-1", "sleep", "60")
    with shown() as lines:
        assert [row["name"] for row in clean(prefix="survey-", dry_run=True)] == ["survey-1"]
    assert lines[-1].startswith("Would destroy 1 session. Selected: the sessions whose names start with")
    assert names(platform) == ["survey-1"]


def test_a_session_that_registers_late_is_destroyed_too(platform: Emulator) -> None:
    """A create was under way when its task was killed."""
    launch("survey-1", "sleep", "60")
    late = threading.Timer(1.0, lambda: launch("survey-2", "sleep", "60"))
    late.start()
    destroyed = clean(prefix="survey-", settle_time=3.0)
    late.join()
    assert sorted(row["name"] for row in destroyed) == ["survey-1", "survey-2"]
    assert names(platform) == []


def test_a_session_that_cannot_be_destroyed_fails_the_task(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [launch(f"survey-{number}", "sleep", "60") for number in range(2)]
    destroy = SkahaClient.destroy

    async def all_but_one(self: SkahaClient, requested: Any) -> dict[str, bool]:
        destroyed = await destroy(self, [one for one in requested if one != ids[0]])
        return destroyed | ({ids[0]: False} if ids[0] in requested else {})

    monkeypatch.setattr(SkahaClient, "destroy", all_but_one)
    with pytest.raises(PartialFailure) as failure:
        clean(ids=ids)
    assert failure.value.retryable
    assert list(failure.value.results) == [ids[1]]
    assert list(failure.value.errors) == [ids[0]]
    assert f"{ids[0]} (survey-0): delete was requested but not confirmed" in str(failure.value)


def test_a_cleanup_ends_even_if_sessions_keep_appearing(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_cleanup, "MAX_DURATION", 0.0)
    launch("survey-1", "sleep", "60")
    with pytest.raises(PartialFailure, match="appeared while other sessions were destroyed"):
        clean(prefix="survey-")


def test_a_busy_platform_is_asked_again(platform: Emulator) -> None:
    launch("survey-1", "sleep", "60")
    platform.faults(busy={"count": 2, "retry_after": 0})
    assert len(clean(prefix="survey-")) == 1


def test_it_works_as_a_teardown() -> None:
    with DAG("survey", schedule=None):
        work = CanfarCleanupOperator(task_id="work", prefix="work-")
        teardown = CanfarCleanupOperator(task_id="tidy", prefix="survey-").as_teardown(setups=work)
        work >> teardown
    assert teardown.is_teardown
    assert work.is_setup


class Run:
    """A run of a DAG with a task, a mapped one and a cleanup, as Airflow describes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.task = FakeTask(lambda: sessions_of_this_run(settle_time=0.2))
        self.pushed: list[Any] = []
        self.states = {"stars": "failed", "tiles_0": "success", "tiles_1": "success", "tidy": "running"}
        dag = SimpleNamespace(task_ids=["stars", "tiles", "tidy"])
        self.context = {**self.task.context, "dag": dag}
        monkeypatch.setattr(self.task.ti, "xcom_pull", lambda **_: self.pushed)
        monkeypatch.setattr(
            RuntimeTaskInstance,
            "get_task_states",
            lambda **asked: dict.fromkeys(asked["run_ids"], self.states),
        )

    def name(self, task_id: str, map_index: int = -1, run_id: str = "manual__2026") -> str:
        """Name a session of a task of the run."""
        key = key_of(
            dag_id="survey",
            task_id=task_id,
            run_id=run_id,
            map_index=map_index,
            run_started=self.task.dag_run.start_date,
        )
        return str(Identity(task_id, key, 0).name(1, 1))

    def clean(self, **settings: Any) -> list[dict[str, Any]]:
        operator = sessions_of_this_run(settle_time=0.2, **settings)
        return operator.execute(cast("Context", self.context))


@pytest.fixture(name="run")
def _run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


def test_only_the_sessions_of_the_run_are_destroyed(platform: Emulator, run: Run) -> None:
    for name in (run.name("stars"), run.name("tiles", 0), run.name("tiles", 1)):
        launch(name, "sleep", "60")
    others = [run.name("stars", run_id="another"), "stars", "other"]
    for name in others:
        launch(name, "sleep", "60")
    assert len(run.clean()) == 3
    assert names(platform) == sorted(others)


def test_interactive_sessions_of_the_run_are_destroyed_unless_a_kind_is_set(
    platform: Emulator, run: Run
) -> None:
    launch(run.name("stars"), kind="notebook")
    assert run.clean(kind="headless") == []
    assert len(run.clean()) == 1


def test_a_key_from_before_a_clear_is_found_in_xcom(run: Run) -> None:
    """Airflow has given the run a new start date since."""
    old = Identity("stars", "k3v5x2qamd", 1).name(1, 2)
    assert old.key not in keys_of_this_run(cast("Context", run.context))
    run.pushed = [None, [{"replica": 1, "session_id": "k3v9x2qa", "name": str(old)}]]
    assert old.key in keys_of_this_run(cast("Context", run.context))


@pytest.mark.parametrize(
    "foreign",
    [
        "text",
        7,
        [7, None, "text", [], {}],
        [[{"name": "stars", "session_id": "k3v9x2qa"}]],
        [{"session_id": "k3v9x2qa"}],
        [{"name": None, "session_id": "k3v9x2qa"}],
        {"name": "stars"},
        b"bytes",
    ],
)
def test_an_xcom_of_another_task_is_ignored(run: Run, foreign: Any) -> None:
    """Any task of the run may push an XCom ``sessions``."""
    before = keys_of_this_run(cast("Context", run.context))
    old = Identity("stars", "k3v5x2qamd", 1).name(1, 2)
    run.pushed = [foreign]
    assert keys_of_this_run(cast("Context", run.context)) == before
    run.pushed = [foreign, [{"replica": 1, "session_id": "k3v9x2qa", "name": str(old)}]]
    assert set(keys_of_this_run(cast("Context", run.context))) == {*before, old.key}


def test_the_connection_and_the_selection_are_templated() -> None:
    operator = CanfarCleanupOperator(task_id="tidy", prefix="{{ run }}-", ids="{{ ids }}", kind="{{ kind }}")
    operator.render_template_fields(cast("Context", {"run": "a", "ids": "x y", "kind": "carta"}))
    assert (operator.prefix, operator.ids, operator.kind) == ("a-", "x y", "carta")


def test_the_connection_is_read_once_per_cleanup(platform: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original: Callable[..., Any] = CanfarHook.get_connection.__func__  # type: ignore[attr-defined]  # a classmethod

    def get_connection(cls: type[CanfarHook], conn_id: str) -> Any:
        read.append(conn_id)
        return original(cls, conn_id)

    monkeypatch.setattr(CanfarHook, "get_connection", classmethod(get_connection))
    launch("survey-1", "sleep", "60")
    read.clear()
    clean(prefix="survey-")
    assert read == ["canfar_default"]


@pytest.mark.parametrize("name", ["ids", "regex", "kind", "status", "older_than"])
def test_a_none_of_an_expansion_destroys_nothing(platform: Emulator, name: str) -> None:
    """Left out, it would choose more sessions than the author meant."""
    launch("survey-1", "sleep", "30")
    with DAG("tidy", schedule=None) as dag:
        CanfarCleanupOperator.partial(task_id="tidy", prefix="survey").expand(**{name: [None]})
    mapped: Any = dag.get_task("tidy")
    task = mapped.unmap({name: None})
    with pytest.raises(AirflowFailException, match=f"Invalid {name}: .* rendered to nothing"):
        task.execute(FakeTask(lambda: task).context)
    assert len(platform.live()) == 1


def test_a_function_may_say_how_old_they_must_be() -> None:
    def age(context: Any, jinja_env: Any) -> float:
        return 60.0

    operator = CanfarCleanupOperator(task_id="tidy", prefix="a", older_than=cast("Any", age))
    assert rendered(operator).older_than == 60.0
