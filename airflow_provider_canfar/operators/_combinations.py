"""Arguments that exclude each other, and those that need another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_canfar.operators._argument_parsers import is_rendered_later, shortened
from airflow_provider_canfar.skaha.errors import SpecError


def check_together(given: Mapping[str, Any], *, is_partial: bool = False) -> None:
    """Check how an operator's arguments go together; what is rendered later passes.

    :param given: name -> value; literals when the DAG file is parsed, and what they mean in the task.
    :param is_partial: whether ``expand``, ``override`` or ``default_args`` may give others.
    :raises SpecError: naming the arguments.
    """
    action = given.get("on_finish_action", "keep")
    if given.get("wait_for_completion") is False and action != "keep" and not is_rendered_later(action):
        raise SpecError(
            f"Invalid on_finish_action {action!r} with wait_for_completion=False: the task does not see its "
            "sessions end. Leave one of them out; CanfarCleanupOperator destroys sessions later."
        )
    prefix = given.get("account_sessions_prefix")
    limits = ("max_account_sessions", "max_pending_account_sessions")
    if prefix is not None and not is_partial and all(given.get(name) is None for name in limits):
        raise SpecError(
            f"Invalid account_sessions_prefix {shortened(prefix)}: it says which sessions count. Give "
            f"{' or '.join(limits)}, too, or leave it out."
        )
