"""The parameters of a command, and the commands that are rejected."""

from __future__ import annotations

import base64
import copy
import os
import pickle
import re
import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.command.bootstrap import script
from airflow_provider_canfar.skaha.command.encoding import CommandEncoding, Parameters, encode
from airflow_provider_canfar.skaha.command.limits import MAX_STRING_BYTES
from airflow_provider_canfar.skaha.command.passthrough import (
    PLATFORM_NAMES,
    name_problem,
    value_problem,
    word_problem,
)
from airflow_provider_canfar.skaha.errors import SpecError

THOROUGH = bool(os.environ.get("CANFAR_THOROUGH"))

# Characters that some layer between here and the program splits, drops, expands or folds; and any others.
CHARACTERS = st.sampled_from("'\"\\$`#!*~{},;&%() \t\n\r\x1b\x85\u2028é😀=-nY0o17xa") | st.characters(
    exclude_categories=["Cs"], exclude_characters="\0"
)
TEXTS = st.text(CHARACTERS, max_size=12)
PROGRAMS = TEXTS.filter(lambda text: text and not (text.startswith("-") and "=" in text))
NAMES = st.one_of(
    st.sampled_from(
        ["A", "PATH", "N", "ON", "null", "a.b", "UID", "IFS", "-", "1", "é", *sorted(PLATFORM_NAMES)]
    ),
    TEXTS.map(lambda text: text.replace("=", "")).filter(bool),
)


def as_the_server_reads_it(parameters: Parameters) -> tuple[list[str], dict[str, str]]:
    """Split as PostAction.getHeadlessImageBundle does, after making sure that nothing else is done to it."""
    for text in (parameters.cmd or "", parameters.args or "", *(value for _, value in parameters.env)):
        assert text.isascii()
        assert not set(text) & set('"\\$\n\r')
    words = [] if parameters.cmd is None else [parameters.cmd]
    if parameters.args is not None:
        words += parameters.args.split(" ")
        assert words[-1], "the server drops empty words at the end"
    for pair in parameters.env:
        assert all(text and "=" not in text for text in pair), "the server drops such a variable"
    return words, dict(parameters.env)


def as_the_program_gets_it(parameters: Parameters) -> tuple[list[str], dict[str, str]]:
    """Read what the server delivers, and what the bootstrap makes of it, without the help of a shell."""
    words, env = as_the_server_reads_it(parameters)
    if words[:2] != ["/bin/sh", "-c"]:
        return words, env
    _, _, outer, shell, *chunks = words
    assert outer.startswith("{\teval\t`echo\t")
    assert shell == "sh"
    *before, command = base64.b64decode("".join(chunks)).decode().rsplit("exec env --", 1)
    steps = "".join(before)
    operands = shlex.split(command)
    if steps:
        assert operands.pop(0) == "$@"
    if "CANFAR_ENV" in steps:
        names = re.findall("unset ([A-Z0-9_ ]+);", steps)[0].split()
        packed = "".join(env.pop(name).removeprefix("v") for name in names)
        env |= as_the_shell_unpacks_it(base64.b64decode(packed, validate=True).decode())
    assert ("command -v nice" in steps) is ("=" in operands[0] or operands[0] == "-")
    return operands, env


def as_the_shell_unpacks_it(script: str) -> dict[str, str]:
    """Read the variables that a packed script exports, and those that it leaves for env(1)."""
    lexer = shlex.shlex(script, posix=True, punctuation_chars=";")
    lexer.whitespace_split, lexer.commenters = True, ""
    assignments = [word for word in lexer if word not in ("export", ";", "set", "--")]
    return dict(assignment.split("=", 1) for assignment in assignments)


@settings(max_examples=5_000 if THOROUGH else 300, deadline=None)
@given(
    program=PROGRAMS,
    arguments=st.lists(TEXTS, max_size=5),
    env=st.dictionaries(NAMES, TEXTS, max_size=4),
    command_encoding=st.sampled_from(["auto", "bootstrap"]),
)
def test_a_command_arrives_as_written(
    program: str, arguments: list[str], env: dict[str, str], command_encoding: str
) -> None:
    argv = [program, *arguments]
    parameters = encode(command=argv, env=env, command_encoding=command_encoding)
    assert as_the_program_gets_it(parameters) == (argv, env)


@settings(max_examples=5_000 if THOROUGH else 300, deadline=None)
@given(
    argv=st.lists(TEXTS.filter(bool), min_size=1, max_size=3), env=st.dictionaries(NAMES, TEXTS, max_size=2)
)
def test_plain_sends_words_unchanged_or_rejects_them(argv: list[str], env: dict[str, str]) -> None:
    """And ``auto`` agrees with it on what needs no bootstrap."""
    try:
        parameters = encode(command=argv, env=env, command_encoding="plain")
    except SpecError:
        assert encode_or_none(argv, env) in (None, "/bin/sh")
    else:
        assert (parameters.cmd, parameters.args) == (argv[0], " ".join(argv[1:]) or None)
        assert parameters.env == tuple(env.items())
        assert encode(command=argv, env=env) == parameters


def encode_or_none(argv: list[str], env: dict[str, str]) -> str | None:
    try:
        return encode(command=argv, env=env).cmd
    except SpecError:
        return None


@pytest.mark.parametrize("command_encoding", ["auto", CommandEncoding.AUTO, "plain", CommandEncoding.PLAIN])
def test_a_simple_command_looks_simple_in_the_portal(command_encoding: str) -> None:
    parameters = encode(
        command=["python3", "/arc/home/jdoe/run.py", "--tile=7", "3.5"],
        env={"BAND": "r", "NOTE": "first light (2026)"},
        command_encoding=command_encoding,
    )
    assert parameters == Parameters(
        "python3", "/arc/home/jdoe/run.py --tile=7 3.5", (("BAND", "r"), ("NOTE", "first light (2026)"))
    )


def test_a_command_and_the_clients_cmd_and_args_are_the_same() -> None:
    expected = encode(command=["echo", "a b", "c"])
    assert encode(cmd="echo", args=["a b", "c"]) == expected
    assert encode(cmd="echo", args=("a b", "c")) == expected
    assert encode(cmd="echo", args="'a b' c") == expected


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("-c 'print(1)'", ["-c", "print(1)"]),
        ('--title="M 31" x', ["--title=M 31", "x"]),
        (r"a\ b c", ["a b", "c"]),
        ("  a   b ", ["a", "b"]),
        ("a '' b", ["a", "", "b"]),
        ("a #b $HOME *", ["a", "#b", "$HOME", "*"]),
    ],
)
def test_a_string_of_args_is_split_as_a_shell_splits_words(args: str, words: list[str]) -> None:
    """It splits and removes quotes, but expands nothing."""
    assert as_the_program_gets_it(encode(cmd="prog", args=args)) == (["prog", *words], {})


@pytest.mark.parametrize("args", [None, "", " ", [], ()])
def test_no_arguments_are_no_parameter(args: Any) -> None:
    """An empty ``args`` would be one empty argument to the server."""
    assert encode(cmd="date", args=args).args is None


def test_one_empty_argument_is_not_none_at_all() -> None:
    assert as_the_program_gets_it(encode(cmd="prog", args=[""])) == (["prog", ""], {})


def test_the_images_own_entry_point_accepts_plain_words_and_variables() -> None:
    assert encode() == Parameters(None, None, ())
    assert encode(args=["--all", "7"], env={"A": "b"}) == Parameters(None, "--all 7", (("A", "b"),))


@pytest.mark.parametrize("command_encoding", ["auto", "plain", "bootstrap"])
@pytest.mark.parametrize(
    "fields", [{"args": ["a b"]}, {"args": "'a b'"}, {"env": {"A": "b=c"}}, {"env": {"HOME": "/x"}}]
)
def test_arguments_that_cannot_reach_an_entry_point_are_rejected_with_a_way_out(
    fields: dict[str, Any], command_encoding: str
) -> None:
    with pytest.raises(SpecError, match=r"entry point runs.* Name the program in command"):
        encode(**fields, command_encoding=command_encoding)


def test_a_bootstrap_needs_a_program() -> None:
    with pytest.raises(SpecError, match=r"needs a program to start.* Name the program in command"):
        encode(args=["plain"], command_encoding="bootstrap")


@pytest.mark.parametrize("command_encoding", ["bootstrap", CommandEncoding.BOOTSTRAP])
def test_a_bootstrap_can_be_requested(command_encoding: str) -> None:
    parameters = encode(command=["true"], command_encoding=command_encoding)
    assert parameters.cmd == "/bin/sh"
    assert as_the_program_gets_it(parameters) == (["true"], {})


@pytest.mark.parametrize("name", [*sorted(PLATFORM_NAMES), "PATH", "LD_PRELOAD", "LC_ALL", "CANFAR_ENV_1"])
def test_variables_that_the_platform_or_a_shell_would_change_are_packed(name: str) -> None:
    """Outside, the platform's own would win; and the user's PATH might hide the bootstrap's programs."""
    parameters = encode(command=["a b"], env={name: "mine"})
    assert [one for one, _ in parameters.env] == ["CANFAR_ENV_1"]
    assert as_the_program_gets_it(parameters) == (["a b"], {name: "mine"})


def test_plain_variables_stay_readable_beside_a_bootstrap() -> None:
    """So the portal's administrators see them, and the replicas of one launch differ in nothing else."""
    one, two = (
        encode(command=["a b"], env={"REPLICA_ID": n, "REPLICA_COUNT": "2", "A": "b c"}) for n in "12"
    )
    assert one.env == (("REPLICA_ID", "1"), ("REPLICA_COUNT", "2"), ("A", "b c"))
    assert two.env == (("REPLICA_ID", "2"), ("REPLICA_COUNT", "2"), ("A", "b c"))
    assert one.args == two.args


@settings(max_examples=5_000 if THOROUGH else 300, deadline=None)
@given(env=st.dictionaries(NAMES, TEXTS, max_size=4), value=TEXTS)
def test_arguments_do_not_depend_on_any_value(env: dict[str, str], value: str) -> None:
    """Everyone on a node sees the arguments of its processes."""
    env |= {"PACKED": "a=b"}
    one = encode(command=["prog"], env=env)
    other = encode(command=["prog"], env={**dict.fromkeys(env, value), "PACKED": "=" * 90})
    assert one.args == other.args


@settings(max_examples=5_000 if THOROUGH else 300, deadline=None)
@given(
    argv=st.lists(TEXTS, min_size=1, max_size=3).map(lambda words: ["prog", *words]),
    env=st.dictionaries(NAMES, TEXTS, max_size=4),
    size=st.sampled_from([0, 100_000]),
)
def test_every_variable_that_is_sent_is_plain(argv: list[str], env: dict[str, str], size: int) -> None:
    """The server changes none of them, packed or not."""
    parameters = encode(command=argv, env={**env, "LONG": "=" * size})
    assert len({name for name, _ in parameters.env}) == len(parameters.env)
    for name, value in parameters.env:
        assert name_problem(name) is None
        assert value_problem(value) is None
        assert len(f"{name}={value}") <= MAX_STRING_BYTES


def test_a_long_command_is_split_into_arguments_that_linux_accepts() -> None:
    argv = ["prog", *("x" * 100_000 for _ in range(9))]
    parameters = encode(command=argv)
    words, _ = as_the_server_reads_it(parameters)
    chunks = words[4:]
    assert len(chunks) > 1
    assert max(map(len, chunks)) <= 100_000
    assert min(map(len, chunks)) > 50_000, "a short one might be read as a number"
    assert as_the_program_gets_it(parameters) == (argv, {})


def test_no_chunk_is_a_word_that_would_not_arrive() -> None:
    """Around the length at which there are two, no last chunk is ``n`` or ``0o17``."""
    counts = set()
    for length in range(74_900, 75_000):
        words, _ = as_the_server_reads_it(
            encode(command=["prog", "x" * length], command_encoding="bootstrap")
        )
        assert not any(map(word_problem, words[4:]))
        counts.add(len(words[4:]))
    assert counts == {1, 2}


def test_more_variables_than_tomcat_reads_parameters_are_packed() -> None:
    env = {f"V{index}": "x" for index in range(10_000)}
    parameters = encode(command=["prog"], env=env)
    assert len(parameters.env) < 10
    assert as_the_program_gets_it(parameters) == (["prog"], env)
    with pytest.raises(SpecError, match="10,000 variables, and the server reads only 9,900"):
        encode(command=["prog"], env=env, command_encoding="plain")


def test_a_long_value_is_packed_into_several_variables() -> None:
    env = {"A": "=" * 131_069, "B": "é" * 65_534}
    parameters = encode(command=["prog"], env=env)
    assert [name for name, _ in parameters.env] == [f"CANFAR_ENV_{number}" for number in range(1, 5)]
    assert as_the_program_gets_it(parameters) == (["prog"], env)


def test_the_line_that_becomes_the_command_can_be_read() -> None:
    assert script(["python", "-c", "print('hi')"]) == r"""exec env -- 'python' '-c' 'print('\''hi'\'')'"""
    assert script(["prog"], ["CANFAR_ENV_1", "CANFAR_ENV_2"]) == (
        ': "${CANFAR_ENV_1?}" "${CANFAR_ENV_2?}";eval "unset CANFAR_ENV_1 CANFAR_ENV_2;'
        '$(echo "${CANFAR_ENV_1#v}${CANFAR_ENV_2#v}"|base64 -d)";exec env -- "$@" \'prog\''
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"command": ["true"], "cmd": "true"}, "Invalid command together with cmd or args"),
        ({"command": ["true"], "args": ["x"]}, "Invalid command together with cmd or args"),
        ({"command": "echo hi"}, r"Invalid command: must be a list.*shlex.split\(command\)"),
        ({"command": []}, "Invalid command: must not be empty. Name a program, or omit command"),
        ({"command": b"true"}, "Invalid command: must be a list, not bytes. Give a list"),
        ({"command": {"true"}}, "Invalid command: must be a list, not set. Give a list"),
        ({"command": 7}, "Invalid command: must be a list, not int. Give a list"),
        ({"command": ["echo", 7]}, r"Invalid command\[1\]: must be a string, not int. Use str\(\)"),
        ({"command": ["echo", None]}, r"Invalid command\[1\]: must be a string, not NoneType"),
        ({"command": [""]}, r"Invalid command\[0\]: must not be empty. Name a program"),
        ({"command": ["", "x"]}, r"Invalid command\[0\]: must not be empty"),
        ({"command": ["a\0"]}, r"Invalid command\[0\]: must not contain a NUL"),
        ({"command": ["a", "\udcff"]}, r"Invalid command\[1\]: .* lone surrogate at index 0"),
        (
            {"command": ["a", "x" * 131_072]},
            r"Invalid command\[1\]: must have at most 131,071 bytes, .* it has 131,072",
        ),
        ({"command": ["a", *["'" * 130_000] * 3]}, "Invalid command: once encoded, .* about 1 MB as written"),
        ({"command": ["a", *["?>~" * 40_000] * 9]}, "at most 1,400,000 bytes, and 2,088,960 in a form"),
        ({"command": ["-x=1", "a b"]}, r"Invalid program '-x=1'.*such as './-x=1'"),
        ({"cmd": ""}, "Invalid cmd: must not be empty. Name a program"),
        ({"cmd": 7}, "Invalid cmd: must be a string, not int"),
        ({"cmd": ["echo"]}, "Invalid cmd: must be a string, not list"),
        (
            {"cmd": "echo", "args": "it's"},
            r"Invalid args: a shell cannot split it \(No closing quotation\). Give a list",
        ),
        ({"cmd": "echo", "args": 7}, "Invalid args: must be a list, not int. Give a list"),
        ({"cmd": "echo", "args": ["a", 7]}, r"Invalid args\[1\]: must be a string, not int"),
        ({"cmd": "echo", "args": ["a\0"]}, r"Invalid args\[0\]: must not contain a NUL"),
        ({"env": ["A=b"]}, "Invalid env: must be a mapping, not list. Give a mapping"),
        ({"env": {"A": 7}}, r"Invalid env\['A'\]: must be a string, not int"),
        ({"env": {7: "A"}}, "Invalid name in env: must be a string, not int"),
        ({"env": {"": "x"}}, "Invalid name in env '': must not be empty or contain '='"),
        ({"env": {"A=B": "x"}}, "Invalid name in env starting with 'A': must not be empty or contain '='"),
        ({"cmd": "x", "env": {"A\0": "x"}}, r"Invalid env\['A\\x00'\]: must not contain a NUL"),
        ({"cmd": "x", "env": {"A": "x" * 131_070}}, r"Invalid env\['A'\]: .* it has 131,072"),
        (
            {"cmd": "x", "command_encoding": "base64"},
            "Invalid command_encoding 'base64': must be one of auto, plain, bootstrap",
        ),
        (
            {"cmd": "x", "args": ["a", "b c"], "command_encoding": "plain"},
            r"args\[1\] would not .* ' ' at index 1",
        ),
        (
            {"command": ["x", "n"], "command_encoding": "plain"},
            r"command\[1\] would not .* boolean. Leave command_encoding",
        ),
        (
            {"cmd": "x", "env": {"N": "1"}, "command_encoding": "plain"},
            r"env\['N'\] would not .* YAML reads its name",
        ),
    ],
)
def test_an_invalid_command_is_rejected_with_the_reason(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        encode(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"env": {"TOKEN": "hunter2$"}, "command_encoding": "plain"},
        {"env": {"TOKEN": "hunter2$"}, "cmd": None},
        {"env": {"TOKEN": "hunter2\0"}},
        {"env": {"TOKEN": "hunter2\udc80"}},
        {"env": {"TOKEN": "hunter2" * 20_000}},
        {"env": {"TOKEN=hunter2": ""}},
        {"args": ["hunter2 x"], "command_encoding": "plain"},
        {"args": "'hunter2"},
    ],
)
def test_no_error_contains_a_users_value(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as rejection:
        encode(**{"cmd": "prog", **fields})
    assert "hunter2" not in str(rejection.value)


@pytest.mark.parametrize("command_encoding", ["auto", "bootstrap"])
def test_the_repr_of_parameters_hides_the_users_values(command_encoding: str) -> None:
    parameters = encode(
        command=["prog", "hunter2"],
        env={"TOKEN": "hunter2", "REPLICA_ID": "1"},
        command_encoding=command_encoding,
    )
    assert "hunter2" not in repr(parameters)
    assert str(parameters.args) not in repr(parameters)
    assert "REPLICA_ID" in repr(parameters)


def test_parameters_can_be_copied_and_pickled() -> None:
    parameters = encode(command=["a b"], env={"REPLICA_ID": "1"})
    assert copy.copy(parameters) == parameters
    assert pickle.loads(pickle.dumps(parameters)) == parameters  # noqa: S301 (pickled right here)
