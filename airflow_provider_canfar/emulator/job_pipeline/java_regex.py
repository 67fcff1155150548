"""Java's *String.replaceAll*, whose replacement has a syntax of its own.

The server passes the user's text as the replacement (*SessionJobBuilder.setConfigValue*). A backslash there
quotes the next character, and a dollar sign refers to a group of the regular expression, which has none.
"""

from __future__ import annotations

from airflow_provider_canfar.emulator.job_pipeline.java import JavaError

ASCII_ALNUM = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
ILLEGAL_ARGUMENT = "java.lang.IllegalArgumentException"


def replace_all(document: str, key: str, value: str) -> str:
    """Return a document with every ``${key}`` replaced.

    :param key: the placeholder's name; taken literally, as the server quotes it well enough.
    :param value: the replacement, in Java's syntax.
    :raises JavaError: as *Matcher.appendExpandedReplacement* throws.
    """
    placeholder = f"${{{key}}}"
    if placeholder not in document:
        return document
    return document.replace(placeholder, expand(value, whole=placeholder))


def expand(replacement: str, *, whole: str) -> str:
    """Return the text that a replacement produces, in a regular expression without groups.

    :param whole: the text that the expression matched: group 0.
    :raises JavaError: for an unknown group, and an incomplete reference.
    """
    pieces = []
    at = 0
    while at < len(replacement):
        character = replacement[at]
        if character == "\\":
            at += 1
            if at == len(replacement):
                raise JavaError(ILLEGAL_ARGUMENT, "character to be escaped is missing")
            pieces.append(replacement[at])
            at += 1
        elif character == "$":
            at = _after_reference(replacement, at + 1)
            pieces.append(whole)
        else:
            pieces.append(character)
            at += 1
    return "".join(pieces)


def _after_reference(replacement: str, at: int) -> int:
    """Return the index after a reference to group 0, the only group.

    :param at: the index after the dollar sign.
    """
    if at == len(replacement):
        raise JavaError(ILLEGAL_ARGUMENT, "Illegal group reference: group index is missing")
    if replacement[at] == "{":
        raise _no_named_group(replacement, at + 1)
    if not (replacement[at].isascii() and replacement[at].isdigit()):
        raise JavaError(ILLEGAL_ARGUMENT, "Illegal group reference")
    if replacement[at] != "0":
        raise JavaError("java.lang.IndexOutOfBoundsException", f"No group {replacement[at]}")
    at += 1
    # Java reads further digits while they name an existing group: more zeros, and nothing else.
    while at < len(replacement) and replacement[at] == "0":
        at += 1
    return at


def _no_named_group(replacement: str, start: int) -> JavaError:
    end = start
    while end < len(replacement) and replacement[end] in ASCII_ALNUM:
        end += 1
    name = replacement[start:end]
    if not name:
        return JavaError(ILLEGAL_ARGUMENT, "named capturing group has 0 length name")
    if replacement[end : end + 1] != "}":
        return JavaError(ILLEGAL_ARGUMENT, "named capturing group is missing trailing '}'")
    if name[0].isdigit():
        return JavaError(ILLEGAL_ARGUMENT, f"capturing group name {{{name}}} starts with digit character")
    return JavaError(ILLEGAL_ARGUMENT, f"No group with name {{{name}}}")
