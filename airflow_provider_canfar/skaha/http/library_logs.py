"""What httpx and httpcore write to their logs, without what a server may have made of a secret.

At INFO, httpx logs the reason of each response, and at DEBUG httpcore logs its headers: those of a login
hold the token, and any of them may repeat the request. An error of theirs may quote what is not HTTP.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus

# The headers whose values are no one's secret.
_PLAIN = "connection|content-length|content-type|content-encoding|date|retry-after|server|transfer-encoding"

_HEADER = re.compile(
    rf"(?i)\(b(?!'(?:{_PLAIN})',)('[^']*'|\"[^\"]*\"), b(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\)"
)
_REASON = re.compile(
    r"(return_value=\(b'HTTP/[0-9.]+', [0-9]{3}), b(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
)
_FAILURE = re.compile(r"(?s)( exception=\w+\().*")


def mask() -> None:
    """Let these loggers leave out what may be secret. A second call changes nothing."""
    for name in ("connection", "http11", "http2", "proxy", "socks"):
        logging.getLogger(f"httpcore.{name}").addFilter(_mask_httpcore)
    logging.getLogger("httpx").addFilter(_mask_reason)


def _mask_httpcore(record: logging.LogRecord) -> bool:
    if isinstance(record.msg, str):
        message = _REASON.sub(r"\1, b'***'", _HEADER.sub(r"(b\1, b'***')", record.msg))
        record.msg = _FAILURE.sub(r"\1...)", message)
    return True


def _mask_reason(record: logging.LogRecord) -> bool:
    # 'HTTP Request: %s %s "%s %d %s"': the last is the reason.
    if isinstance(record.args, tuple) and len(record.args) == 5 and isinstance(record.args[3], int):
        status = record.args[3]
        phrases = {one.value: one.phrase for one in HTTPStatus}
        record.args = (*record.args[:4], phrases.get(status, ""))
    return True
