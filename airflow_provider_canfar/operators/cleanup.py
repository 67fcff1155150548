"""The operator that destroys sessions, and a task that destroys those of its DAG run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from airflow.sdk import BaseOperator

from airflow_provider_canfar.hooks._log import LogLinesMixin
from airflow_provider_canfar.hooks._short_traceback import ShortTraceback
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.links import SciencePortalLink
from airflow_provider_canfar.operators._argument_parsers import flag, is_rendered_later, seconds
from airflow_provider_canfar.operators._errors import airflow_errors
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._selection_arguments import (
    STATUSES,
    GivenArguments,
    check_selection,
    is_literal,
    name_prefix,
    name_regex,
    require_ids,
    with_stand_ins,
    words_of,
)
from airflow_provider_canfar.operators._text_fields import TextFieldsMixin

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.account_sessions.cleanup import DestroyReport
    from airflow_provider_canfar.operators._task_arguments import RunCleanupArguments, TaskArguments
    from airflow_provider_canfar.skaha.selection import Selection

__all__ = ["CanfarCleanupOperator", "sessions_of_this_run"]


class CanfarCleanupOperator(LogLinesMixin, TextFieldsMixin, BaseOperator):
    """Destroy sessions, chosen by ids or by name, and by kind, status and age.

    ::

        CanfarCleanupOperator(task_id="tidy", prefix="survey-", status="Failed", older_than=timedelta(days=1))

    The operator refuses a choice of sessions that have nothing in common: an empty prefix, or a regular
    expression such as ``-[0-9]+$``, which matches any task's. By name, it chooses only ``headless`` sessions
    unless you set ``kind``. It verifies each destroy, and lists the sessions again until no other has
    appeared for a while. The task fails if a session could not be destroyed, and names the sessions that were
    destroyed and those that were not.

    It works as a teardown, ``work >> CanfarCleanupOperator(...).as_teardown(setups=work)``, and with a
    ``trigger_rule`` such as ``all_done``; :func:`sessions_of_this_run` makes one for the sessions of the run.

    The task returns a list with one dict per session that it has destroyed, or with ``dry_run`` would
    destroy: ``session_id``, ``name``, ``kind``, ``status`` (before), ``started``, ``url``.

    An argument that was given and renders to nothing (None or an empty text) fails the task before anything
    is destroyed.

    :param ids: session ids, or the result of an operator of this provider; an empty list chooses none. A text
        may hold several, with commas or spaces between, or a list as a template renders it. With ``kind``,
        ``status`` or ``older_than``, only those that match. (templated)
    :param prefix: what the names start with. (templated)
    :param regex: a regular expression of RE2 to search for in the names. (templated)
    :param of_this_run: the sessions that tasks of this DAG run have launched, of any kind.
        (templated)
    :param kind: one or several kinds. (templated)
    :param status: one or several statuses; by default any, alive or ended. (templated)
    :param older_than: the least time since the start, as a timedelta or in seconds. Sessions that have not
        started are not chosen. (templated)
    :param allow_all: allow a choice of every session of the kind, or of names that have nothing in common.
        (templated)
    :param dry_run: only list the sessions. (templated)
    :param settle_time: seconds, or a timedelta, for which no other session must appear. A create that was
        under way when its task was killed may register its session a minute or two later. (templated)
    :param canfar_conn_id: the Airflow connection. (templated)
    """

    template_fields: Sequence[str] = (
        "canfar_conn_id",
        "ids",
        "prefix",
        "regex",
        "of_this_run",
        "kind",
        "status",
        "older_than",
        "allow_all",
        "only_lists",
        "settle_time",
    )
    ui_color = "#f7e3d7"
    operator_extra_links = (SciencePortalLink(),)

    def __init__(
        self,
        *,
        ids: str | Sequence[Any] | XComArg | None = None,
        prefix: str | XComArg | None = None,
        regex: str | XComArg | None = None,
        of_this_run: bool | str | XComArg = False,
        kind: str | Sequence[str] | XComArg | None = None,
        status: str | Sequence[str] | XComArg | None = None,
        older_than: timedelta | float | str | XComArg | None = None,
        allow_all: bool | str | XComArg = False,
        dry_run: bool | str | XComArg = False,
        settle_time: float | timedelta | str | XComArg = 10.0,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        with in_task(kwargs.get("task_id")):
            self._check_known(kwargs)
            super().__init__(**kwargs)
            self.ids = ids
            self.prefix = prefix
            self.regex = regex
            self.of_this_run = of_this_run
            self.kind = kind
            self.status = status
            self.older_than = older_than
            self.allow_all = allow_all
            # Airflow's operators have a method dry_run.
            self.only_lists = dry_run
            self.settle_time = settle_time
            self.canfar_conn_id = canfar_conn_id

            self._check_given(**self._arguments())
            self._given = GivenArguments(self._mapped_to_none, **self._arguments())

    @classmethod
    def _check_literals(cls, given: Mapping[str, Any]) -> None:
        chosen_by: dict[str, Any] = {
            name: given.get(name) for name in ("ids", "prefix", "regex", "kind", "status")
        }
        check_selection(statuses=STATUSES, **chosen_by)
        for name in ("of_this_run", "allow_all", "dry_run"):
            value = given.get(name, False)
            if not is_rendered_later(value):
                flag(name, value)
        for name in ("older_than", "settle_time"):
            duration = given.get(name)
            if duration is not None and not is_rendered_later(duration):
                seconds(name, duration)

    @classmethod
    def _check_together(cls, given: Mapping[str, Any]) -> None:
        # Without a kind, by name only headless ones are chosen.
        if all(is_literal(given[name]) for name in ("of_this_run", "kind")):
            allow_all = given["allow_all"] if is_literal(given["allow_all"]) else True
            _selection_of({**with_stand_ins(given), "allow_all": allow_all}, tuple)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Destroy the chosen sessions, and return them.

        :raises AirflowFailException: for an invalid choice, before anything is destroyed.
        :raises PartialFailure: when a session could not be destroyed.
        """
        from airflow_provider_canfar.account_sessions.cleanup import destroy_matching, find_sessions
        from airflow_provider_canfar.operators._run_keys import keys_of_this_run
        from airflow_provider_canfar.skaha.polling.session_tracker import session_summary

        with ShortTraceback(), airflow_errors(self.log):
            self._given.require(**self._arguments())
            only_lists = flag("dry_run", self.only_lists)
            settle_time = seconds("settle_time", self.settle_time)
            selection = _selection_of(self._arguments(), partial(keys_of_this_run, context))
            hook = CanfarHook(self.canfar_conn_id)
            if only_lists:
                found = hook.call(lambda client: find_sessions(client, selection))
                summaries = [session_summary(session) for session in found]
                for row in summaries:
                    self._emit(f"Session {row['session_id']} ({row['name']}): {row['kind']}, {row['status']}")
                self._emit(f"Would destroy {_count(summaries)}. Selected: {selection}.")
                return summaries
            if selection.ids is not None:
                settle_time = 0.0
            report = hook.call(
                lambda client: destroy_matching(client, selection, settle_time=settle_time, emit=self._emit)
            )
            self._emit(f"Destroyed {_count(report.destroyed)}. Selected: {selection}.")
            return self._result(report)

    def _arguments(self) -> dict[str, Any]:
        """Return what Airflow renders, by the names that the author uses."""
        names = {"only_lists": "dry_run"}
        return {names.get(field, field): getattr(self, field) for field in self.template_fields}

    def _result(self, report: DestroyReport) -> list[dict[str, Any]]:
        """Return the destroyed sessions.

        :raises PartialFailure: when a session could not be destroyed.
        """
        from airflow_provider_canfar.skaha.errors import PartialFailure, SessionError

        if report.alive:
            reasons = "; ".join(
                f"{session_id} ({row['name']}): {report.reasons[session_id].rstrip('.')}"
                for session_id, row in report.alive.items()
            )
            raise PartialFailure(
                f"Could not destroy {len(report.alive)} sessions: {reasons}. "
                f"Destroyed {len(report.destroyed)}: {', '.join(report.destroyed) or 'none'}.",
                results=report.destroyed,
                errors={
                    session_id: SessionError(report.reasons[session_id], session_id=session_id)
                    for session_id in report.alive
                },
            )
        return list(report.destroyed.values())


def sessions_of_this_run(
    task_id: str = "destroy_sessions", **kwargs: Unpack[RunCleanupArguments]
) -> CanfarCleanupOperator:
    """Make a task that destroys the sessions that this DAG run has launched, and no others.

    It finds them by name, so it also finds those of a task whose worker died while launching::

        calibrate >> sessions_of_this_run().as_teardown(setups=calibrate)

    :param task_id: the task's id.
    :param kwargs: arguments of :class:`CanfarCleanupOperator`, such as ``kind="headless"`` to keep notebooks.
    """
    with in_task(task_id):
        return CanfarCleanupOperator(task_id=task_id, of_this_run=True, **kwargs)


def _count(sessions: Sized) -> str:
    return f"{len(sessions):,} session{'s' if len(sessions) != 1 else ''}"


def _selection_of(given: Mapping[str, Any], keys_of_this_run: Callable[[], tuple[str, ...]]) -> Selection:
    """Return which sessions to destroy.

    :param given: the arguments, by the names that the author uses.
    :param keys_of_this_run: returns the keys in the names of the run's sessions.
    :raises SpecError: for an invalid choice, and for all sessions without ``allow_all``.
    """
    from airflow_provider_canfar.account_sessions.cleanup import reject_all
    from airflow_provider_canfar.skaha.errors import SpecError
    from airflow_provider_canfar.skaha.selection import Selection, session_ids
    from airflow_provider_canfar.skaha.statuses import Kind

    of_this_run = flag("of_this_run", given["of_this_run"])
    if of_this_run and any(given[name] is not None for name in ("ids", "prefix", "regex")):
        raise SpecError(
            "Invalid of_this_run True: must not be combined with ids, prefix or regex. Remove them."
        )
    by_name = given["ids"] is None and not of_this_run
    older_than = given["older_than"]
    selection = Selection(
        ids=session_ids(require_ids(given["ids"])),
        prefix=name_prefix(given["prefix"]),
        regex=name_regex(given["regex"]),
        keys=keys_of_this_run() if of_this_run else None,
        kinds=words_of("kind", given["kind"]) or ((Kind.HEADLESS.value,) if by_name else ()),
        statuses=words_of("status", given["status"]),
        older_than=None if older_than is None else seconds("older_than", older_than),
    )
    if not flag("allow_all", given["allow_all"]):
        reject_all(selection)
    return selection
