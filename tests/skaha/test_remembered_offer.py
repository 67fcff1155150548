"""What a platform offers: asked once an hour for all clients of an account, before they launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airflow_provider_canfar.skaha.client import SkahaClient
from airflow_provider_canfar.skaha.credentials import Token
from airflow_provider_canfar.skaha.errors import Rejected, SpecError
from airflow_provider_canfar.skaha.models import ResourceOptions
from airflow_provider_canfar.skaha.remembered_offer import (
    ASK_AGAIN_AFTER,
    ASK_EVERY,
    FRESH_FOR,
    RememberedOffer,
)
from tests.skaha.conftest import URL, Platform

OFFER = httpx.Response(200, json={"cores": {"options": [1, 2]}, "memoryGB": {"options": [1, 2, 4]}})
CREATED = httpx.Response(200, text="k3v9x2qa\n")
SPEC: dict[str, Any] = {"name": "stars", "image": "skaha/astroml:24.07"}

NewClient = Callable[[], SkahaClient]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="platform")
def _platform() -> Platform:
    platform = Platform()
    platform.on("GET", "context", OFFER)
    platform.on("POST", "session", CREATED)
    return platform


@pytest.fixture(name="new_client")
def _new_client(platform: Platform, clock: Clock) -> NewClient:
    """Make clients of one account."""
    offer = RememberedOffer(clock)
    return lambda: SkahaClient(URL, Token("a-token"), offer=offer, transport=platform.transport)


async def create(new_client: NewClient, **fields: Any) -> None:
    async with new_client() as client:
        await client.create(**SPEC, **fields)


async def test_an_amount_that_is_not_offered_is_rejected_before_any_create(
    platform: Platform, new_client: NewClient
) -> None:
    for _ in range(3):
        with pytest.raises(SpecError, match=r"^Invalid ram 3: must be one of 1, 2, 4 on this platform"):
            await create(new_client, ram=3)
    assert len(platform.received("GET", "context")) == 1
    assert platform.received("POST", "session") == []


@pytest.mark.parametrize("fields", [{"ram": 4}, {"ram": 4.5}, {"cores": 2.7, "ram": 1}, {"gpus": 1}])
async def test_what_the_server_takes_is_launched(
    platform: Platform, new_client: NewClient, fields: dict[str, float]
) -> None:
    """It compares the integer part (PostAction.getCoresParam); and this one does not say what GPUs it has."""
    await create(new_client, **fields)
    assert len(platform.received("POST", "session")) == 1


async def test_without_amounts_nothing_is_asked(platform: Platform, new_client: NewClient) -> None:
    await create(new_client)
    assert platform.received("GET", "context") == []


async def test_the_platform_is_asked_once_an_hour(
    platform: Platform, new_client: NewClient, clock: Clock
) -> None:
    for now in (0.0, FRESH_FOR, ASK_EVERY - 1, ASK_EVERY, ASK_EVERY + 1):
        clock.now = now
        await create(new_client, ram=4)
    assert len(platform.received("GET", "context")) == 2


async def test_an_answer_that_may_be_outdated_rejects_nothing_by_itself_and_explains_a_refusal(
    platform: Platform, new_client: NewClient, clock: Clock
) -> None:
    await create(new_client, ram=4)
    clock.now = FRESH_FOR
    await create(new_client, ram=3)
    platform.on("POST", "session", httpx.Response(400, text="Invalid value for 'ram': 3"))
    with pytest.raises(Rejected, match=r"Invalid value for 'ram': 3\. Invalid ram 3: must be one of 1, 2, 4"):
        await create(new_client, ram=3)
    assert len(platform.received("GET", "context")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        httpx.Response(503, headers={"Retry-After": "600"}),
        httpx.Response(403, text="not for you"),
        httpx.Response(200, text="<html>"),
        httpx.ConnectError("refused"),
    ],
    ids=["503", "403", "not JSON", "refused"],
)
async def test_a_launch_goes_on_where_the_platform_does_not_say_what_it_offers(
    platform: Platform, new_client: NewClient, clock: Clock, fault: httpx.Response | Exception
) -> None:
    platform.on("GET", "context", fault)
    for now in (0.0, ASK_AGAIN_AFTER - 1):
        clock.now = now
        await create(new_client, ram=3)
    assert len(platform.received("GET", "context")) == 1
    platform.on("GET", "context", OFFER)
    clock.now = ASK_AGAIN_AFTER
    with pytest.raises(SpecError):
        await create(new_client, ram=3)


def test_nothing_is_known_before_the_platform_is_asked(clock: Clock) -> None:
    offer = RememberedOffer(clock)
    assert (offer.is_due, offer.recall()) == (True, None)
    offer.remember(ResourceOptions())
    assert (offer.is_due, offer.recall()) == (False, ResourceOptions())
