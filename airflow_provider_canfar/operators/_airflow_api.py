"""Airflow's API server, as a worker sees it: whether it is there, and how a short silence is waited out.

A worker's calls to Airflow go through its supervisor, which repeats each for some 30 seconds ([workers]
execution_api_retries). A restart of the API server takes longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from airflow_provider_canfar.skaha.log_line import WarningLine

T = TypeVar("T")

#: Seconds for which a call to Airflow is repeated, from its first failure on.
SILENCE_WAITED_OUT = 60.0

#: Seconds between two calls.
RETRY_PAUSE = 2.0

#: Seconds within which an API server that is there answers: Airflow grants a kill five in all.
PROBE_TIMEOUT = 1.0


def is_silence(error: BaseException) -> bool:
    """Whether a call failed because Airflow's API server did not answer, or failed itself.

    The supervisor reports both as API_SERVER_ERROR; where there was an answer, with its status.
    """
    response = getattr(error, "error", None)
    if getattr(getattr(response, "error", None), "value", None) != "API_SERVER_ERROR":
        return False
    status = (getattr(response, "detail", None) or {}).get("status_code")
    return status is None or int(status) >= HTTPStatus.INTERNAL_SERVER_ERROR


def hides_silence(error: BaseException) -> bool:
    """Whether reading a connection that exists failed because the API server did not answer.

    The Task SDK then goes on to the next secrets backend, and at last says that there is no such connection.
    """
    return is_silence(error) or type(error).__name__ == "AirflowNotFoundException"


def wait_out_silence(
    call: Callable[[], T],
    *,
    emit: Callable[[str], None],
    is_silent: Callable[[BaseException], bool] = is_silence,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Any] = time.sleep,
) -> T:
    """Call Airflow, and again for up to a minute while its API server does not answer.

    :param call: what to call; it may be called several times.
    :param is_silent: which errors to wait out.
    :param is_stopped: whether the task is being killed, and has no time to wait.
    :raises Exception: the last error of the call.
    """
    silent_since: float | None = None
    while True:
        try:
            result = call()
        except Exception as error:
            now = clock()
            if silent_since is None:
                silent_since = now
            if not is_silent(error) or is_stopped() or now - silent_since >= SILENCE_WAITED_OUT:
                raise
            emit(
                WarningLine(
                    "Airflow's API server is not responding; trying again for up to "
                    f"{SILENCE_WAITED_OUT:.0f} s."
                )
            )
            sleep(RETRY_PAUSE)
        else:
            if silent_since is not None:
                emit(f"Airflow's API server responds again, after {clock() - silent_since:.0f} s.")
            return result


def api_server_answers(timeout: float = PROBE_TIMEOUT) -> bool:
    """Whether Airflow's API server answers requests that need no login, and says that its database is there.

    Without its database it answers every call of a worker with an error.

    :param timeout: seconds to wait for each answer.
    """
    import httpx
    from airflow.configuration import conf

    # As airflow.executors.base_executor.get_execution_api_server_url has it, which 3.1 does not.
    base_url = conf.get("api", "base_url", fallback="/")
    if not base_url or base_url.startswith("/"):
        base_url = f"http://localhost:8080{base_url}"
    default = f"{base_url.rstrip('/')}/execution/"
    url = conf.get("core", "execution_api_server_url", fallback=default).rstrip("/")
    try:
        answer = httpx.get(f"{url}/health", timeout=timeout)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        # An API server may serve workers only, and then has no such page.
        health = httpx.get(f"{url.removesuffix('/execution')}/api/v2/monitor/health", timeout=timeout)
        return health.status_code != HTTPStatus.OK or _has_database(health.json())
    except (httpx.HTTPError, OSError, ValueError):
        return False


def _has_database(health: Any) -> bool:
    parts = health if isinstance(health, Mapping) else {}
    return dict(parts.get("metadatabase") or {}).get("status") != "unhealthy"
