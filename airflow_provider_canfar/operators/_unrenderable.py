"""Templates that cannot be rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import TemplateError

    from airflow_provider_canfar.skaha.errors import SpecError


def unrenderable(operator: Any, content: Any, error: TemplateError) -> SpecError | None:
    """Return what to say of an argument whose template cannot be rendered; None for a part of one.

    An argument is rendered part by part, each by the same method of the operator.
    """
    from airflow_provider_canfar.skaha.errors import SpecError

    argument = next(
        (one for one in operator.template_fields if getattr(operator, one, None) is content), None
    )
    if argument is None:
        return None
    reason = str(error.message).rstrip(".")
    return SpecError(
        f"Invalid {argument}: its template cannot be rendered: {reason}. Correct the template, or write "
        "{% raw %}...{% endraw %} around text that is none."
    )
