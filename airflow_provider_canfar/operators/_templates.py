"""Templates in a command and in its variables: rendered as text, no matter what the DAG prefers. Pure.

A DAG may render its templates as native objects. Airflow then evaluates every text as Python, even one
without a template: 3.1 for ``3.10``, ``ab`` for ``'a' 'b'``, and nothing for an empty argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def rendered(content: Any, text: Callable[[str], str], native: Callable[[Any], Any]) -> Any:
    """Render arguments, or variables, each as text.

    :param content: one string, or a list or a mapping of them; Airflow resolves anything else in it.
    :param text: renders a template as text.
    :param native: renders as the DAG prefers, so that one template may give the whole list.
    """
    if isinstance(content, str):
        words = text(content)
        whole = native(content) if words != content else None
        return whole if isinstance(whole, list | tuple | Mapping) else words
    if isinstance(content, list | tuple):
        return [text(word) if isinstance(word, str) else native(word) for word in content]
    if isinstance(content, Mapping):
        return {
            name: text(value) if isinstance(value, str) else native(value) for name, value in content.items()
        }
    return native(content)
