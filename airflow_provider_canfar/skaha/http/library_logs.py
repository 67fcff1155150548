"""What httpx and httpcore write to their logs, without what a server may have made of a secret.

At INFO, httpx logs the URL of each request, which may hold what opens a session's page, a token of the
storage, or one that a connection has in the wrong place; and the reason of each response. At DEBUG, httpcore
logs its headers: those of a login hold the token, and any of them may repeat the request. An error of theirs
may quote what is not HTTP.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from urllib.parse import parse_qsl

from airflow_provider_canfar.skaha.http.urls import shown, without_secrets

# The parameters of a URL that open a session's page (SessionURLBuilder).
_PAGE_KEYS = frozenset({"token", "password"})

# The services whose URLs may have a secret in their paths, as a message shows them.
_SHOWN: dict[str, str] = {}

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
    logging.getLogger("httpx").addFilter(_mask_httpx)


def hide_path(url: str) -> None:
    """Let httpx's logger show the URL of a service as messages do."""
    if shown(url) != url:
        _SHOWN[url] = shown(url)


def _mask_httpcore(record: logging.LogRecord) -> bool:
    if isinstance(record.msg, str):
        message = _REASON.sub(r"\1, b'***'", _HEADER.sub(r"(b\1, b'***')", record.msg))
        record.msg = _FAILURE.sub(r"\1...)", message)
    return True


def _mask_httpx(record: logging.LogRecord) -> bool:
    # 'HTTP Request: %s %s "%s %d %s"': the last is the reason.
    if isinstance(record.args, tuple) and len(record.args) == 5 and isinstance(record.args[3], int):
        method, url, version, status, _ = record.args
        phrases: dict[object, str] = {one.value: one.phrase for one in HTTPStatus}
        record.args = (method, _shown(str(url)), version, status, phrases.get(status, ""))
    return True


def _shown(url: str) -> str:
    for service, its_url in list(_SHOWN.items()):
        if url.startswith(service):
            url = its_url + url.removeprefix(service)
    address, mark, query = url.partition("?")
    opens_page = not _PAGE_KEYS.isdisjoint(name for name, _ in parse_qsl(query, keep_blank_values=True))
    return without_secrets(address) + ("" if opens_page else mark + query)
