"""The emulator's own admin API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller


def test_the_admin_api_needs_the_emulator_s_token(shared_caller: Caller) -> None:
    for path in ("sessions", "requests", "faults", "config"):
        url = shared_caller.emulator.url.replace("/skaha/v1", f"/emulator/{path}")
        assert httpx.get(url, headers={"Authorization": "Bearer no"}, trust_env=False).status_code == 401


def test_the_configuration_is_changed_in_part(caller: Caller) -> None:
    url = caller.emulator.url.replace("/skaha/v1", "/emulator/config")
    before = caller.http.get(url).json()
    caller.emulator.configure(retention=20, status_words="pod_phases", strict_images=True)
    after = caller.http.get(url).json()
    assert after == before | {"retention": 20, "status_words": "pod_phases", "strict_images": True}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"strict_images": 1}, "Option 'strict_images' must be true or false, not 1."),
        ({"retention": True}, "Option 'retention' must be a number of 0 or more, not True."),
        (
            {"status_words": "klingon"},
            (
                "Option 'status_words' must be one of current, documented, pod_phases, job_conditions, "
                "not 'klingon'."
            ),
        ),
    ],
)
def test_an_option_has_a_type_or_choices(shared_caller: Caller, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        shared_caller.emulator.configure(**changes)
