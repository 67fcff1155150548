r"""Templates in a command and in its variables: rendered as text, no matter what the DAG prefers. Pure.

A DAG may render its templates as native objects. Airflow then evaluates every text as Python, even one
without a template: 3.1 for ``3.10``, ``ab`` for ``'a' 'b'``, and nothing for an empty argument.

A string of arguments is split into words before any of its templates is rendered: a value that somebody else
gives stays within its word, whatever spaces and quotes are in it.

Jinja, too, changes text that stands outside of expressions: it drops a last newline, and makes ``\n`` of
``\r\n`` and ``\r``. Here that text stays as it was written.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from airflow_provider_canfar.skaha.errors import SpecError

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


def split_words(env: Environment, source: str) -> list[str]:
    """Split a string as a POSIX shell does, before it is rendered; a template in it is a part of a word.

    >>> from jinja2 import Environment
    >>> split_words(Environment(), "--title {{ params.title }} --size='{{ 2 * 3 }} px'")
    ['--title', '{{ params.title }}', '--size={{ 2 * 3 }} px']

    :param env: its delimiters say what a template is.
    :raises SpecError: for a quote that is not closed, and for a block that begins in one word and ends in
        another.
    :raises TemplateSyntaxError: for a template that is not one.
    """
    env.parse(source)
    stand_in = KeepCarriageReturns(env)
    templates: list[str] = []
    text, depth = "", 0
    # Numbers between private characters stand for the templates while the shell's rules are applied.
    mark = next(one for one in map(chr, range(0xE000, 0x110000)) if one not in source)
    for _, token, value in env.lex(stand_in.preprocess(source, None)):
        original = stand_in.restore(value)
        begins, ends = token.endswith("_begin"), token.endswith("_end")
        if begins and depth == 0:
            templates.append("")
            text += f"{mark}{len(templates) - 1}{mark}"
        depth += begins
        if depth:
            templates[-1] += original
        else:
            text += original
        depth -= ends
    words = []
    try:
        for word in shlex.split(text):
            parts = word.split(mark)
            parts[1::2] = [templates[int(number)] for number in parts[1::2]]
            words.append("".join(parts))
            env.parse(words[-1])
    except ValueError as error:
        raise SpecError(
            f"Invalid args: a shell cannot split it ({error}). Give a list with one string for each argument."
        ) from None
    except TemplateSyntaxError as error:
        raise SpecError(
            f"Invalid args: it is split into words before its templates are rendered, and a block spans "
            f"several words ({error.message}). Put the block in quotes, or give a list with one string for "
            "each argument."
        ) from None
    return words


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

    def restore(self, text: str) -> str:
        """Put the carriage returns back into what the lexer has read."""
        return text.replace(self._stand_in, "\r") if self._stand_in else text

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Put them back into the text; in a string of an expression a line ends as Jinja has it."""
        for token in stream:
            value = token.value
            if token.type == "data":
                value = self.restore(value)
            elif token.type == "string":
                value = value.replace(f"{self._stand_in}\n", "\n").replace(self._stand_in, "\n")
            yield Token(token.lineno, token.type, value)
