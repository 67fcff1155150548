"""The platform's description of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller


def test_the_context_is_that_of_a_server_that_reads_it_from_a_file(shared_caller: Caller) -> None:
    context = shared_caller.http.get("/context").json()
    assert context["maxInteractiveSessions"] == "5"
    assert context["cores"]["options"] == [*range(1, 17)]
    assert max(context["memoryGB"]["options"]) == 192
    assert context["gpus"]["options"][0] == 1


def test_images_are_listed_by_kind(shared_caller: Caller) -> None:
    listed = shared_caller.http.get("/image").json()
    assert all([*image] == ["id", "types", "digest"] for image in listed)
    of_a_kind = shared_caller.http.get("/image", params={"type": "carta"}).json()
    assert of_a_kind == [image for image in listed if "carta" in image["types"]]
    assert shared_caller.http.get("/repository").json() == ["images.canfar.net"]


def test_capabilities_and_availability_need_no_credential(shared_caller: Caller) -> None:
    root = shared_caller.emulator.url.removesuffix("/v1")
    capabilities = httpx.get(f"{root}/capabilities", trust_env=False).text
    assert f'<accessURL use="base">{root}/v1/session</accessURL>' in capabilities
    assert "http://www.opencadc.org/std/platform#session-1" in capabilities
    assert "<vosi:available>true</vosi:available>" in httpx.get(f"{root}/availability", trust_env=False).text
