"""A task's environment variables: Airflow finds the tasks that they come from, and stores no value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

# Airflow asks every ResolveMixin in a template field for the tasks that it refers to. It has no public name.
from airflow.sdk.definitions._internal.mixins import ResolveMixin

from airflow_provider_canfar.skaha.secret import HIDDEN, concealed

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Operator


class HiddenEnv(ResolveMixin, MutableMapping[str, Any]):
    """Environment variables whose values may be secret.

    Airflow stores the template fields of a task, before and after it renders them. Of this one it stores the
    names only.

    >>> HiddenEnv({"TOKEN": "secret"})
    {'TOKEN': '***'}

    :param content: a mapping, or what Airflow renders to one: another task's output, or a template.
    """

    def __init__(self, content: Any) -> None:
        if isinstance(content, HiddenEnv):
            content = content.content
        # Error reporters print the variables of the frames that a value passes through, too.
        self.content: Any = concealed(content) if isinstance(content, Mapping) else content

    @property
    def _variables(self) -> dict[str, Any]:
        """The variables; none before another task's output is known."""
        return self.content if isinstance(self.content, dict) else {}

    def __getitem__(self, name: str) -> Any:
        return self._variables[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(self.content, dict):
            raise TypeError("The variables come from another task or a template: set env as a whole.")
        self.content[name] = concealed(value)

    def __delitem__(self, name: str) -> None:
        del self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __bool__(self) -> bool:
        # Airflow does not render what is false.
        return bool(self.content)

    def __repr__(self) -> str:
        return repr(self.serialize())

    def serialize(self) -> dict[str, str] | str:
        """Return what Airflow may store."""
        return {str(name): HIDDEN for name in self} if isinstance(self.content, dict) else HIDDEN

    def iter_references(self) -> Iterable[tuple[Operator, str]]:
        """Yield the tasks whose output stands in the variables, and the key of each output."""
        from airflow.sdk import XComArg

        yield from XComArg.iter_xcom_references(self.content)

    def resolve(self, context: Context) -> Any:
        """Return the variables as they are: the operator renders them."""
        return self
