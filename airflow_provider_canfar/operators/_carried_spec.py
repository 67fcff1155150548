"""What a try runs, as its first phase has rendered it, for the phases that launch its other replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.hooks.canfar import CanfarHook
    from airflow_provider_canfar.skaha.spec import SessionSpec


def seal_spec(hook: CanfarHook, spec: SessionSpec) -> str | None:
    """Return a spec in a form that a database may hold; None where the connection has no secret."""
    from airflow_provider_canfar.hooks._seal import seal, secret_of

    secret = secret_of(hook.settings)
    return None if secret is None else seal(secret, spec.model_dump_json())


def open_spec(hook: CanfarHook, sealed: str, emit: Callable[[str], None]) -> SessionSpec | None:
    """Return the spec that an earlier phase has sealed; None where it cannot be opened."""
    from airflow_provider_canfar.hooks._seal import secret_of, unseal
    from airflow_provider_canfar.skaha.spec import SessionSpec

    secret = secret_of(hook.settings)
    text = None if secret is None else unseal(secret, sealed)
    if text is None:
        emit("Rendering the templates again: the connection's secret has changed since this try began.")
        return None
    return SessionSpec.model_validate_json(text)
