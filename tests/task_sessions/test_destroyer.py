"""Destroying a task's sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from airflow_provider_canfar.task_sessions.destroyer import Destroyer
from tests.fake_platform import FakePlatform

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.client import SkahaClient


async def test_a_session_that_is_destroyed_twice_is_logged_once() -> None:
    platform, told = FakePlatform(), list[str]()
    names = {row.session_id: row.name for row in (platform.add("stars-1"), platform.add("stars-2"))}
    one, two = names
    destroyer, client = Destroyer(told.append), cast("SkahaClient", platform)
    assert await destroyer.destroy(client, {one: names[one]}) == []
    assert await destroyer.destroy(client, names) == []
    assert await destroyer.destroy(client, names) == []
    assert told == [f"Destroyed session {one} (stars-1).", f"Destroyed session {two} (stars-2)."]
    assert destroyer.destroyed == {one, two}


async def test_nothing_is_asked_of_the_platform_where_there_is_nothing_to_destroy() -> None:
    platform = FakePlatform()
    assert await Destroyer(lambda line: None).destroy(cast("SkahaClient", platform), {}) == []
    assert platform.called("destroy") == []
