"""The server's rules for cmd, args and env, one row each: the container, or the error."""

from __future__ import annotations

import pytest

from airflow_provider_canfar.emulator.api.http_errors import from_java_error
from airflow_provider_canfar.emulator.job_pipeline.java import JavaError
from airflow_provider_canfar.emulator.job_pipeline.job_template import running_container
from airflow_provider_canfar.emulator.job_pipeline.kubectl import JobRejectedError
from tests.emulator.job_pipeline.test_job_template import VALUES

#: The variables that the template sets after the user's.
OF_THE_PLATFORM = {
    "HOME": "/arc/home/jdoe",
    "PWD": "/arc/home/jdoe",
    "OMP_NUM_THREADS": "1",
    "skaha_hostname": "ws-uv.canfar.net",
    "skaha_username": "jdoe",
    "skaha_sessionid": "abcd1234",
}

#: args -> the arguments, or the HTTP status and a part of the response.
ARGUMENTS = [
    (None, None),
    ("", [""]),
    (" ", None),
    ("   ", None),
    ("a  b", ["a", "", "b"]),
    (" a", ["", "a"]),
    ("a  ", ["a"]),
    ("a\tb", ["a\tb"]),
    ("a\nb", ["a b"]),
    ("a\n\nb", ["a\nb"]),
    ("a\rb", ["a b"]),
    ("a\x85b", ["a b"]),
    ("a\u2028b", ["a\u2028b"]),
    ('a"b', (500, "ParserException")),
    ("-c 'echo hi'", ["-c", "'echo", "hi'"]),
    (r"a\b", ["ab"]),
    # A control character, so client-java reads the argument as bytes.
    (r"\\b", ["CA=="]),
    (r"a\\nb", ["a\nb"]),
    (r"\\\\", ["\\"]),
    ("a\\", ["a"]),
    (r"a\\", (500, "ParserException")),
    ("$HOME", (400, "Illegal group reference")),
    ("$(X)", (400, "Illegal group reference")),
    ("a$", (400, "Illegal group reference")),
    ("${HOME}", (400, "No group with name {HOME}")),
    ("${skaha.userid}", (400, "named capturing group is missing trailing '}'")),
    ("$1", (500, "No group 1")),
    ("$0", ["${headless.image.bundle}"]),
    (r"\$HOME", ["$HOME"]),
    (r"\${skaha.userid}", ["jdoe"]),
    ("# : { } [ ] & * ! | > % @ , ? `", [*"#:{}[]&*!|>%@,?`"]),
    ("日本é😀", ["日本é😀"]),
    ("a\0b", (500, "ReaderException")),
    ("a\x07b", (500, "ReaderException")),
    ("a\x7fb", (500, "ReaderException")),
    ("A" * 100_000, ["A" * 100_000]),
    (" ".join("w" * 20_000), ["w"] * 20_000),
]

#: env -> the user's variables, or the HTTP status and a part of the response.
VARIABLES = [
    ([], {}),
    (["A=b=c"], {}),
    (["A="], {}),
    (["A"], {}),
    (["A=="], {}),
    (["A=https://ws-uv.canfar.net/?y=1"], {}),
    (["A=b="], {"A": "b"}),
    (["T=abcd=="], {"T": "abcd"}),
    (["A= b  c "], {"A": " b  c "}),
    (['A={"b": 1}'], (500, "ParserException")),
    (["A=a\\b"], {"A": "ab"}),
    (["A=$HOME"], (400, "Illegal group reference")),
    (["A=a\nb"], {"A": "a b"}),
    (["A: B=1"], (500, "mapping values are not allowed here")),
    (["A #B=1"], {"A": "1"}),
    (['"ON"=1'], {"ON": "1"}),
    *(([f"A={text}"], {"A": text}) for text in ("007", "true", "null", "1e3", "yes", "~", ".5")),
    (["A=1", "A=2"], {"A": "2"}),
    *(([f"{name}=mine"], {}) for name in OF_THE_PLATFORM),
    *(([f"{name}=1"], {"true": "1"}) for name in ("yes", "Yes", "YES", "on", "ON", "true", "TRUE")),
    *(([f"{name}=1"], {"false": "1"}) for name in ("no", "No", "NO", "off", "OFF", "false", "False")),
]

#: Strings that kubectl reads as a boolean or a number.
RETYPED = ["y", "Y", "n", "N", "0o17", "0O17", "0B1", "0X1f", "-08", "+09", "-_1", "+0_", "9E_9", "1e5_0"]
RETYPED += ["+_7", "0_x19", "7e_1"]

#: Strings that it would read so, if snakeyaml did not quote them.
QUOTED = ["yes", "no", "on", "off", "true", "null", "~", "0x1F", "1e3", "007", "1:30", "2024-01-01", ".5"]
QUOTED += [".inf", "08", "-8", "+9", "1_000"]

#: Variables without a name, or with one that Kubernetes rejects.
NAMELESS = ["=v", "y=1", "Y=1", "n=1", "N=100", "null=1", "~=1", "1E3=1", "0x10=1", "1A=1", "a b=1", "é=1"]


def runs(cmd: str | None, args: str | None, env: list[str]) -> tuple[object, object, dict[str, str]]:
    """Return the command, the arguments and the user's variables."""
    container = running_container(cmd, args, env, VALUES)
    command, arguments = (
        None if words is None else [*words] for words in (container.command, container.args)
    )
    variables = dict(container.environment)
    assert variables.items() >= OF_THE_PLATFORM.items()
    return command, arguments, {k: v for k, v in variables.items() if k not in OF_THE_PLATFORM}


def check_error(expected: tuple[int, str], cmd: str | None, args: str | None, env: list[str]) -> None:
    status, text = expected
    with pytest.raises(JavaError) as thrown:
        runs(cmd, args, env)
    error = from_java_error(thrown.value)
    assert error.status == status
    assert text in error.sentence


@pytest.mark.parametrize("cmd", [None, "", "python3", "python3 run.py", " ls"])
def test_the_command_is_a_single_argument(cmd: str | None) -> None:
    """Without cmd, the image's entry point gets the arguments; an empty cmd is a program without a name."""
    assert runs(cmd, "a", []) == (None if cmd is None else [cmd], ["a"], {})


@pytest.mark.parametrize(("args", "becomes"), ARGUMENTS, ids=lambda value: repr(value)[:30])
def test_arguments_become(args: str | None, becomes: list[str] | tuple[int, str] | None) -> None:
    if isinstance(becomes, tuple):
        check_error(becomes, "x", args, [])
    else:
        assert runs("x", args, []) == (["x"], becomes, {})


@pytest.mark.parametrize(("env", "becomes"), VARIABLES, ids=lambda value: repr(value)[:30])
def test_variables_become(env: list[str], becomes: dict[str, str] | tuple[int, str]) -> None:
    if isinstance(becomes, tuple):
        check_error(becomes, "x", "a", env)
    else:
        assert runs("x", "a", env) == (["x"], ["a"], becomes)


@pytest.mark.parametrize("word", RETYPED)
def test_a_string_that_kubectl_retypes_makes_no_job_in_any_position(word: str) -> None:
    for cmd, args, env in ((word, "a", []), ("x", f"a {word}", []), ("x", "a", [f"A={word}"])):
        with pytest.raises(JobRejectedError):
            runs(cmd, args, env)


@pytest.mark.parametrize("word", QUOTED)
def test_a_string_that_snakeyaml_quotes_stays_in_any_position(word: str) -> None:
    assert runs(word, f"a {word}", [f"A={word}"]) == ([word], ["a", word], {"A": word})


@pytest.mark.parametrize("variable", NAMELESS)
def test_a_variable_without_a_valid_name_makes_no_job(variable: str) -> None:
    with pytest.raises(JobRejectedError):
        runs("x", "a", [variable])
