"""``Retry-After``, in both of its forms."""

from __future__ import annotations

import math
from email.utils import formatdate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.emulator.faults.request_faults import RetryLater


def retry_after_headers(fault: RetryLater, now: float) -> dict[str, str]:
    """Return the header, or none.

    :param now: seconds since 1970.
    """
    if fault.retry_after is None:
        return {}
    if fault.retry_after_form == "date":
        return {"Retry-After": formatdate(math.ceil(now + fault.retry_after), usegmt=True)}
    return {"Retry-After": f"{fault.retry_after:g}"}
