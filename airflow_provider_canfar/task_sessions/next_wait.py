"""What to wait for, once a phase has done all that it can. Pure."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING

from airflow_provider_canfar.skaha.errors import ServiceBusy
from airflow_provider_canfar.task_sessions.account_limit import AccountLimit
from airflow_provider_canfar.task_sessions.account_wait import AccountWaitSpec
from airflow_provider_canfar.task_sessions.launcher import BUSY_WAIT
from airflow_provider_canfar.task_sessions.progress import Progress
from airflow_provider_canfar.task_sessions.wait_spec import WaitSpec

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.errors import RequestError
    from airflow_provider_canfar.task_sessions.batch import Batch
    from airflow_provider_canfar.task_sessions.limits import Limits
    from airflow_provider_canfar.task_sessions.plan import Plan
    from airflow_provider_canfar.task_sessions.run_options import RunOptions

#: Where few replicas may be alive at once, the worker is woken when a tenth of the slots are free.
WAKES_PER_ROUND = 10


def wait_spec_for(
    batch: Batch,
    plan: Plan | None,
    limits: Limits,
    options: RunOptions,
    *,
    retry_at: float | None,
    deadline: float | None,
    now: float,
) -> WaitSpec:
    """Return what to wait for.

    :param plan: what is left to do; None where the platform did not respond.
    :param retry_at: when to launch again what a busy platform did not take; seconds since the epoch.
    """
    unsettled, within = batch.unsettled().values(), options.startup_timeout
    if plan is None:
        # There may be replicas to launch; the wait wakes the worker when the platform responds.
        retry_at = retry_at or now + BUSY_WAIT
    spec = WaitSpec(
        key=batch.identity.key,
        sessions={one.session_id: one.name for one in unsettled},
        slots_to_free=max(1, limits.most_alive // WAKES_PER_ROUND) if plan and plan.queued else None,
        retry_at=retry_at,
        failures_left=limits.max_failed - batch.failed_count if limits.fail_fast else None,
        deadline=deadline,
        logging_interval=options.logging_interval,
        max_logged_replicas=options.max_logged_replicas,
        max_log_bytes=options.max_log_bytes,
        since=now,
        record_within=options.record_within,
        progress=Progress.of(batch, now).to_json(),
        start_by={
            one.session_id: float(round(one.at + within))
            for one in unsettled
            if within is not None and not one.has_started
        },
    )
    return spec if limits.account is None or plan is None or not plan.queued else _queued(spec, limits, plan)


def _queued(spec: WaitSpec, limits: Limits, plan: Plan) -> AccountWaitSpec:
    """Return the wait of a task whose queued replicas need room in the account, too."""
    account = limits.account or AccountLimit()
    bounds = (limits.most_alive, account.max_sessions, account.max_pending)
    bound = min(one for one in bounds if one is not None)
    more = {
        "slots_to_free": None,
        "account": account.to_json(),
        "max_active": limits.most_alive,
        "worth_waking": min(len(plan.queued), max(1, bound // WAKES_PER_ROUND)),
    }
    return AccountWaitSpec(**asdict(spec) | more)


def is_outage(error: RequestError, batch: Batch) -> bool:
    """Whether a request failed because of an outage, which is a wait and not a failure.

    Where nothing has been launched yet, the connection may as well be wrong; unless the platform, or the
    proxy in front of it, itself says that it is unavailable.
    """
    says_so = isinstance(error, ServiceBusy) or error.status in {
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
    return error.retryable and (says_so or bool(batch.unsettled()) or batch.try_number > 1)
