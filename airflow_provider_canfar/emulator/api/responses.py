"""The shapes of the server's answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_canfar.emulator.api.http_errors import HttpError


def as_json(value: Any) -> Response:
    """Answer with JSON as the server's Gson writes it: indented by two, and nothing escaped for HTML."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return Response(text, headers={"Content-Type": "application/json"})


def plain(body: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with text, whose encoding the server does not tell."""
    return Response(body, status, headers={"Content-Type": "text/plain", **(headers or {})})


def xml(body: str) -> Response:
    """Answer with XML."""
    return Response(body, headers={"Content-Type": "text/xml"})


def refused(refusal: HttpError) -> Response:
    """Answer with a refusal as *RestAction.run* does: its sentence and a line feed."""
    return plain(f"{refusal.sentence}\n", refusal.status, refusal.headers)
