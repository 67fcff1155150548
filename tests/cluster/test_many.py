"""Two hundred tasks wait at once, on two triggerers, and the platform is away when their sessions end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.reliability import test_many as many

if TYPE_CHECKING:
    from tests.reliability.scenario import Scenario


@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("cluster")
def test_200_tasks_wait_through_an_outage(scenario: Scenario) -> None:
    run = many.start_waiting(scenario)
    many.interrupt_platform(scenario)
    many.end_sessions_during_outage(scenario)
    assert run.count("deferred") == many.TASKS
    scenario.platform.clear_faults()
    many.wait_until_ended(scenario, run)
    many.check_results(scenario, run)
