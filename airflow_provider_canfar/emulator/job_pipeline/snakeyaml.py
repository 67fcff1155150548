"""The server's YAML library, snakeyaml 2, on PyYAML, which it was made after.

Where the two differ, this is snakeyaml: which words without quotes are numbers (*Resolver*), what may stand
in a name without quotes (*ScannerImpl*), what comes of them (*SafeConstructor*), and the words of its errors.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
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

from airflow_provider_canfar.emulator.job_pipeline.java import JavaError, string

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yaml.tokens import AliasToken, AnchorToken

PACKAGE = "org.yaml.snakeyaml"
TAG = "tag:yaml.org,2002:"
LINE_BREAKS = "\r\n\x85\u2028\u2029"
ENDS_OF_WORDS = "\0 \t" + LINE_BREAKS

PLAIN_TAGS: Mapping[str, re.Pattern[str]] = {
    "bool": re.compile("yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"),
    "int": re.compile(
        r"[-+]?0b_*[0-1][0-1_]*|[-+]?0_*[0-7][0-7_]*|[-+]?(?:0|[1-9][0-9_]*)"
        r"|[-+]?0x_*[0-9a-fA-F][0-9a-fA-F_]*|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+"
    ),
    "float": re.compile(
        r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
    "merge": re.compile("<<"),
    "null": re.compile("~|null|Null|NULL| |"),
    "timestamp": re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
        r"(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?"
    ),
}
"""What a word without quotes is, in the order in which *Resolver* tries; otherwise it is a string."""

TIMESTAMP = re.compile(
    r"(\d+)-(\d+)-(\d+)(?:[Tt\s]+(\d+):(\d+):(\d+)(?:\.(\d*))?\s*(?:Z|([-+])(\d+)(?::(\d+))?)?)?"
)


def plain_tag(word: str) -> str:
    """Return what a word without quotes is: a key of :data:`PLAIN_TAGS`, or ``str``."""
    return next((tag for tag, pattern in PLAIN_TAGS.items() if pattern.fullmatch(word)), "str")


def load(document: str) -> Any:
    """Return what *SafeConstructor* makes of a document.

    :raises JavaError: as the library throws.
    """
    try:
        node = _Loader(document).get_single_node()
        return None if node is None else _construct(node)
    except ReaderError as error:
        raise JavaError(f"{PACKAGE}.reader.ReaderException", "special characters are not allowed") from error
    except RecursionError as error:
        raise JavaError(f"{PACKAGE}.error.YAMLException", "Nesting Depth exceeded max 50") from error
    except (OverflowError, ValueError) as error:
        # An escape such as \UFFFFFFFF, for which there is no character.
        raise JavaError(f"{PACKAGE}.scanner.ScannerException", "found unknown escape character") from error
    except MarkedYAMLError as error:
        name = type(error).__name__.removesuffix("Error")
        raise JavaError(f"{PACKAGE}.{name.lower()}.{name}Exception", _in_its_words(error)) from error


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's loader up to its nodes, changed to snakeyaml's."""

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
        """Give a node without a tag one."""
        if kind is ScalarNode:
            return TAG + (plain_tag(value) if implicit[0] else "str")
        return TAG + ("seq" if kind is SequenceNode else "map")

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose a node; an anchor may be given twice, and the later one counts."""
        event = self.peek_event()  # type: ignore[no-untyped-call] # the stubs have no type for it
        if not isinstance(event, AliasEvent):
            self.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)

    def scan_to_next_token(self) -> None:
        """Skip the space between tokens, and a TAB between brackets or braces."""
        super().scan_to_next_token()
        while self.flow_level and self.peek() == "\t":
            self.forward()
            super().scan_to_next_token()

    def scan_anchor(self, token_class: type[AnchorToken | AliasToken]) -> AnchorToken | AliasToken:
        """Scan an anchor's or an alias' name, which may have nearly any character."""
        start = self.get_mark()
        context = f"while scanning an {'alias' if self.peek() == '*' else 'anchor'}"
        self.forward()
        length = 0
        while self.peek(length) not in ENDS_OF_WORDS + ":,[]{}/.*&":
            length += 1
        name = self.prefix(length)
        self.forward(length)
        after = self.peek()
        if not name or after not in ENDS_OF_WORDS + "?:,]}%@`":
            problem = f"unexpected character found {after}({ord(after)})"
            raise ScannerError(context, start, problem, self.get_mark())
        return token_class(name, start, self.get_mark())

    def scan_plain_spaces(self, indent: int, start_mark: Mark) -> list[str] | None:
        """Scan the space within a text without quotes, where a TAB is a space too."""
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
        return self.prefix(3) in ("---", "...") and self.peek(3) in ENDS_OF_WORDS


def _in_its_words(error: MarkedYAMLError) -> str:
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
            f"found character '{_shown(match[1])}' that cannot start any token."
            f" (Do not use {_shown(match[1])} for indentation)"
        ),
        problem,
    )
    lines = [error.context, _place(error.context_mark), problem, _place(error.problem_mark)]
    return "".join(f"{line}\n" for line in lines if line)


def _shown(character: str) -> str:
    return "\\t(TAB)" if character == "\\t" else character


def _place(mark: Mark | None) -> str | None:
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
    """Return a key that a dict takes; no map with others has a meaning in a Job."""
    return key if isinstance(key, str | int | float | None) else repr(key)


def _bool(word: str) -> bool:
    return word.lower() in ("yes", "true", "on")


def _int(word: str) -> int:
    sign, digits = _signed(word)
    if ":" in digits:
        return sign * int(_sexagesimal(digits))
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") else 10)


def _float(word: str) -> float:
    sign, digits = _signed(word.lower())
    if digits in (".inf", ".nan"):
        return sign * float(digits[1:])
    try:
        return sign * (_sexagesimal(digits) if ":" in digits else float(digits))
    except ValueError:
        raise JavaError("java.lang.NumberFormatException", f'For input string: "{digits}"') from None


def _signed(word: str) -> tuple[int, str]:
    digits = word.replace("_", "")
    return (-1 if digits.startswith("-") else 1), digits.lstrip("+-")


def _sexagesimal(digits: str) -> float:
    total = 0.0
    for part in digits.split(":"):
        total = total * 60 + float(part)
    return total


def _binary(word: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\s", "", word))
    except binascii.Error as error:
        raise JavaError("java.lang.IllegalArgumentException", str(error)) from error


def _timestamp(word: str) -> datetime:
    """Return a time, with the lenience of Java's calendar: a 13th month begins the next year."""
    match = TIMESTAMP.fullmatch(word)
    assert match is not None  # noqa: S101 - for mypy: the pattern of the tag has matched
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, sign, hours, minutes = match.groups()[6:]
    years, month = divmod(month - 1, 12)
    start = datetime(year + years, month + 1, 1, tzinfo=UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    milliseconds = int(f"{fraction or ''}000"[:3])
    passed = timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second, milliseconds=milliseconds)
    return start + passed - offset


SCALARS: Mapping[str, Callable[[str], Any]] = {
    "str": string,
    "null": lambda _: None,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "binary": _binary,
    "timestamp": _timestamp,
}
