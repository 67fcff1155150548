r"""Templates in a command and in its variables: rendered as text, no matter what the DAG prefers. Pure.

A DAG may render its templates as native objects. Airflow then evaluates every text as Python, even one
without a template: 3.1 for ``3.10``, ``ab`` for ``'a' 'b'``, and nothing for an empty argument.

Jinja, too, changes text that stands outside of expressions: it drops a last newline, and makes ``\n`` of
``\r\n`` and ``\r``. Here that text stays as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

if TYPE_CHECKING:
    from jinja2 import Environment


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


def exact(env: Environment) -> Environment:
    r"""Return an environment whose templates keep the text outside of their expressions byte for byte.

    >>> from jinja2 import Environment
    >>> exact(Environment()).from_string("{{ 1 + 1 }}\r\n").render()
    '2\r\n'

    :param env: the environment with the DAG's filters and macros; it stays as it is.
    """
    if KeepCarriageReturns.identifier in env.extensions:
        return env
    return env.overlay(keep_trailing_newline=True, extensions=[KeepCarriageReturns])


def may_be_template(env: Environment, source: str) -> bool:
    """Whether Jinja finds anything to render in a text; compiling one costs a millisecond."""
    begins = (env.variable_start_string, env.block_start_string, env.comment_start_string)
    has_line_statements = env.line_statement_prefix or env.line_comment_prefix
    return bool(has_line_statements) or any(begin in source for begin in begins)


class KeepCarriageReturns(Extension):
    """Keeps the carriage returns of a template, for which Jinja's lexer has no option.

    White space stands in for them while the lexer runs, so that those inside an expression do no harm.
    """

    _stand_in = ""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Replace the carriage returns before the lexer sees them."""
        inner = "\x1d"
        while (stand_in := f"\x1c{inner}\x1e") in source:
            inner += "\x1d"
        self._stand_in = stand_in
        return source.replace("\r", stand_in)

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Put them back into the text; in a string of an expression a line ends as Jinja has it."""
        for token in stream:
            value = token.value
            if token.type == "data":
                value = value.replace(self._stand_in, "\r")
            elif token.type == "string":
                value = value.replace(f"{self._stand_in}\n", "\n").replace(self._stand_in, "\n")
            yield Token(token.lineno, token.type, value)
