"""What a failed task shows: lines of the message first, then a short exception."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException, AirflowSensorTimeout
from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.operators._errors import LINE_LENGTH, SENTENCE_LENGTH, airflow_errors, log_lines
from airflow_provider_canfar.operators.cleanup import CanfarCleanupOperator
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.sensors.resources import CanfarResourceSensor
from airflow_provider_canfar.sensors.session import CanfarSessionSensor
from airflow_provider_canfar.skaha.errors import SessionFailed, SpecError
from tests.fake_task import FakeTask
from tests.on_emulator import event_of
from tests.tracebacks import calls_of_ours

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator

IMAGE = "images.canfar.net/skaha/astroml:24.07"

MESSAGE = f"""1 of 3 replicas failed.
Replica 2, session k3v9x2qa (stars): Failed. {"It said so. " * 20}
  File "fit.py", line 7
    https://www.canfar.net/{"a" * 150}
Clear the task to run it again."""


class Log:
    """Collects lines, as Airflow's logger does."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, line: str, *args: Any) -> None:
        self.lines.append(line % args)


def failed(error: Exception) -> tuple[Exception, list[str]]:
    """Return what ends a task, and the lines that its log shows before."""
    log = Log()
    try:
        with airflow_errors(log), airflow_errors(log):
            raise error
    except type(error) as raised:
        return raised, log.lines
    except AirflowFailException as raised:
        return raised, log.lines


def test_the_message_is_logged_in_lines_that_the_page_shows_whole() -> None:
    lines = failed(SessionFailed(MESSAGE))[1]
    assert [len(line) for line in lines if len(line) > LINE_LENGTH] == [173]  # A URL stays in one piece.
    assert " ".join(" ".join(lines).split()) == " ".join(MESSAGE.split())
    assert lines[0] == "1 of 3 replicas failed."
    assert '  File "fit.py", line 7' in lines
    assert lines[-1] == "Clear the task to run it again."


@pytest.mark.parametrize("message", ["", "One line.", "Two\n\nlines, one empty."])
def test_no_line_is_lost(message: str) -> None:
    assert "\n".join(log_lines(message)) == message


def test_the_exception_is_short_and_says_nothing_twice() -> None:
    raised, _ = failed(SessionFailed(MESSAGE, session_id="k3v9x2qa", replica=2))
    assert str(raised) == "1 of 3 replicas failed."
    assert isinstance(raised, SessionFailed)
    assert (raised.session_id, raised.replica) == ("k3v9x2qa", 2)
    shown = "".join(traceback.format_exception(raised))
    assert shown.count("Traceback (most recent call last)") == 1


def test_callbacks_find_the_whole_message_and_the_error() -> None:
    error = SpecError("Invalid ram -1: must be a number, more than 0. Leave it out.")
    raised, _ = failed(error)
    assert isinstance(raised, AirflowFailException)
    assert str(raised) == "SpecError: Invalid ram -1: must be a number, more than 0."
    assert raised.__notes__ == [str(error)]
    assert raised.__cause__ is None
    assert raised.__context__ is error


def test_errors_of_others_pass_through() -> None:
    error = KeyError("theirs")
    assert failed(error) == (error, [])


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (
            lambda: CanfarHeadlessOperator(task_id="a", image=IMAGE, command=["true"], replicas="{{ 'x' }}"),
            "replicas",
        ),
        (lambda: CanfarSessionSensor(task_id="a", prefix="{{ '' }}"), "prefix"),
    ],
)
def test_a_refused_value_shows_no_call_of_ours(make: Callable[[], Any], named: str) -> None:
    task = FakeTask(make)
    task.operator.render_template_fields(task.context)
    with capture_logs() as entries, pytest.raises(AirflowFailException) as failure:
        task.operator.execute(task.context)
    shown = [str(entry["event"]) % entry.get("positional_args", ()) for entry in entries]
    assert [line for line in shown if line.startswith(f"Invalid {named}")]
    assert calls_of_ours(failure.value) == []


def test_a_failure_after_a_wait_shows_no_call_of_ours(
    platform: Emulator, quick_triggers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only inside a worker does Airflow answer how a task stands.
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    task = FakeTask(lambda: CanfarHeadlessOperator(task_id="a", image=IMAGE, command=["false"]))
    deferred = task.defer()
    with pytest.raises(SessionFailed) as failure:
        task.resume(deferred, event_of(deferred.trigger))
    assert calls_of_ours(failure.value) == []


@pytest.mark.parametrize("argument", ["image", "command", "env", "replicas", "args"])
def test_a_template_that_cannot_be_rendered_names_its_argument_below_what_airflow_folds(
    argument: str,
) -> None:
    given: dict[str, Any] = {
        "image": "{{ parms.tag }}",
        "command": ["echo", "{{ parms.tag }}"],
        "env": {"TAG": "{{ parms.tag }}"},
        "replicas": "{{ parms.tag }}",
        "args": "--tag {{ parms.tag }} --verbose",
    }
    run = {} if argument == "args" else {"command": ["true"]}
    operator: Any = CanfarHeadlessOperator(task_id="a", **{"image": IMAGE, **run, argument: given[argument]})
    with capture_logs() as entries, pytest.raises(AirflowFailException) as failure:
        operator.render_template_fields({"params": {}})
    shown = [_shown(entry) for entry in entries]
    message = (
        f"Invalid {argument}: its template cannot be rendered: 'parms' is undefined. Correct the template, "
        "or write {% raw %}...{% endraw %} around text that is none."
    )
    assert shown[-3:-2] == ["::endgroup::"]
    assert " ".join(shown[-2:]) == message
    assert failure.value.__suppress_context__


def _shown(entry: Any) -> str:
    words = entry.get("positional_args", ())
    return str(entry["event"]) % words if words else str(entry["event"])


WRONG = "{{ parms.tag }}"


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (CanfarSessionSensor, "prefix", WRONG),
        (CanfarCleanupOperator, "regex", WRONG),
        (CanfarResourceSensor, "cores", WRONG),
        (partial(CanfarHeadlessOperator, image=IMAGE), "command", ["echo", WRONG]),
    ],
)
def test_a_template_that_cannot_be_rendered_fails_every_task_at_once(
    make: Callable[..., Any], name: str, value: Any
) -> None:
    """Of a mapped task, Airflow renders one argument after the other."""
    single = make(task_id="a", **{name: value})
    mapped = make(task_id="a", **{name: value})
    mapped._BaseOperator__from_mapped = True
    renders: list[Callable[[], Any]] = [
        partial(single.render_template_fields, {"params": {}}),
        partial(mapped.render_template, getattr(mapped, name), {"params": {}}),
    ]
    for render in renders:
        refused = pytest.raises(AirflowFailException, match=f"Invalid {name}")
        with capture_logs() as entries, refused as failure:
            render()
        assert "::endgroup::" in [entry["event"] for entry in entries]
        assert calls_of_ours(failure.value) == []


def test_what_a_sensor_found_is_explained_first_too() -> None:
    ids = ", ".join(["k3v9x2qa"] * 20)
    message = f"Timed out after 60 s waiting for all of the sessions {ids}; now: 20 Running."
    error, lines = failed(explained(AirflowSensorTimeout(message)))
    assert isinstance(error, AirflowSensorTimeout)
    assert " ".join(lines) == message
    assert len(str(error)) <= SENTENCE_LENGTH
    assert error.__notes__ == [message]


def test_what_airflow_raises_itself_is_left_to_airflow() -> None:
    error, lines = failed(AirflowSensorTimeout("Sensor has timed out"))
    assert (str(error), lines) == ("Sensor has timed out", [])
