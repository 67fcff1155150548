"""What operators and sensors that choose sessions share: known arguments, and fields rendered as text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_canfar.hooks._short_traceback import ShortTraceback
from airflow_provider_canfar.operators._argument_checks import has_usual_delimiters
from airflow_provider_canfar.operators._argument_parsers import check_known, mapped_to_none
from airflow_provider_canfar.operators._errors import airflow_errors
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._selection_arguments import ALSO_CALLED

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

#: The fields whose text is rendered as text even in a DAG that renders native objects.
TEXT_FIELDS = ("ids", "prefix", "regex", "kind", "status", "fail_on", "started_after")


class TextFieldsMixin:
    """Renders the fields that choose sessions as text, no matter what the DAG prefers.

    A DAG may render its templates as native objects, and then a prefix ``2024`` or ``1e5`` becomes a number.
    """

    _mapped_to_none: frozenset[str] = frozenset()

    def __new__(cls, *_: Any, **kwargs: Any) -> Self:
        """Remember which arguments an expansion gives as None."""
        self = super().__new__(cls)
        object.__setattr__(self, "_mapped_to_none", mapped_to_none(kwargs))
        return self

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return the operator without the arguments that ``expand`` gives, as Airflow's own ``partial`` does.

        :raises SpecError: for a literal that an argument does not take.
        :raises TypeError: for an argument that the operator does not have.
        """
        with in_task(kwargs.get("task_id")):
            check_known(f"{cls.__name__}.partial", cls, kwargs, ALSO_CALLED)
            cls._check_literals(kwargs)
            made: OperatorPartial = super().partial(**kwargs)  # type: ignore[misc]  # Airflow's operators have it.
        return made

    def _check_known(self, given: Mapping[str, Any]) -> None:
        """Reject arguments that neither the operator nor Airflow has.

        :raises TypeError: as Airflow does.
        """
        check_known(type(self).__name__, type(self), given, ALSO_CALLED)

    @classmethod
    @abstractmethod
    def _check_literals(cls, given: Mapping[str, Any]) -> None:
        """Check the literals among the arguments; what is rendered later passes.

        :param given: by name; an argument that is left out may be missing.
        :raises SpecError: for a literal that an argument does not take.
        """

    @classmethod
    @abstractmethod
    def _check_together(cls, given: Mapping[str, Any]) -> None:
        """Check how the arguments go together, as ``execute`` does; pass what depends on one rendered later.

        :param given: all of them, by name.
        :raises SpecError: for arguments with which the task could only fail.
        """

    def _check_given(self, **given: Any) -> None:
        """Check the arguments when the DAG file is parsed.

        A mapped task is made in the worker, where an error ends the task without retries in execute only.

        :raises SpecError: for a literal that an argument does not take, and for arguments with which the task
            could only fail.
        """
        operator: Any = self
        if getattr(self, "_BaseOperator__from_mapped", False):
            return
        self._check_literals(given)
        if has_usual_delimiters(operator.get_dag()):
            self._check_together(given)

    def render_template(self, content: Any, context: Context, *args: Any, **kwargs: Any) -> Any:
        """Render a template; one in a field that chooses sessions, as text.

        :raises AirflowFailException: for an argument whose template cannot be rendered.
        """
        from jinja2 import TemplateError

        from airflow_provider_canfar.operators._unrenderable import unrenderable

        operator: Any = self
        try:
            return self._rendered(content, context, *args, **kwargs)
        except TemplateError as error:
            invalid = unrenderable(operator, content, error)
            if invalid is None:
                raise
        with ShortTraceback(), airflow_errors(operator.log, is_folded=True):
            raise invalid

    def _rendered(self, content: Any, context: Context, *args: Any, **kwargs: Any) -> Any:
        from airflow_provider_canfar.operators._templates import rendered

        operator: Any = self
        render = super().render_template  # type: ignore[misc]  # Airflow's operators have it.

        def native(value: Any) -> Any:
            return render(value, context, *args, **kwargs)

        dag = operator.get_dag()
        is_native = dag is not None and dag.render_template_as_native_obj
        if not is_native or not any(content is getattr(self, name, None) for name in TEXT_FIELDS):
            return native(content)
        env = dag.get_template_env(force_sandboxed=True)
        return rendered(content, lambda text: str(env.from_string(text).render(context)), native)
