"""The operator that destroys sessions, and what to destroy after a run of a DAG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.links import SciencePortalLink
from airflow_provider_canfar.operators._errors import airflow_errors

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_canfar.account_sessions.cleanup import DestroyReport
    from airflow_provider_canfar.skaha.selection import Selection

__all__ = ["CanfarCleanupOperator", "sessions_of_this_run"]


class CanfarCleanupOperator(BaseOperator):
    """Destroy sessions: by ids, or by name, with kind, status and age.

    ::

        CanfarCleanupOperator(task_id="tidy", prefix="survey-", status="Failed", older_than=timedelta(days=1))

    What would choose every session is refused: an empty prefix, a regular expression that is found in any
    name. By name, only ``headless`` sessions are chosen, unless ``kind`` says otherwise. Each destroy is
    verified, and the list is looked at until nothing more has come for a while. The task fails when a session
    could not be destroyed, and says which were and which were not.

    It works as a teardown, ``work >> CanfarCleanupOperator(...).as_teardown(setups=work)``, and with a
    ``trigger_rule`` such as ``all_done``; :func:`sessions_of_this_run` makes one for the sessions of the run.

    The task returns a list with one dict per session that it has destroyed, or with ``dry_run`` would have:
    ``session_id``, ``name``, ``kind``, ``status`` (before), ``started``, ``url``.

    :param ids: ids, or what an operator of this provider has returned; an empty list is none at all. With
        ``kind``, ``status`` or ``older_than``, only those of them that are so. (templated)
    :param prefix: what the names start with. (templated)
    :param regex: a regular expression that is searched for in the names. (templated)
    :param of_this_run: those that the tasks of this DAG run have launched, of any kind.
    :param kind: of this kind, or these. (templated)
    :param status: in this status, or these; by default any, alive or ended. (templated)
    :param older_than: how long ago they must have started. One that has not started is left alone.
    :param allow_all: take the choice at its word, also where it chooses every session of the kind.
    :param dry_run: only list them.
    :param settle_time: seconds for which nothing more must come. A create that was under way when its task was
        killed may register its session a minute or two later.
    :param canfar_conn_id: the Airflow connection. (templated)
    """

    template_fields: Sequence[str] = ("canfar_conn_id", "ids", "prefix", "regex", "kind", "status")
    ui_color = "#f7e3d7"
    operator_extra_links = (SciencePortalLink(),)

    def __init__(
        self,
        *,
        ids: str | Sequence[Any] | XComArg | None = None,
        prefix: str | None = None,
        regex: str | None = None,
        of_this_run: bool = False,
        kind: str | Sequence[str] | None = None,
        status: str | Sequence[str] | None = None,
        older_than: timedelta | None = None,
        allow_all: bool = False,
        dry_run: bool = False,
        settle_time: float = 10.0,
        canfar_conn_id: str = CanfarHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ids = ids
        self.prefix = prefix
        self.regex = regex
        self.of_this_run = of_this_run
        self.kind = kind
        self.status = status
        self.older_than = older_than
        self.allow_all = allow_all
        # Airflow's operators have a method of the argument's name.
        self.only_lists = dry_run
        self.settle_time = settle_time
        self.canfar_conn_id = canfar_conn_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Destroy what is chosen, and return what was.

        :raises AirflowFailException: when what is chosen is refused; nothing is destroyed then.
        :raises PartialFailure: when a session could not be destroyed.
        """
        from airflow_provider_canfar.account_sessions.cleanup import destroy_matching, find
        from airflow_provider_canfar.skaha.polling.session_tracker import session_summary

        with airflow_errors():
            selection = self._selection(context)
            hook = CanfarHook(self.canfar_conn_id)
            if self.only_lists:
                rows = [
                    session_summary(session) for session in hook.call(lambda client: find(client, selection))
                ]
                for row in rows:
                    self._emit(f"{row['name']} {row['session_id']} ({row['kind']}, {row['status']})")
                self._emit(f"Of {selection}, {len(rows)} would be destroyed.")
                return rows
            settle_time = 0.0 if selection.ids is not None else self.settle_time
            report = hook.call(
                lambda client: destroy_matching(client, selection, settle_time=settle_time, emit=self._emit)
            )
            return self._report(selection, report)

    def _selection(self, context: Context) -> Selection:
        """Say what is destroyed.

        :raises SpecError: when it would be everything, and nobody has said so.
        """
        from airflow_provider_canfar.account_sessions.cleanup import refuse_all
        from airflow_provider_canfar.skaha.errors import SpecError
        from airflow_provider_canfar.skaha.models import Kind
        from airflow_provider_canfar.skaha.selection import Selection, session_ids, words

        if self.of_this_run and any(one is not None for one in (self.ids, self.prefix, self.regex)):
            raise SpecError("of_this_run chooses by itself. Leave ids, prefix and regex out.")
        by_name = self.ids is None and not self.of_this_run
        selection = Selection(
            ids=session_ids(self.ids),
            prefix=self.prefix,
            regex=self.regex,
            keys=keys_of_this_run(context) if self.of_this_run else None,
            kinds=words(self.kind) or ((Kind.HEADLESS.value,) if by_name else ()),
            statuses=words(self.status),
            older_than=self.older_than.total_seconds() if self.older_than is not None else None,
        )
        if not self.allow_all:
            refuse_all(selection)
        return selection

    def _report(self, selection: Selection, report: DestroyReport) -> list[dict[str, Any]]:
        from airflow_provider_canfar.skaha.errors import PartialFailure, SessionError

        self._emit(f"Of {selection}, {len(report.destroyed)} were destroyed.")
        if report.alive:
            raise PartialFailure(
                f"{len(report.destroyed)} sessions were destroyed: {', '.join(report.destroyed) or 'none'}. "
                f"{len(report.alive)} could not be: "
                + "; ".join(
                    f"{row['name']} {session_id}: {report.reasons[session_id]}"
                    for session_id, row in report.alive.items()
                ),
                results=report.destroyed,
                errors={
                    session_id: SessionError(report.reasons[session_id], session_id=session_id)
                    for session_id in report.alive
                },
            )
        return list(report.destroyed.values())

    def _emit(self, line: str) -> None:
        # As an argument: a session's name is no format.
        self.log.info("%s", line)


def sessions_of_this_run(task_id: str = "destroy_sessions", **kwargs: Any) -> CanfarCleanupOperator:
    """Make a task that destroys what this DAG run has launched, and no more.

    It knows the sessions by their names, so it finds those of a task whose worker died while it launched::

        calibrate >> sessions_of_this_run().as_teardown(setups=calibrate)

    :param task_id: the task's id.
    :param kwargs: what :class:`CanfarCleanupOperator` takes; such as ``kind="headless"`` to leave notebooks.
    """
    return CanfarCleanupOperator(task_id=task_id, of_this_run=True, **kwargs)


def keys_of_this_run(context: Context) -> tuple[str, ...]:
    """Return the keys in the names of the sessions that a DAG run has launched.

    They are made of what Airflow says of the run's task instances. A task that was cleared after its run had
    ended keeps the key from before, which Airflow's own data no longer make; its XCom has the names.
    """
    # Where a task runs this module is loaded already; where a DAG file is parsed it must not be.
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    from airflow_provider_canfar.skaha.naming import SessionName, key_of

    ti, run_started = context["ti"], context["dag_run"].start_date
    task_ids = sorted(context["dag"].task_ids)
    states = RuntimeTaskInstance.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
    keys = {
        key_of(
            dag_id=ti.dag_id,
            task_id=task_id,
            run_id=ti.run_id,
            map_index=map_index,
            run_started=run_started,
        )
        for task_id in task_ids
        for map_index in map_indexes(task_id, states.get(ti.run_id, {}))
    }
    pushed = ti.xcom_pull(task_ids=task_ids, key="sessions") or []
    names = [SessionName.parse(row["name"]) for rows in pushed if rows for row in rows]
    return tuple(sorted(keys | {name.key for name in names if name is not None}))


def map_indexes(task_id: str, names: Iterable[str]) -> list[int]:
    """Return the map indexes that a task may have, -1 for a task that is not mapped.

    >>> map_indexes("stars", ["stars_0", "stars_1", "stars_of_m13", "tidy"])
    [-1, 0, 1]

    :param names: of a run's task instances as Airflow lists them: a mapped one with its index appended.
    """
    indexes = (name.removeprefix(f"{task_id}_") for name in names if name.startswith(f"{task_id}_"))
    return [-1, *sorted(int(index) for index in indexes if index.isdecimal())]
