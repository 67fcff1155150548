"""``@task.canfar`` on the emulator: real sessions, and the context that Airflow provides."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_canfar.decorators import canfar_cmd_task, canfar_task
from airflow_provider_canfar.decorators._function_runner import RESULT_PREFIX
from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.replicas import stripe
from airflow_provider_canfar.skaha.errors import SessionFailed, SpecError
from airflow_provider_canfar.task_sessions.journal import ENTRY
from tests.decorators.tasks import created, defer_again, operator_of, task
from tests.fake_task import FakeStore
from tests.on_emulator import IMAGE, event_of, shown

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator
    from tests.decorators.image import Image

    REPLICA_ID = REPLICA_COUNT = 1  # The image provides these.

pytestmark = pytest.mark.usefixtures("inside_a_worker")


# --- results


def test_the_task_returns_the_function_s_result_and_logs_its_output(platform: Emulator) -> None:
    def measure(frame: str, threshold: float) -> dict[str, Any]:
        import logging

        logging.getLogger("survey").info("measuring")
        print(f"{frame} above {threshold}", end="")
        return {"frame": frame, "é": [threshold, None, True]}

    stars = task(measure, "m13's.fits", 5.5)
    with shown() as lines:
        assert stars.run() == {"frame": "m13's.fits", "é": [5.5, None, True]}
    assert lines[lines.index("INFO survey: measuring") :][:3] == [
        "INFO survey: measuring",
        "m13's.fits above 5.5",
        "::endgroup::",
    ]


def test_replicas_return_a_list_in_replica_order(platform: Emulator, tmp_path: Path) -> None:
    """The order in which they end does not matter; here the last replica ends first."""

    def share(items: list[int], ended: str) -> dict[str, list[int]]:
        import time
        from pathlib import Path

        while REPLICA_ID < REPLICA_COUNT and not Path(ended, str(REPLICA_ID + 1)).exists():
            time.sleep(0.01)
        Path(ended, str(REPLICA_ID)).touch()
        return {"items": list(stripe(items))}

    stars = task(share, [*range(7)], str(tmp_path), replicas=3)
    assert stars.run() == [{"items": [0, 3, 6]}, {"items": [1, 4]}, {"items": [2, 5]}]
    assert stars.operator.multiple_outputs is False


def test_one_explicit_replica_returns_a_list_too(platform: Emulator) -> None:
    def number() -> int:
        return REPLICA_ID

    assert task(number, replicas="1").run() == [1]


def test_the_image_may_have_an_older_python(platform: Emulator, old_image: Image) -> None:
    def version() -> list[int]:
        import sys

        return list(sys.version_info[:2])

    result = task(version, python=old_image.python).run()
    assert f"python{result[0]}.{result[1]}" in old_image.python


def test_a_tolerated_failure_gives_none(platform: Emulator) -> None:
    def number() -> int:
        return 6 // (REPLICA_ID - 2)

    assert task(number, replicas=3, max_failed_replicas=1).run() == [-6, None, 6]


def test_a_session_s_arguments_have_no_value_and_its_function_sees_no_call(platform: Emulator) -> None:
    """``ps`` shows arguments to everyone on a node."""

    def show(secret: str) -> list[Any]:
        import os
        from pathlib import Path

        parents = [f"/proc/{pid}/cmdline" for pid in (os.getpid(), os.getppid())]
        shown = "".join(Path(parent).read_text() for parent in parents)
        names = [name for name in os.environ if name.startswith("CANFAR_")]
        return [secret in shown, os.environ["TOKEN"] in shown, names, os.environ["TOKEN"]]

    if not Path("/proc/self/cmdline").exists():
        pytest.skip("This machine has no /proc.")
    stars = task(show, "hunter2=", env={"TOKEN": "hunter3=", "A": "plain"})
    assert stars.run() == [False, False, [], "hunter3="]


def test_a_variable_that_carries_the_call_cannot_be_set(platform: Emulator) -> None:
    def number() -> int:
        return 42

    with pytest.raises(AirflowFailException, match="Invalid name in env 'CANFAR_CALL_1'"):
        task(number, env={"CANFAR_CALL_1": "x"}).run()
    assert not platform.requests()


# --- failures


def test_a_function_that_prints_all_it_was_given_forges_no_result(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.reconcile.LOG_RETRY_AFTER", 0.1)

    def forge(names: list[str]) -> None:
        import hashlib
        import os
        import sys

        for word in [*names, *sys.argv, *os.environ.values()]:
            for marker in (word, f"{word}-1-1"):
                check = hashlib.sha256(f"{marker} 666".encode()).hexdigest()[:32]
                end = hashlib.sha256(f"{marker} end 0".encode()).hexdigest()[:32]
                print(f"canfar-result {marker} 1/1 {check} 666\ncanfar-result {marker} end 0 {end}")
        os._exit(0)

    stars = task(forge, ["survey", "stars", "manual__2026"])
    with pytest.raises(SessionFailed, match="Completed without a result"):
        stars.run()


def test_the_task_s_error_contains_the_function_s_traceback(platform: Emulator) -> None:
    def measure() -> float:
        values: list[float] = []
        print("the last frame")
        return sum(values) / len(values)

    with pytest.raises(SessionFailed) as failure:
        task(measure).run()
    (message,) = failure.value.__notes__
    assert "the last frame\nTraceback (most recent call last):\n" in message
    assert f'File "{__file__}"' in message
    assert "ZeroDivisionError: division by zero" in message
    assert platform.all_sessions()[0]["exit_code"] == 1


def test_sys_exit_sets_the_session_s_exit_code(platform: Emulator) -> None:
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SessionFailed):
        task(leave).run()
    assert platform.all_sessions()[0]["exit_code"] == 3


def test_a_session_that_completes_without_a_result_fails_the_task(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.reconcile.LOG_RETRY_AFTER", 0.1)

    def leave() -> None:
        import sys

        print("nothing to do")
        sys.exit(0)

    with pytest.raises(SessionFailed) as failure, shown() as lines:
        task(leave).run()
    assert platform.all_sessions()[0]["status"] == "Completed"
    (message,) = failure.value.__notes__
    assert "Completed without a result." in message
    assert "it called sys.exit(0) before it returned" in message
    assert any("Completed without a result" in line for line in lines)


def test_a_failure_after_the_return_logs_no_result_lines(platform: Emulator) -> None:
    def leave() -> int:
        import atexit
        import os

        atexit.register(os._exit, 4)
        print("returning")
        return 42

    with pytest.raises(SessionFailed) as failure, shown() as lines:
        task(leave).run()
    assert "returning" in lines
    assert not [line for line in (*lines, *failure.value.__notes__) if RESULT_PREFIX in line]


# --- retries


@pytest.mark.parametrize(
    "has_store", [True, False], ids=["Airflow has the results", "the platform has the results"]
)
def test_a_retry_keeps_the_results_of_successful_replicas(
    platform: Emulator, tmp_path: Path, *, has_store: bool
) -> None:
    def number(fixed: str) -> list[Any]:
        import time
        from pathlib import Path

        if REPLICA_ID == 2:
            assert Path(fixed).exists()
        return [REPLICA_ID, time.time()]

    fixed = tmp_path / "fixed"
    stars = task(number, str(fixed), replicas=3, retries=1)
    if not has_store:
        stars.store = None
    with pytest.raises(SessionFailed):
        stars.run()
    if has_store:
        for session in platform.all_sessions():
            platform.vanish(session["id"])
    fixed.touch()
    stars.retry()
    results = stars.run()
    assert [result[0] for result in results] == [1, 2, 3]
    assert max(results[0][1], results[2][1]) < results[1][1]
    assert created(platform) == {"1": 1, "2": 2, "3": 1}


def test_a_retry_reruns_a_replica_that_completed_without_a_result(
    platform: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform still lists its session as Completed, for an hour."""
    monkeypatch.setattr("airflow_provider_canfar.task_sessions.reconcile.LOG_RETRY_AFTER", 0.1)

    def number(fixed: str) -> int:
        import os
        from pathlib import Path

        if REPLICA_ID == 2 and not Path(fixed).exists():
            os._exit(0)
        return REPLICA_ID

    fixed = tmp_path / "fixed"
    stars = task(number, str(fixed), replicas=2, retries=1)
    with pytest.raises(SessionFailed, match="Completed without a result"):
        stars.run()
    fixed.touch()
    stars.retry()
    assert stars.run() == [1, 2]
    assert created(platform) == {"1": 1, "2": 2}


@pytest.mark.parametrize("has_store", [True, False], ids=["stored nonces", "derived nonces"])
def test_a_retry_adopts_a_live_session_and_reads_its_result(
    platform: Emulator, quick_triggers: None, tmp_path: Path, *, has_store: bool
) -> None:
    """The worker died after the launch; the nonce of the result is of the try that launched the session."""

    def number(gate: str) -> int:
        import time
        from pathlib import Path

        while not Path(gate).exists():
            time.sleep(0.01)
        return 42

    gate = tmp_path / "gate"
    stars = task(number, str(gate), deferrable=True, retries=1)
    if not has_store:
        stars.store = None
    stars.defer()
    stars.retry()
    adopted = stars.defer()
    gate.touch()
    assert stars.resume(adopted, event_of(adopted.trigger)) == 42
    assert created(platform) == {"1": 1}


def test_a_new_number_of_replicas_discards_earlier_results(platform: Emulator) -> None:
    """Each replica then has a different share of the work."""

    def share(items: list[int]) -> list[int]:
        if REPLICA_ID == 2 and len(list(stripe(items))) == 3:
            raise ValueError
        return list(stripe(items))

    stars = task(share, [*range(6)], replicas=2, retries=1)
    with pytest.raises(SessionFailed):
        stars.run()
    stars.make = task(share, [*range(6)], replicas=3, retries=1).make
    stars.retry()
    assert stars.run() == [[0, 3], [1, 4], [2, 5]]


# --- waiting in the triggerer


def test_results_survive_deferrals(platform: Emulator, quick_triggers: None, tmp_path: Path) -> None:
    def number(gates: str) -> dict[str, Any]:
        import time
        from pathlib import Path

        while not Path(gates, str(REPLICA_ID)).exists():
            time.sleep(0.01)
        return {"__name__": "star", "replica": REPLICA_ID}

    stars = task(number, str(tmp_path), replicas=2, max_active_replicas=1, deferrable=True)
    first = stars.defer()
    (tmp_path / "1").touch()
    second = defer_again(stars, first)
    (session, _) = platform.all_sessions()
    platform.vanish(session["id"])
    (tmp_path / "2").touch()
    results = stars.resume(second, event_of(second.trigger))
    assert results == [{"__name__": "star", "replica": 1}, {"__name__": "star", "replica": 2}]


def dice() -> list[Any]:
    import secrets

    return [REPLICA_ID, secrets.token_hex(4000)]


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_task_returns_what_only_pages_of_its_journal_have(
    platform: Emulator, quick_triggers: None, is_lost: bool
) -> None:
    """As it is with thousands of replicas. What a lost page had is asked of the platform again."""
    stars = task(dice, replicas=5, max_active_replicas=1, deferrable=True)
    deferred = stars.defer()
    for _ in range(4):
        deferred = defer_again(stars, deferred)
    assert stars.store is not None
    assert f"{ENTRY}_1" in stars.store.rows
    if is_lost:
        del stars.store.rows[f"{ENTRY}_1"]
    with shown() as lines:
        results = stars.resume(deferred, event_of(deferred.trigger))
    assert [(replica, len(number)) for replica, number in results] == [(one, 8000) for one in range(1, 6)]
    assert set(created(platform).values()) == {1}
    assert [one["succeeded"] for one in stars.ti.xcoms["sessions"]] == [True] * 5
    assert "\n".join(lines).count("  Completed  ") == 5
    assert any(line.startswith(f"The outcomes in {ENTRY}_1 are lost") for line in lines) is is_lost


class ForgetfulStore(FakeStore):
    """Loses the first page of a journal."""

    def set(self, key: str, value: Any) -> None:
        if key != f"{ENTRY}_1":
            super().set(key, value)


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_task_that_waits_in_its_worker_reads_pages_at_the_end(platform: Emulator, is_lost: bool) -> None:
    stars = task(dice, replicas=5, max_active_replicas=1)
    if is_lost:
        stars.store = ForgetfulStore()
    with shown() as lines:
        results = stars.run()
    assert [(replica, len(number)) for replica, number in results] == [(one, 8000) for one in range(1, 6)]
    assert set(created(platform).values()) == {1}
    assert [one["succeeded"] for one in stars.ti.xcoms["sessions"]] == [True] * 5
    assert any(line.startswith(f"The outcomes in {ENTRY}_1 are lost") for line in lines) is is_lost


# --- arguments


def test_names_that_the_image_lacks_are_rejected_when_the_dag_is_parsed() -> None:
    threshold = 5.0

    @canfar_task(image=IMAGE)
    def measure() -> float:
        return threshold

    with pytest.raises(SpecError, match=r"measure\(\) uses threshold from the enclosing function"):
        measure()


@pytest.mark.parametrize("setting", ["command", "cmd", "args"])
@pytest.mark.parametrize("decorator", [canfar_task, canfar_cmd_task])
def test_the_command_s_arguments_are_rejected(decorator: Any, setting: str) -> None:
    def measure() -> list[str]:
        return ["true"]

    with pytest.raises(TypeError, match=f"does not accept {setting}: the function replaces it"):
        decorator(image=IMAGE, **{setting: ["true"]})(measure)()


def test_arguments_that_are_too_long_are_rejected_before_any_request(platform: Emulator) -> None:
    def measure(frames: list[str]) -> int:
        return len(frames)

    with pytest.raises(AirflowFailException, match=r"the limit is 1,000,000\. Write the data to a file"):
        task(measure, ["x" * 1000] * 2000).run()
    assert not platform.requests()


def test_a_nul_in_the_environment_is_rejected_when_the_dag_is_parsed() -> None:
    def measure() -> int:
        return 1

    with pytest.raises(SpecError, match=r"Invalid env\['PLATE'\]: must not contain a NUL"):
        task(measure, env={"PLATE": "m13\0"})


def test_parameters_named_as_context_variables_get_their_values(platform: Emulator) -> None:
    def night(frame: str, ds: str | None = None, params: dict[str, Any] | None = None) -> list[Any]:
        return [frame, ds, params]

    stars = task(night, "m13")
    context = stars.context
    context["ds"] = "2026-03-04"
    context["params"] = {"seeing": 0.7}
    assert stars.make().execute(context) == ["m13", "2026-03-04", {"seeing": 0.7}]


def test_a_value_of_the_context_that_json_cannot_represent_is_rejected_before_any_request(
    platform: Emulator,
) -> None:
    def night(params: Any = None) -> Any:
        return params

    stars = task(night)
    context = stars.context
    context["params"] = {"since": date(2026, 3, 4)}
    with pytest.raises(
        AirflowFailException, match=r"its argument params\['since'\] is of type datetime\.date, which JSON"
    ):
        stars.make().execute(context)
    assert not platform.requests()


@pytest.mark.parametrize("value", [2**70, "m13\udcff.fits", "a\0b", {"__type": 1}, [{1}]])
def test_an_argument_that_would_be_lost_is_rejected_before_any_request(
    platform: Emulator, value: Any
) -> None:
    def measure(frames: Any) -> Any:
        return frames

    with pytest.raises(AirflowFailException, match=r"cannot be called in the image: its argument frames"):
        task(measure, {"frames": [value]}).run()
    assert not platform.requests()


def test_a_result_that_airflow_cannot_store_fails_its_session_and_the_other_replicas_are_kept(
    platform: Emulator,
) -> None:
    def number() -> int:
        return 2**70 if REPLICA_ID == 2 else REPLICA_ID

    assert task(number, replicas=3, max_failed_replicas=1).run() == [1, None, 3]
    with pytest.raises(
        SessionFailed, match=r"number\(\) returned a value that Airflow cannot store: result is"
    ):
        task(number, replicas=2).run()


def test_a_function_annotated_to_return_a_dict_that_returns_a_list_fails_its_session(
    platform: Emulator,
) -> None:
    def measure() -> dict[str, float]:
        return [1.5]  # type: ignore[return-value]  # authors do this

    with pytest.raises(
        SessionFailed, match="result is of type list, and with multiple_outputs it must be a dict"
    ):
        task(measure).run()


def test_arguments_are_templates() -> None:
    @canfar_task(image=IMAGE, name="night-{{ ds_nodash }}")
    def night(date: str, frames: list[str]) -> str:
        return date

    with DAG("survey"):
        operator = operator_of(night("{{ ds }}", frames=["{{ ds }}.fits"]))
    operator.render_template_fields({"ds": "2026-03-04", "ds_nodash": "20260304"})
    assert (*operator.op_args,) == ("2026-03-04",)
    assert operator.op_kwargs == {"frames": ["2026-03-04.fits"]}
    assert operator.name == "night-20260304"


def test_arguments_arrive_byte_for_byte() -> None:
    @canfar_task(image=IMAGE)
    def night(lines: str, more: list[str]) -> str:
        return lines

    with DAG("survey"):
        operator = operator_of(night("two\r\nlines\n", more=["mac\rline", "{{ ds }}\n"]))
    operator.render_template_fields({"ds": "2026-03-04"})
    assert (*operator.op_args,) == ("two\r\nlines\n",)
    assert operator.op_kwargs == {"more": ["mac\rline", "2026-03-04\n"]}


def test_expand_partial_and_override_work() -> None:
    @canfar_task(image=IMAGE, replicas=2)
    def measure(frame: str, threshold: float) -> float:
        return threshold

    with DAG("survey") as dag:
        measure.override(task_id="twenty", replicas=20)("m13.fits", threshold=5.0)
        measure.partial(threshold=5.0).expand(frame=["m13.fits", "m92.fits"])
    twenty: Any = dag.get_task("twenty")
    assert (twenty.image, twenty.replicas) == (IMAGE, 20)
    mapped: Any = dag.get_task("measure")
    one = mapped.unmap({"op_kwargs": {"frame": "m92.fits"}})
    assert one.op_kwargs == {"frame": "m92.fits", "threshold": 5.0}
    assert (one.replicas, one.returns_list, one.multiple_outputs) == (2, True, False)


def test_default_args_may_set_the_image() -> None:
    @canfar_task
    def measure() -> int:
        return 1

    with DAG("survey", default_args={"image": IMAGE, "ram": 16, "replicas": 3}):
        operator = operator_of(measure())
    assert (operator.image, operator.ram, operator.replicas, operator.returns_list) == (IMAGE, 16, 3, True)


def test_a_dict_from_a_single_session_gives_multiple_outputs() -> None:
    @canfar_task(image=IMAGE)
    def measure() -> dict[str, float]:
        return {}

    with DAG("survey"):
        operator = operator_of(measure())
    assert operator.multiple_outputs is True


def test_a_dry_run_logs_the_command(platform: Emulator) -> None:
    def measure(frame: str) -> str:
        return frame

    with shown() as lines:
        task(measure, "m13.fits").operator.dry_run()
    assert "Replica 1: cmd=/bin/sh" in lines
    assert not platform.requests()
