"""The sensor that waits for sessions of the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from airflow.sdk import PokeReturnValue

from airflow_provider_canfar.hooks._explained import explained
from airflow_provider_canfar.operators._argument_parsers import instant, is_rendered_later, whole_number
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._selection_arguments import (
    GivenArguments,
    check_selection,
    check_start,
    is_literal,
    name_prefix,
    name_regex,
    require_ids,
    with_stand_ins,
    words_of,
)
from airflow_provider_canfar.sensors._base import CanfarBaseSensor

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.account_sessions.condition import ConditionWatch, SessionCondition
    from airflow_provider_canfar.operators._task_arguments import SensorArguments
    from airflow_provider_canfar.triggers.sensors import CanfarSensorTrigger

__all__ = ["CanfarSessionSensor"]

#: The key in Airflow's task state store (3.3 on), which the checks of a rescheduled sensor share.
STATE_KEY = "canfar_sensor"


class CanfarSessionSensor(CanfarBaseSensor):
    """Wait until sessions of the account have reached a status, no matter what launched them.

    Choose the sessions by ids, or by name and kind; wait for all of them or for some::

        CanfarSessionSensor(task_id="wait", prefix="survey-", at_least=20)

    Or wait until few of them are left, before another task launches its own: of whatever was launched by
    Airflow or by other means, at most so many may be Pending or Running::

        CanfarSessionSensor(task_id="room", kind="headless", status="Pending", at_most=4)

    The sensor fails as soon as the condition can no longer be met, because sessions have ended in another
    status; with ``soft_fail`` it skips. A session that the platform no longer knows is *Gone*: how it ended
    is unknown, which is not a success unless ``status`` lists ``Gone``. The platform forgets headless
    sessions an hour after their end.

    The task returns a list with one dict per session: ``session_id``, ``name``, ``kind``, ``status``,
    ``started``, ``url``.

    An argument that was given and renders to nothing (None or an empty text) fails the task.

    :param ids: session ids, or the result of an operator of this provider; a text may hold several, with
        commas or spaces between, or a list as a template renders it. (templated)
    :param prefix: what the names start with. It may also match sessions of an earlier run, which the platform
        lists for an hour after their end: let the names tell the run, or give ``started_after``. (templated)
    :param regex: a regular expression of RE2 to search for in the names. (templated)
    :param kind: one or several kinds. (templated)
    :param started_after: with names or kinds, only sessions that started then or later, or have not started
        yet: a datetime, or text in ISO 8601, which is UTC if it has no offset. ``"{{ dag_run.run_after }}"``
        leaves out those of earlier runs. The platform's clock counts. (templated)
    :param status: one or several statuses to reach: ``Pending``, ``Running`` (met by Completed sessions too),
        ``Terminating``, ``Completed``, ``Failed``, ``Gone``; by default ``Completed``. With ``at_most``, the
        statuses to count: ``Pending``, ``Running``, ``Terminating``; by default all three. (templated)
    :param at_least: how many sessions must reach it, such as 1 for any. By default all that have been listed,
        and at least one. If you choose by name and more sessions are still to be launched, say how many there
        will be. (templated)
    :param at_most: wait until no more than this many sessions, 0 or more, are in ``status``. Without ids,
        prefix, regex and kind, it counts all sessions of the account. The task returns the sessions that it
        counts. It reserves nothing: two tasks that see the same free place may both go on; see
        *A cap on the account* in the documentation. (templated)
    :param fail_on: statuses that fail the task as soon as one session has them; ``[]`` to wait no matter how
        sessions end. (templated)
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer, not as ``mode`` says; the default unless ``mode`` is given, or
        the variable ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE`` is false; ``airflow.cfg`` does not count.
    :param poll_interval: seconds between two polls, or a timedelta; 15 s by default. The same as
        ``poke_interval``. With ``mode="reschedule"``, give 10 or more.
    """

    template_fields: Sequence[str] = (
        "canfar_conn_id",
        "ids",
        "prefix",
        "regex",
        "kind",
        "status",
        "at_least",
        "at_most",
        "fail_on",
        "started_after",
    )

    def __init__(
        self,
        *,
        ids: str | Sequence[Any] | XComArg | None = None,
        prefix: str | XComArg | None = None,
        regex: str | XComArg | None = None,
        kind: str | Sequence[str] | XComArg | None = None,
        status: str | Sequence[str] | XComArg | None = None,
        at_least: int | str | XComArg | None = None,
        at_most: int | str | XComArg | None = None,
        fail_on: str | Sequence[str] | XComArg | None = None,
        started_after: datetime | str | XComArg | None = None,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        with in_task(kwargs.get("task_id")):
            super().__init__(**kwargs)
            self.ids = ids
            self.prefix = prefix
            self.regex = regex
            self.kind = kind
            self.status = status
            self.at_least = at_least
            self.at_most = at_most
            self.fail_on = fail_on
            self.started_after = started_after

            given = {name: getattr(self, name) for name in self.template_fields}
            self._check_given(**given)
            self._given = GivenArguments(self._mapped_to_none, **given)
            self._condition_watch: ConditionWatch | None = None

    @classmethod
    def _check_literals(cls, given: Mapping[str, Any]) -> None:
        chosen_by: dict[str, Any] = {
            name: given.get(name) for name in ("ids", "prefix", "regex", "kind", "status", "fail_on")
        }
        check_selection(**chosen_by)
        for name, minimum in (("at_least", 1), ("at_most", 0)):
            number = given.get(name)
            if number is not None and not is_rendered_later(number):
                whole_number(name, number, minimum=minimum)
        check_start(given.get("started_after"), given.get("ids"))

    @classmethod
    def _check_together(cls, given: Mapping[str, Any]) -> None:
        # What the others mean depends on it.
        if not is_literal(given["at_most"]):
            return
        known = with_stand_ins(given)
        if not is_literal(given["kind"]):
            known["kind"] = "headless"
        if not is_literal(given["status"]) and known["fail_on"] is not None:
            known["fail_on"] = []
        _condition_of(known)

    def _session_condition(self) -> SessionCondition:
        """Return what to wait for.

        :raises SpecError: for an argument that has rendered to nothing, and as :func:`_condition_of` does.
        """
        self._require_given()
        return _condition_of({name: getattr(self, name) for name in self.template_fields})

    def _describe_wait(self) -> str:
        return str(self._condition_watch or self._session_condition())

    def _check(self, context: Context) -> PokeReturnValue:
        from airflow_provider_canfar.account_sessions.condition import ConditionWatch, check_once

        if self._condition_watch is None:
            self._condition_watch = ConditionWatch(self._session_condition(), self._load_state(context))
        condition_watch = self._condition_watch
        try:
            self._call(lambda client: check_once(condition_watch, client, emit=self._emit))
        finally:
            self._save_state(context, condition_watch)
        return self._poke_result(condition_watch, is_met=condition_watch.is_met())

    def _load_state(self, context: Context) -> dict[str, Any] | None:
        """Load what the earlier checks of this try have observed; in reschedule mode, each is a process."""
        store: Any = context.get("task_state_store") if self.reschedule else None
        saved: Any = store.get(STATE_KEY) if store is not None else None
        return saved["state"] if saved and saved["try_number"] == context["ti"].try_number else None

    def _save_state(self, context: Context, condition_watch: ConditionWatch) -> None:
        store: Any = context.get("task_state_store") if self.reschedule else None
        if store is not None:
            state = {"try_number": context["ti"].try_number, "state": condition_watch.to_json()}
            store.set(STATE_KEY, state)

    def _poke_result(self, condition_watch: ConditionWatch, *, is_met: bool | None) -> PokeReturnValue:
        """Return the sessions, and whether the wait is over.

        :raises ConditionCannotBeMet: when the condition can no longer be met; a retry would see the same.
        """
        from airflow_provider_canfar.sensors._verdict import ConditionCannotBeMet

        summaries = condition_watch.summaries()
        if is_met is False:
            sessions = "\n".join(
                f"{row['session_id']} ({row.get('name') or 'never listed'}): {row['status']}"
                for row in summaries
            )
            raise explained(
                ConditionCannotBeMet(
                    f"The condition can no longer be met. Waited for {condition_watch}.\n{sessions}"
                )
            )
        return PokeReturnValue(is_done=is_met is True, xcom_value=summaries)

    def _make_trigger(self, deadline: float, deadline_from: str) -> CanfarSensorTrigger:
        from airflow_provider_canfar.triggers.sensors import CanfarSessionSensorTrigger

        return CanfarSessionSensorTrigger(
            canfar_conn_id=self.canfar_conn_id,
            condition=self._session_condition().to_json(),
            state=self._condition_watch.to_json() if self._condition_watch is not None else None,
            deadline=deadline,
            deadline_from=deadline_from,
            poll_interval=self.poke_interval,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the sessions as the trigger has last observed them."""
        from airflow_provider_canfar.account_sessions.condition import ConditionWatch

        self._fail_if_refused(event)
        condition_watch = ConditionWatch(self._session_condition(), event["state"])
        if not self._poke_result(condition_watch, is_met=event["met"]).is_done:
            self._time_out(event["deadline_from"], str(condition_watch))
        return condition_watch.summaries()


def _condition_of(given: Mapping[str, Any]) -> SessionCondition:
    """Return what to wait for.

    :param given: the sensor's arguments, by name.
    :raises SpecError: for a selection of all sessions, or a condition that can never be met.
    """
    from airflow_provider_canfar.account_sessions.condition import LIVE_STATUSES, SessionCondition
    from airflow_provider_canfar.skaha.errors import SpecError
    from airflow_provider_canfar.skaha.polling.session_tracker import parse_end_statuses
    from airflow_provider_canfar.skaha.selection import Selection, session_ids
    from airflow_provider_canfar.skaha.statuses import Kind

    after, at_least, at_most = given["started_after"], given["at_least"], given["at_most"]
    status, fail_on = given["status"], given["fail_on"]
    selection = Selection(
        ids=session_ids(require_ids(given["ids"])),
        prefix=name_prefix(given["prefix"]),
        regex=name_regex(given["regex"]),
        kinds=words_of("kind", given["kind"]),
        started_after=None if after is None else instant("started_after", after),
    )
    has_criterion = selection.ids is not None or selection.prefix or selection.regex or selection.kinds
    if at_most is None and not has_criterion:
        raise SpecError(
            "Invalid selection: it would wait for every session of the account. "
            "Set ids, prefix, regex or kind."
        )
    if selection.ids is None and Kind.DESKTOP_APP in selection.kinds:
        raise SpecError(
            f"Invalid kind {Kind.DESKTOP_APP.value!r}: the platform does not list a desktop's apps. "
            "Wait for one by its id, or for the desktop."
        )
    if status is None:
        status = "Completed" if at_most is None else LIVE_STATUSES
    return SessionCondition(
        selection,
        parse_end_statuses(words_of("status", status)),
        None if at_least is None else whole_number("at_least", at_least, minimum=1),
        None if fail_on is None else parse_end_statuses(words_of("fail_on", fail_on)),
        None if at_most is None else whole_number("at_most", at_most, minimum=0),
    )
