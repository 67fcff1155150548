"""``@task.canfar_cmd`` on the emulator: a function returns a command, and sessions run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.decorators import canfar_cmd_task
from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from tests.decorators.tasks import defer_again, task_of
from tests.on_emulator import event_of

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator
    from tests.fake_task import FakeTask

pytestmark = pytest.mark.usefixtures("inside_a_worker")


def cmd_task(function: Callable[..., Any], *args: Any, **settings: Any) -> FakeTask:
    return task_of(canfar_cmd_task, function, *args, **settings)


def test_the_returned_command_runs_unchanged(platform: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "written"

    def write(path: str) -> list[str]:
        return ["sh", "-c", f'printf "%s" "$1" > "{path}.$REPLICA_ID"', "sh", "a 'b' {{ ds }}\n"]

    stars = cmd_task(write, str(path), replicas=2)
    outcomes = stars.run()
    assert [outcome["succeeded"] for outcome in outcomes] == [True, True]
    assert Path(f"{path}.2").read_text() == "a 'b' {{ ds }}\n"
    assert stars.ti.xcoms["command"][0] == "sh"


def test_the_function_runs_once_per_try(platform: Emulator, quick_triggers: None, tmp_path: Path) -> None:
    calls = []

    def write() -> list[str]:
        calls.append(1)
        return ["sh", "-c", f"sleep 0.5; echo {len(calls)} >> {tmp_path}/calls"]

    stars = cmd_task(write, replicas=2, max_active_replicas=1, deferrable=True)
    second = defer_again(stars, stars.defer())
    stars.resume(second, event_of(second.trigger))
    assert len(calls) == 1
    assert (tmp_path / "calls").read_text() == "1\n1\n"


@pytest.mark.parametrize("returned", ["true", ["sleep", 3], None])
def test_anything_but_a_list_of_strings_is_rejected_before_any_request(
    platform: Emulator, returned: Any
) -> None:
    def write() -> Any:
        return returned

    with pytest.raises(AirflowFailException, match=r"which is not a command\. Return a list of strings"):
        cmd_task(write).run()
    assert not platform.requests()


def test_the_function_gets_its_arguments_and_the_context(platform: Emulator) -> None:
    def write(*words: str, ds: str | None = None) -> list[str]:
        return ["echo", *words, str(ds)]

    stars = cmd_task(write, "one", "two")
    context = stars.context
    context["ds"] = "2026-03-04"
    stars.make().execute(context)
    assert stars.ti.xcoms["command"] == ["echo", "one", "two", "2026-03-04"]
