"""The server's YAML library, snakeyaml 2, on top of PyYAML, which it is a port of.

Where the two differ, this behaves like snakeyaml: in the characters of an anchor's name (*ScannerImpl*), in
scalars (:mod:`.yaml_scalars`), and in the messages of errors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from yaml.composer import Composer
from yaml.constructor import ConstructorError
from yaml.error import Mark, MarkedYAMLError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner, ScannerError

from airflow_provider_canfar.emulator.job_pipeline.java import JavaError
from airflow_provider_canfar.emulator.job_pipeline.yaml_scalars import SCALARS, plain_tag

if TYPE_CHECKING:
    from yaml.tokens import AliasToken, AnchorToken

PACKAGE = "org.yaml.snakeyaml"
TAG = "tag:yaml.org,2002:"
LINE_BREAKS = "\r\n\x85\u2028\u2029"
BLANK_OR_END = "\0 \t" + LINE_BREAKS


def load(document: str) -> Any:
    """Return a document's value as *SafeConstructor* builds it.

    :raises JavaError: what the library throws.
    """
    try:
        node = _Loader(document).get_single_node()
        return None if node is None else _construct(node)
    except ReaderError as error:
        raise JavaError(f"{PACKAGE}.reader.ReaderException", "special characters are not allowed") from error
    except RecursionError as error:
        raise JavaError(f"{PACKAGE}.error.YAMLException", "Nesting Depth exceeded max 50") from error
    except (OverflowError, ValueError) as error:
        # An escape such as \UFFFFFFFF, which stands for no character.
        raise JavaError(f"{PACKAGE}.scanner.ScannerException", "found unknown escape character") from error
    except MarkedYAMLError as error:
        name = type(error).__name__.removesuffix("Error")
        raise JavaError(f"{PACKAGE}.{name.lower()}.{name}Exception", _message(error)) from error


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's loader up to its nodes, with snakeyaml's rules."""

    ESCAPE_REPLACEMENTS = {  # type: ignore[misc] # the stubs say Final; PyYAML reads it from self
        escape: meaning for escape, meaning in Scanner.ESCAPE_REPLACEMENTS.items() if escape not in "\t/"
    }

    def __init__(self, document: str) -> None:
        Reader.__init__(self, document)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none."""
        if kind is ScalarNode:
            return TAG + (plain_tag(value) if implicit[0] else "str")
        return TAG + ("seq" if kind is SequenceNode else "map")

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose a node; an anchor may be defined twice, and the later definition counts."""
        event = self.peek_event()  # type: ignore[no-untyped-call] # the stubs have no type for it
        if not isinstance(event, AliasEvent):
            self.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)

    def scan_to_next_token(self) -> None:
        """Skip the space between tokens, including a TAB between brackets or braces."""
        super().scan_to_next_token()
        while self.flow_level and self.peek() == "\t":
            self.forward()
            super().scan_to_next_token()

    def scan_anchor(self, token_class: type[AnchorToken | AliasToken]) -> AnchorToken | AliasToken:
        """Scan the name of an anchor or an alias, which may contain nearly any character."""
        start = self.get_mark()
        context = f"while scanning an {'alias' if self.peek() == '*' else 'anchor'}"
        self.forward()
        length = 0
        while self.peek(length) not in BLANK_OR_END + ":,[]{}/.*&":
            length += 1
        name = self.prefix(length)
        self.forward(length)
        after = self.peek()
        if not name or after not in BLANK_OR_END + "?:,]}%@`":
            problem = f"unexpected character found {after}({ord(after)})"
            raise ScannerError(context, start, problem, self.get_mark())
        return token_class(name, start, self.get_mark())

    def scan_plain_spaces(self, indent: int, start_mark: Mark) -> list[str] | None:
        """Scan the space within a plain scalar, where a TAB counts as a space, too."""
        length = 0
        while self.peek(length) in " \t":
            length += 1
        spaces = self.prefix(length)
        self.forward(length)
        if self.peek() not in LINE_BREAKS:
            return [spaces] if spaces else []
        first = self._scan_break()
        self.allow_simple_key = True
        if self._at_document_mark():
            return None
        others = []
        while self.peek() in " " + LINE_BREAKS:
            if self.peek() == " ":
                self.forward()
                continue
            others.append(self._scan_break())
            if self._at_document_mark():
                return None
        if first == "\n":
            return others or [" "]
        return [first, *others]

    def _scan_break(self) -> str:
        return str(self.scan_line_break())  # type: ignore[no-untyped-call] # the stubs have no type for it

    def _at_document_mark(self) -> bool:
        return self.prefix(3) in ("---", "...") and self.peek(3) in BLANK_OR_END


def _message(error: MarkedYAMLError) -> str:
    """Return an error's message as *MarkedYAMLException* writes it."""
    problem = error.problem or ""
    problem = re.sub(r"but got '(.*)'$", r"but got \1", problem)
    problem = re.sub(
        r"^(found unknown escape character|expected chomping or indentation indicators, but found) '(.)'$",
        lambda match: f"{match[1]} {match[2]}({ord(match[2])})",
        problem,
    )
    problem = re.sub(r"^found undefined alias '(.*)'$", r"found undefined alias \1", problem)
    problem = re.sub(
        r"^found character '(.*)' that cannot start any token$",
        lambda match: (
            f"found character '{_display(match[1])}' that cannot start any token."
            f" (Do not use {_display(match[1])} for indentation)"
        ),
        problem,
    )
    lines = [error.context, _location(error.context_mark), problem, _location(error.problem_mark)]
    return "".join(f"{line}\n" for line in lines if line)


def _display(character: str) -> str:
    return "\\t(TAB)" if character == "\\t" else character


def _location(mark: Mark | None) -> str | None:
    if mark is None:
        return None
    return f" in 'reader', line {mark.line + 1}, column {mark.column + 1}:\n{mark.get_snippet()}"


def _construct(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {_key(_construct(key)): _construct(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_construct(item) for item in node.value]
    make = SCALARS.get(node.tag.removeprefix(TAG))
    if make is None:
        problem = f"could not determine a constructor for the tag {node.tag}"
        raise ConstructorError(None, None, problem, node.start_mark)
    return make(node.value)


def _key(key: Any) -> Any:
    """Return a hashable key; a Job's fields have no other keys."""
    return key if isinstance(key, str | int | float | None) else repr(key)
