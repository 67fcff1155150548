"""What an unsuccessful response of the storage means. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import NotFound
from airflow_provider_canfar.skaha.http.response import error_from, first_line, summary

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.errors import RequestError
    from airflow_provider_canfar.skaha.http.response import ApiResponse

# How the server begins a 404 (NodeFault, ResourceNotFoundException): a proxy without its service says others.
_MISSING = re.compile(r"(?i)(NodeNotFound|ContainerNotFound|not found):")


def storage_error(response: ApiResponse) -> RequestError:
    """Return the error that an unsuccessful response means.

    A response to HEAD has no message, so the caller confirms its 404 by another request.
    """
    if response.status == 404 and not response.is_html:
        quote = first_line(response)
        if _MISSING.match(quote) or response.method == "HEAD":
            return NotFound(
                summary(response.method, response.path, response.status, quote),
                method=response.method,
                path=response.path,
                status=404,
                server_message=quote,
            )
    return error_from(response)
