"""An operator that checks its arguments: literals when the DAG file is parsed, the rest before a request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from airflow.sdk import BaseOperator

from airflow_provider_canfar.hooks._short_traceback import ShortTraceback
from airflow_provider_canfar.operators._argument_parsers import ABSENT, check_known, mapped_to_none
from airflow_provider_canfar.operators._environment import HiddenEnv
from airflow_provider_canfar.operators._errors import airflow_errors
from airflow_provider_canfar.operators._in_task import in_task
from airflow_provider_canfar.operators._session_arguments import (
    TEXT_FIELDS,
    Argument,
    check_literals,
    rendered_later,
)

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial
    from jinja2 import Environment


class CheckedArguments(BaseOperator):
    """Checks the arguments of the operator that inherits from it.

    The operator calls :meth:`_check_known` first in its ``__init__`` and :meth:`_check_literals` last.
    """

    #: What each argument takes.
    _arguments: ClassVar[Mapping[str, Argument]]

    #: What a DAG's author calls, where it is not the class.
    custom_operator_name: ClassVar[str]

    _rendered_later: frozenset[str] = frozenset()
    _mapped_to_none: frozenset[str] = frozenset()

    def __new__(cls, *_: Any, **kwargs: Any) -> Self:
        """Remember which arguments an expansion gives as None: in ``__init__`` they look left out."""
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
            check_known(f"{cls.__name__}.partial", cls, kwargs)
            cls._check_partial(kwargs)
        if kwargs.get("env") is not None:
            # Airflow stores the arguments of a mapped task.
            kwargs["env"] = HiddenEnv(kwargs["env"])
        made: OperatorPartial = super().partial(**kwargs)
        return made

    @classmethod
    def _check_partial(cls, given: Mapping[str, Any]) -> None:
        """Check the literals among the arguments of a mapped task.

        :raises SpecError: for a literal that an argument does not take.
        """
        from airflow.sdk.definitions._internal.contextmanager import DagContext

        if has_usual_delimiters(given.get("dag") or DagContext.get_current()):
            check_literals(cls._arguments, given, is_partial=True)

    def _check_known(self, given: Mapping[str, Any]) -> None:
        """Reject arguments that neither the operator nor Airflow has.

        :raises TypeError: as Airflow does.
        """
        check_known(getattr(self, "custom_operator_name", type(self).__name__), type(self), given)

    def _check_literals(self) -> None:
        """Check the literals among the arguments.

        :raises SpecError: for a literal that an argument does not take.
        """
        given = {name: getattr(self, name) for name in self._arguments}
        self._rendered_later = rendered_later(self._arguments, given)
        if not has_usual_delimiters(self.get_dag()):
            self._rendered_later |= {name for name, value in given.items() if isinstance(value, str)}
        # A mapped task is made in the worker, where an error ends the task without retries in execute only.
        elif not getattr(self, "_BaseOperator__from_mapped", False):
            check_literals(self._arguments, given)

    def render_template_fields(self, context: Context, jinja_env: Environment | None = None) -> None:
        """Render the arguments, those that were set after the operator was made too."""
        given = {name: getattr(self, name) for name in self._arguments}
        self._rendered_later |= rendered_later(self._arguments, given)
        with ShortTraceback(), airflow_errors(self.log, is_folded=True):
            is_split = self._split_args(jinja_env)
            super().render_template_fields(context, jinja_env)
        operator: Any = self
        if is_split and isinstance(operator.args, str) and operator.args not in ABSENT:
            operator.args = [operator.args]

    def _split_args(self, jinja_env: Environment | None) -> bool:
        """Split args that are one string with a template in it, so that a rendered value adds no argument.

        :returns: whether it was such a string. One template alone stays as it is: it may give a list.
        :raises SpecError: for a string that cannot be split.
        """
        from airflow_provider_canfar.operators._templates import exact, may_be_template, split_words

        operator: Any = self
        args = getattr(operator, "args", None)
        env = exact(jinja_env or self.get_template_env())
        if "args" not in self._arguments or not isinstance(args, str) or not may_be_template(env, args):
            return False
        words = split_words(env, args)
        operator.args = args if words == [args] else words
        return True

    def _parsed(self) -> dict[str, Any]:
        """Return what each argument means, once Airflow has rendered them.

        :raises SpecError: for a value that an argument does not take.
        """
        given = self._rendered_later | self._mapped_to_none
        return {
            name: argument.parse_rendered(name, getattr(self, name), is_given=name in given)
            for name, argument in self._arguments.items()
        }

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a template byte for byte; in a word of the command or in a variable as text.

        :raises SpecError: for an argument whose template cannot be rendered.
        """
        from jinja2 import TemplateError

        from airflow_provider_canfar.operators._unrenderable import unrenderable

        try:
            return self._rendered(content, context, jinja_env, seen_oids)
        except TemplateError as error:
            invalid = unrenderable(self, content, error)
            if invalid is None:
                raise
        if not getattr(self, "_BaseOperator__from_mapped", False):
            raise invalid
        # Airflow renders a mapped task without calling render_template_fields.
        with ShortTraceback(), airflow_errors(self.log, is_folded=True):
            raise invalid

    def _rendered(
        self, content: Any, context: Context, jinja_env: Environment | None, seen_oids: set[int] | None
    ) -> Any:
        from airflow_provider_canfar.operators._templates import exact, may_be_template, rendered

        native = partial(
            super().render_template,
            context=context,
            jinja_env=exact(jinja_env or self.get_template_env()),
            seen_oids=seen_oids,
        )
        if not any(content is getattr(self, name, None) for name in TEXT_FIELDS):
            return native(content)
        if isinstance(content, HiddenEnv):
            content = content.content
            if callable(content):
                return content(context=context, jinja_env=jinja_env)
        dag = self.get_dag()
        env = exact(self.get_template_env() if dag is None else dag.get_template_env(force_sandboxed=True))

        def text(source: str) -> str:
            return env.from_string(source).render(context) if may_be_template(env, source) else source

        return rendered(content, text, native)


def has_usual_delimiters(dag: DAG | None) -> bool:
    """Whether templates of a DAG look as Jinja's usually do. Otherwise any text may be one."""
    own = (dag.jinja_environment_kwargs if dag is not None else None) or {}
    return not any(name.endswith(("_start_string", "_prefix")) for name in own)
