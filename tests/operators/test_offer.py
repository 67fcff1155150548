"""Cores, RAM and GPUs that the platform does not offer, through the operator on the emulator."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_canfar.hooks._airflow_compat import AirflowFailException
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from tests.fake_task import FakeTask
from tests.on_emulator import IMAGE

if TYPE_CHECKING:
    from airflow_provider_canfar.testing import Emulator


def stars(**settings: Any) -> FakeTask:
    standard: dict[str, Any] = {"task_id": "stars", "image": IMAGE, "command": ["true"], "poll_interval": 0.2}
    return FakeTask(partial(CanfarHeadlessOperator, deferrable=False, **(standard | settings)))


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"ram": 3}, "Invalid ram 3: must be one of 1, 2, 4, 6,"),
        ({"cores": 17, "ram": 4}, "Invalid cores 17: must be from 1 to 16 on this platform."),
        ({"gpus": 29}, "Invalid gpus 29: must be from 1 to 28 on this platform."),
    ],
)
def test_an_amount_that_the_platform_does_not_offer_is_rejected_with_what_there_is(
    platform: Emulator, fields: dict[str, float], rule: str
) -> None:
    for _ in range(2):
        with pytest.raises(AirflowFailException, match=rule):
            stars(replicas=3, **fields).run()
    assert platform.all_sessions() == []
    assert platform.requests()["GET /context"] == 1
    assert "POST /session" not in platform.requests()


def test_a_launch_goes_on_where_the_platform_does_not_say_what_it_offers(platform: Emulator) -> None:
    platform.faults(server_error={"path": "/context$"})
    with pytest.raises(AirflowFailException, match=r"Invalid value for 'ram': 3\.?$"):
        stars(ram=3).run()
    (outcome,) = stars(ram=4, cores=2).run()
    assert outcome["succeeded"]
    assert platform.requests()["GET /context"] == 1
