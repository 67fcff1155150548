"""The sensor that waits for sessions which anybody has launched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.sensors._base import CanfarBaseSensor

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.account_sessions.condition import ConditionWatch, SessionCondition
    from airflow_provider_canfar.triggers._base import CanfarBaseTrigger

__all__ = ["CanfarSessionSensor"]

#: The entry in Airflow's task state store (3.3 on), which a rescheduled sensor's looks share.
ENTRY = "canfar_seen"


class CanfarSessionSensor(CanfarBaseSensor):
    """Wait until sessions of the account have reached a status, whoever launched them.

    All of them, or at least some; chosen by ids, or by name and kind::

        CanfarSessionSensor(task_id="wait", prefix="survey-", at_least=20)

    It fails as soon as its wish cannot come true, because sessions have ended otherwise; with ``soft_fail``
    it skips. A session that the platform does not know any more is *Gone*: nobody saw how it ended, and that
    is no success unless ``status`` says so. The platform forgets headless sessions an hour after their end.

    The task returns a list with one dict per session: ``session_id``, ``name``, ``kind``, ``status``,
    ``started``, ``url``.

    :param ids: ids, or what an operator of this provider has returned. (templated)
    :param prefix: what the names start with. (templated)
    :param regex: a regular expression that is searched for in the names. (templated)
    :param kind: of this kind, or these. (templated)
    :param status: what they must have reached, one word or several: ``Pending``, ``Running`` (also what has
        Completed since), ``Terminating``, ``Completed``, ``Failed``, ``Gone``. (templated)
    :param at_least: how many must have; 1 for any; by default all that are seen, and at least one. By name,
        "all" are those seen so far: where others may still come, say how many there will be.
    :param fail_on: statuses of which one is enough to fail at once; ``[]`` to wait on whatever happens.
        (templated)
    :param canfar_conn_id: the Airflow connection. (templated)
    :param deferrable: wait in the triggerer; False to wait as ``mode`` says. By default it defers, unless
        ``mode`` is given.
    :param poll_interval: seconds between two looks at the platform; ``poke_interval`` is the same.
        With ``mode="reschedule"`` give ten or more: where a look begins before the executor has reported
        that the last one is over, Airflow's scheduler may fail the task.
    """

    template_fields: Sequence[str] = ("canfar_conn_id", "ids", "prefix", "regex", "kind", "status", "fail_on")
    ui_color = "#e6d7f7"

    def __init__(
        self,
        *,
        ids: str | Sequence[Any] | XComArg | None = None,
        prefix: str | None = None,
        regex: str | None = None,
        kind: str | Sequence[str] | None = None,
        status: str | Sequence[str] = "Completed",
        at_least: int | None = None,
        fail_on: str | Sequence[str] | None = None,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        deferrable: bool | None = None,
        poll_interval: float = 15.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            canfar_conn_id=canfar_conn_id, deferrable=deferrable, poll_interval=poll_interval, **kwargs
        )
        self.ids = ids
        self.prefix = prefix
        self.regex = regex
        self.kind = kind
        self.status = status
        self.at_least = at_least
        self.fail_on = fail_on

        self._condition_watch: ConditionWatch | None = None

    def _session_condition(self) -> SessionCondition:
        """Say what is waited for.

        :raises SpecError: when no session is chosen, or it could never come true.
        """
        from airflow_provider_canfar.account_sessions.condition import SessionCondition
        from airflow_provider_canfar.skaha.errors import SpecError
        from airflow_provider_canfar.skaha.models import Kind
        from airflow_provider_canfar.skaha.polling.session_tracker import parse_end_statuses
        from airflow_provider_canfar.skaha.selection import Selection, session_ids, words

        selection = Selection(
            ids=session_ids(self.ids), prefix=self.prefix, regex=self.regex, kinds=words(self.kind)
        )
        if selection.ids is None and not (selection.prefix or selection.regex or selection.kinds):
            raise SpecError("No session is chosen to wait for. Give ids, prefix, regex or kind.")
        if selection.ids is None and Kind.DESKTOP_APP in selection.kinds:
            raise SpecError(
                "The apps of a desktop are not listed. Wait for one by its id, or for the desktop."
            )
        return SessionCondition(
            selection,
            parse_end_statuses(words(self.status)),
            self.at_least,
            None if self.fail_on is None else parse_end_statuses(words(self.fail_on)),
        )

    def _look(self, context: Context) -> PokeReturnValue:
        from airflow_provider_canfar.account_sessions.condition import ConditionWatch, check_once

        if self._condition_watch is None:
            self._condition_watch = ConditionWatch(self._session_condition(), self._remembered(context))
        condition_watch = self._condition_watch
        try:
            self._call(lambda client: check_once(condition_watch, client, emit=self._emit))
        finally:
            self._remember(context, condition_watch)
        return self._judge(condition_watch, condition_watch.verdict())

    def _remembered(self, context: Context) -> dict[str, Any] | None:
        """Read what this try's earlier looks have seen, where each has a process of its own."""
        store: Any = context.get("task_state_store") if self.reschedule else None
        noted: Any = store.get(ENTRY) if store is not None else None
        return noted["state"] if noted and noted["try_number"] == context["ti"].try_number else None

    def _remember(self, context: Context, condition_watch: ConditionWatch) -> None:
        store: Any = context.get("task_state_store") if self.reschedule else None
        if store is not None:
            store.set(ENTRY, {"try_number": context["ti"].try_number, "state": condition_watch.to_json()})

    def _judge(self, condition_watch: ConditionWatch, verdict: str | None) -> PokeReturnValue:
        """Return what was seen.

        :raises AirflowFailException: when it cannot be any more: a retry would see the same.
        """
        from airflow.providers.common.compat.sdk import AirflowFailException

        from airflow_provider_canfar.task_sessions.batch import Verdict

        if verdict == Verdict.FAILURE:
            seen = "\n".join(
                f"{row.get('name') or '(never seen)'} {row['session_id']}: {row['status']}"
                for row in condition_watch.seen()
            )
            raise AirflowFailException(f"It cannot be any more. {condition_watch}\n{seen}")
        return PokeReturnValue(is_done=verdict == Verdict.SUCCESS, xcom_value=condition_watch.seen())

    def _trigger(self, deadline: float) -> CanfarBaseTrigger:
        from airflow_provider_canfar.triggers.sensors import CanfarSessionSensorTrigger

        return CanfarSessionSensorTrigger(
            canfar_conn_id=self.canfar_conn_id,
            condition=self._session_condition().to_json(),
            state=self._condition_watch.to_json() if self._condition_watch is not None else None,
            deadline=deadline,
            poll_interval=self.poke_interval,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what the wait in the triggerer has seen."""
        from airflow_provider_canfar.account_sessions.condition import ConditionWatch

        self._handle_wake(event)
        condition_watch = ConditionWatch(self._session_condition(), event["state"])
        seen = self._judge(condition_watch, event["verdict"])
        if not seen.is_done:
            self._time_out(str(condition_watch))
        return condition_watch.seen()
