"""What Airflow stores of a trigger, and what a triggerer makes of the stored arguments."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from airflow.serialization.serialized_objects import BaseSerialization

from airflow_provider_canfar.account_sessions.condition import ConditionWatch, SessionCondition
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.skaha.selection import Selection
from airflow_provider_canfar.task_sessions.interactive_wait import InteractiveWaitSpec
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec
from airflow_provider_canfar.triggers.asset import CanfarSessionEventTrigger
from airflow_provider_canfar.triggers.sensors import CanfarResourceSensorTrigger, CanfarSessionSensorTrigger
from airflow_provider_canfar.triggers.session import CanfarSessionTrigger
from tests.airflow_versions import deserialize, serialize
from tests.on_emulator import stored

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

TASK = TaskInstanceId("survey", "manual__2026", "stars", 3).to_json()
SESSIONS = {"k3v9x2qa": "stars-k3v5x2qamd-0-1-1"}
CONDITION = SessionCondition(
    Selection(prefix="survey-", kinds=("headless",)), ("Completed", "Gone"), 3, ("Failed",)
)

TRIGGERS: list[BaseTrigger] = [
    CanfarSessionTrigger(
        canfar_conn_id="canfar_test",
        wait_spec=WaitSpec("k3v5x2qamd", SESSIONS, deadline=1.8e9, start_by={"k3v9x2qa": 1.8e9}).to_json(),
        poll_interval=7.0,
        task_instance=TASK,
        destroy_on_kill=False,
    ),
    CanfarSessionTrigger(
        canfar_conn_id="canfar_test",
        wait_spec=InteractiveWaitSpec("k3v5x2qamd", SESSIONS, fewer_than=3, keep_until=1.8e9).to_json(),
        task_instance=TASK,
    ),
    CanfarSessionSensorTrigger(
        canfar_conn_id="canfar_test",
        condition=CONDITION.to_json(),
        state=ConditionWatch(CONDITION).to_json(),
        deadline=1.8e9,
    ),
    CanfarResourceSensorTrigger(condition={"cores": 8.0, "ram": 0.0}, poll_interval=60.0),
    CanfarSessionEventTrigger(
        regex="^survey", kind=("headless", "notebook"), status=("Completed",), when_all_ended=True
    ),
]

IDS = ["session", "interactive", "session sensor", "resource sensor", "asset"]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=IDS)
def test_a_trigger_survives_being_stored(trigger: BaseTrigger) -> None:
    """From Airflow 3.2 on, the arguments go through airflow.sdk.serde and JSON."""
    assert stored(trigger).serialize() == trigger.serialize()


@pytest.mark.parametrize("trigger", TRIGGERS, ids=IDS)
def test_a_trigger_survives_being_stored_by_airflow_3_1(trigger: BaseTrigger) -> None:
    _, kwargs = trigger.serialize()
    assert BaseSerialization.deserialize(BaseSerialization.serialize(kwargs)) == kwargs


@pytest.mark.parametrize("trigger", TRIGGERS, ids=IDS)
def test_the_stored_arguments_are_plain_json(trigger: BaseTrigger) -> None:
    """So reading them needs no class that Airflow must find, and be allowed to load."""
    _, kwargs = trigger.serialize()
    assert serialize(kwargs) == kwargs
    assert json.loads(json.dumps(kwargs)) == deserialize(serialize(kwargs))


@pytest.mark.parametrize("kwargs", [{}, {"added_later": 1, "and": {"more": [2]}}])
@pytest.mark.parametrize("trigger", TRIGGERS, ids=IDS)
def test_a_trigger_takes_the_arguments_of_another_release(
    trigger: BaseTrigger, kwargs: dict[str, Any]
) -> None:
    """A row outlives an upgrade, and a trigger whose __init__ raises takes the triggerer down."""
    assert type(trigger)(**kwargs).serialize()


@pytest.mark.parametrize(
    ("trigger_class", "arguments"),
    [
        (
            CanfarSessionTrigger,
            {
                "canfar_conn_id": "canfar_test",
                "wait_spec": {"key": "k3v5x2qamd"},
                "poll_interval": 7.0,
                "task_instance": TASK,
                "destroy_on_success": False,
                "destroy_on_kill": False,
            },
        ),
        (
            CanfarSessionSensorTrigger,
            {
                "canfar_conn_id": "canfar_test",
                "condition": {"at_least": 2},
                "state": {"reached": ["k3v9x2qa"]},
                "deadline": 1.8e9,
                "deadline_from": "execution_timeout",
                "poll_interval": 7.0,
            },
        ),
        (
            CanfarSessionEventTrigger,
            {
                "prefix": "survey-",
                "regex": None,
                "ids": None,
                "kind": ["headless"],
                "status": "Failed",
                "when_all_ended": True,
                "canfar_conn_id": "canfar_test",
                "poll_interval": 7.0,
            },
        ),
    ],
)
def test_every_argument_is_stored(trigger_class: type[BaseTrigger], arguments: dict[str, Any]) -> None:
    assert trigger_class(**arguments).serialize()[1] == arguments


def test_the_argument_task_instance_is_not_the_attribute_that_airflow_sets() -> None:
    trigger = CanfarSessionTrigger(task_instance=TASK)
    trigger.task_instance = cast("Any", SimpleNamespace(task_id="stars"))
    assert trigger.serialize()[1]["task_instance"] == TASK


def test_what_to_wait_for_survives_json() -> None:
    wait_spec = InteractiveWaitSpec(
        "k3v5x2qamd", SESSIONS, retry_at=1.8e9, fewer_than=3, url_must_answer=True
    )
    assert InteractiveWaitSpec.from_json(wait_spec.to_json() | {"added_later": 1}) == wait_spec
    assert SessionCondition.from_json(CONDITION.to_json()) == CONDITION
