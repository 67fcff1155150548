"""The formats of the server's responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_canfar.emulator.api.http_errors import HttpError


def json_response(value: Any) -> Response:
    """Respond with JSON as the server's Gson writes it: indented by two, and without HTML escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return Response(text, headers={"Content-Type": "application/json"})


def text_response(body: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Respond with text; the server does not declare its encoding."""
    return Response(body, status, headers={"Content-Type": "text/plain", **(headers or {})})


def xml_response(body: str) -> Response:
    """Respond with XML."""
    return Response(body, headers={"Content-Type": "text/xml"})


def error_response(error: HttpError) -> Response:
    """Respond with an error as *RestAction.run* does: its sentence and a line feed."""
    return text_response(f"{error.sentence}\n", error.status, error.headers)
