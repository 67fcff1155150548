"""Encoded commands, through the emulator's rules, in each shell that an image may have.

With ``CANFAR_THOROUGH=1`` in the environment, these are thousands of commands.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.job_template import running_container
from airflow_provider_canfar.skaha.command.encoding import Parameters, encode
from airflow_provider_canfar.skaha.command.limits import MAX_PROCESS_BYTES, MAX_STRING_BYTES
from airflow_provider_canfar.skaha.command.passthrough import PLATFORM_NAMES

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(),
    reason="The arguments of a program are read from Linux's /proc.",
)

THOROUGH = bool(os.environ.get("CANFAR_THOROUGH"))
EXECUTIONS = settings(max_examples=1_500 if THOROUGH else 80, deadline=None)

# Values for the placeholders in the server's template.
TEMPLATE = {
    "software.imageid": "images.canfar.net/skaha/astroml:24.07",
    "software.threads": "1",
    "skaha.hostname": "ws-uv.canfar.net",
    "skaha.userid": "jdoe",
    "skaha.sessionid": "k3v9x2qa",
    "skaha.jobname": "skaha-headless-jdoe-k3v9x2qa",
    "skaha.home": "/arc/home/jdoe",
    "skaha.workdir": "/arc/home/jdoe",
}

# The variables that the template sets.
PLATFORM = {
    "skaha_hostname": "ws-uv.canfar.net",
    "skaha_username": "jdoe",
    "skaha_sessionid": "k3v9x2qa",
    "HOME": "/arc/home/jdoe",
    "PWD": "/arc/home/jdoe",
    "OMP_NUM_THREADS": "1",
}

# The variables that a shell always sets for the programs it starts.
OF_SHELLS = {"_", "SHLVL", "PWD", "OLDPWD"}

# Prints how it was started: "/bin/sh", its path, the arguments, and the environment.
SHOW = '#!/bin/sh\n/bin/cat "/proc/$$/cmdline" "/proc/$$/environ"\n'

# The programs of every image, all the same; some names have a meaning for a shell, or for env(1).
PROGRAMS = ["show", "a b", "$HOME", "it's", 'a"\\b', "n", "0o17", "é\n😀", "-x", "*", "a=b", "=", "-", "--"]

# Characters with a meaning for a shell, or of several bytes; and any others.
CHARACTERS = st.sampled_from("'\"\\$`#!*~{},;&%() \t\n\r\x01\x7f\x81\x88é😀=-nx0") | st.characters(
    exclude_categories=["Cs"], exclude_characters="\0"
)
TEXTS = st.text(CHARACTERS, max_size=12) | st.text(CHARACTERS, max_size=8).map(lambda text: text * 200)
NAMES = st.one_of(
    st.sampled_from(["A", "B", "N", "ON", "null", "a.b", "a b", "é", "-", "-u", "1", "BASH_FUNC_x%%", "_"]),
    st.sampled_from(["PATH", "IFS", "ENV", "UID", "PPID", "OLDPWD", "SHLVL", "PS4", "LANG", "LD_PRELOAD"]),
    st.sampled_from([*sorted(PLATFORM_NAMES), "REPLICA_ID", "REPLICA_COUNT"]),
    st.text(CHARACTERS, max_size=12).map(lambda text: text.replace("=", "")).filter(bool),
)


@dataclass(frozen=True)
class Ended:
    exit_code: int
    stdout: bytes
    stderr: str

    @classmethod
    def of(cls, process: subprocess.Popen[bytes], stdin: bytes = b"") -> Ended:
        stdout, stderr = process.communicate(stdin)
        return cls(process.returncode, stdout, stderr.decode())


@dataclass(frozen=True)
class Image:
    """An image: the shell that is its ``/bin/sh``, and a directory of programs."""

    shell: str
    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": str(self.programs), "LANG": "C.UTF-8", "FROM_IMAGE": "it's here"}

    def start(self, parameters: Parameters) -> subprocess.Popen[bytes]:
        """Start the command that the server makes of a request, as a container runtime does."""
        variables = [f"{name}={value}" for name, value in parameters.env]
        container = running_container(parameters.cmd, parameters.args, variables, TEMPLATE)
        assert container.command is not None
        (program,) = container.command
        environment = {**self.environment, **dict(container.environment)}
        found = shutil.which(program, path=environment["PATH"])
        return subprocess.Popen(
            [program, *(container.args or ())],
            executable=self.shell if program == "/bin/sh" else found,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *command: str, env: dict[str, str] | None = None, command_encoding: str = "auto") -> Ended:
        return Ended.of(self.start(encode(command=command, env=env, command_encoding=command_encoding)))

    def program(self, name: str, env: dict[str, str]) -> str:
        """Return a program's name, or its path if the name would not find it."""
        by_name = "PATH" not in env and not (name.startswith("-") and "=" in name)
        return name if by_name else str(self.programs / name)


@pytest.fixture(name="image", scope="module", params=["dash", "bash", "busybox", "mksh"])
def _image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """One image for each shell; it has GNU's programs, or those of busybox."""
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(
            f"{request.param} is not installed here, so images that have it as sh are not tested. "
            f"Install it, for example with 'apt-get install {request.param}'."
        )
    programs = tmp_path_factory.mktemp(request.param)
    for name in PROGRAMS:
        (programs / name).write_text(SHOW)
        (programs / name).chmod(0o755)
    for name in ("env", "base64", "nice", "echo", "printf"):
        # mksh has no printf of its own. Debian's busybox has no nice; Alpine's has.
        is_of_busybox = request.param == "busybox" and name != "nice"
        found = shell if is_of_busybox else shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    return Image(shell, programs)


@pytest.fixture(name="spied_image")
def _spied_image(image: Image, tmp_path: Path) -> Image:
    """Make the same image, whose programs first write down the arguments of their processes."""
    for name in ("show", "a=b", "env", "base64", "nice", "printf"):
        spy = f'#!/bin/sh\n/bin/cat "/proc/$$/cmdline" >> "{tmp_path}/arguments"\n'
        (tmp_path / name).write_text(f'{spy}exec "{image.programs / name}" "$@"\n')
        (tmp_path / name).chmod(0o755)
    return replace(image, programs=tmp_path)


def check(
    image: Image, program: str, arguments: list[str], env: dict[str, str], command_encoding: str
) -> None:
    """Run a program that prints its arguments and environment, and compare them with those requested."""
    path = image.programs / program
    ended = image.run(image.program(program, env), *arguments, env=env, command_encoding=command_encoding)
    shown = [field.decode() for field in ended.stdout.split(b"\0")]
    boundary = 2 + len(arguments)
    assert shown[:boundary] == ["/bin/sh", str(path), *arguments], ended.stderr
    variables = dict(variable.split("=", 1) for variable in shown[boundary:-1])
    expected = {**image.environment, **PLATFORM, **env}
    set_by_shells = OF_SHELLS - env.keys()
    assert {k: v for k, v in variables.items() if k not in set_by_shells} == {
        k: v for k, v in expected.items() if k not in set_by_shells
    }
    assert ended.exit_code == 0


@pytest.mark.timeout(900 if THOROUGH else 120)
@EXECUTIONS
@given(
    program=st.sampled_from(PROGRAMS),
    arguments=st.lists(TEXTS, max_size=6),
    env=st.dictionaries(NAMES, TEXTS, max_size=5),
    command_encoding=st.sampled_from(["auto", "bootstrap"]),
)
def test_a_command_arrives_as_written(
    image: Image, program: str, arguments: list[str], env: dict[str, str], command_encoding: str
) -> None:
    check(image, program, arguments, env, command_encoding)


@pytest.mark.parametrize("command_encoding", ["plain", "auto", "bootstrap"])
def test_a_plain_command_arrives_either_way(image: Image, command_encoding: str) -> None:
    check(
        image,
        "show",
        ["--tile=7", "a.fits", "3.5"],
        {"BAND": "r", "NOTE": "first light (2026)"},
        command_encoding,
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_may_have_any_name(image: Image, program: str) -> None:
    """Including one that env(1) would read as an option or a variable; and no variable is lost on the way."""
    check(image, program, ["a b"], {"a.b": "1", "PWD": "/x", "_": "mine", "SHLVL": "7"}, "auto")


# What the shells of these images, and those of older ones, give a meaning.
SHELL_NAMES = """
BASHOPTS BASH_ENV BASH_XTRACEFD BASHPID CDPATH COLUMNS DIRSTACK ENV EPOCHSECONDS EUID FUNCNAME GROUPS HISTSIZE
HOSTNAME IFS KSHEGID LANG LC_ALL LINENO LINES OLDPWD OPTARG OPTERR PATH PATHSEP PGRP PIPESTATUS
POSIXLY_CORRECT PPID PS1 PS4 RANDOM REPLY SECONDS SHELL SHELLOPTS TERM TMOUT UID USER_ID
"""


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            *PLATFORM_NAMES,
            *SHELL_NAMES.split(),
            "LD_LIBRARY_PATH",
            "CANFAR_ENV_1",
            "n",
            "export",
            "PYTHONPATH",
        }
    ),
)
def test_a_users_variable_wins(image: Image, name: str) -> None:
    """Although the platform sets its own after it, and the bootstrap's shell could use it."""
    check(image, "show", ["a b"], {name: "/nowhere"}, "auto")
    check(image, "show", ["a b"], {name: "it's=7"}, "auto")


@pytest.mark.parametrize("value", ["hunter2", "hunter2=$x"])
@pytest.mark.parametrize("program", ["show", "a=b"])
def test_no_process_has_a_value_in_its_arguments(spied_image: Image, value: str, program: str) -> None:
    """``ps`` shows them to everyone on the node; and no variable of the bootstrap's own is left over."""
    env = {"ARCHIVE_PASSWORD": value, "HOME": value, "n": value, "OTHER": "a=b", "LONG": "=" * 120_000}
    parameters = encode(command=[program, "a b"], env=env)
    ended = Ended.of(spied_image.start(parameters))
    shown = dict(field.decode().partition("=")[::2] for field in ended.stdout.split(b"\0"))
    assert {name: shown.get(name) for name in env} == env, ended.stderr
    assert not [name for name in shown if name.startswith("CANFAR_ENV")]
    arguments = (spied_image.programs / "arguments").read_text() + str(parameters.args)
    assert "base64" in arguments
    assert "env" in arguments
    encoded = [base64.b64encode(b"." * shift + b"hunter2").decode()[4:-4] for shift in range(3)]
    assert not [form for form in ("hunter2", *encoded) if form in arguments]


@pytest.mark.parametrize("lost", ["CANFAR_ENV_1", "CANFAR_ENV_2"])
def test_no_program_runs_without_its_variables(image: Image, lost: str) -> None:
    parameters = encode(command=["show"], env={"A": "=" * 120_000})
    kept = tuple((name, value) for name, value in parameters.env if name != lost)
    assert len(kept) == 1
    ended = Ended.of(image.start(replace(parameters, env=kept)))
    assert ended.exit_code != 0
    assert ended.stdout == b""
    assert lost in ended.stderr


def test_the_platforms_first_example_prints_one_line(image: Image) -> None:
    ended = Ended.of(image.start(encode(cmd="echo", args=["Hello, World!"])))
    assert ended == Ended(0, b"Hello, World!\n", "")


def test_the_platforms_first_example_is_one_argument(image: Image) -> None:
    ended = Ended.of(image.start(encode(cmd="show", args=["Hello, World!"])))
    assert ended.stdout.split(b"\0")[2] == b"Hello, World!"


def test_the_largest_argument_and_the_largest_variable_arrive(image: Image) -> None:
    """In characters of four bytes, too: a chunk of the encoding may end within one."""
    for character in ("'", "x", "😀"):
        fitting = (MAX_STRING_BYTES - len("A=")) // len(character.encode())
        check(image, "show", [character * fitting], {"A": character * fitting}, "auto")


@pytest.mark.parametrize("length", [1, 10, 1_000])
def test_the_largest_command_arrives(image: Image, length: int) -> None:
    """As many arguments as Linux or the platform allows."""
    words = ["x" * length] * min((MAX_PROCESS_BYTES - 1_000) // (length + 9), 1_040_000 // (length + 3))
    ended = image.run("/bin/sh", "-c", 'echo "$#"', "sh", *words, command_encoding="bootstrap")
    assert ended == Ended(0, f"{len(words)}\n".encode(), "")


@pytest.mark.parametrize("code", range(256) if THOROUGH else [0, 1, 2, 42, 126, 127, 128, 130, 137, 143, 255])
def test_the_exit_code_is_the_programs_own(image: Image, code: int) -> None:
    assert image.run("/bin/sh", "-c", f"exit {code}").exit_code == code


# A process's signals, except SigQ, which counts the pending ones of all of the user's processes.
INHERITED = """
import json, os, sys
of_this_process = ("SigPnd:", "SigBlk:", "SigIgn:", "SigCgt:")
signals = [line for line in open("/proc/self/status") if line.startswith(of_this_process)]
print(json.dumps({
    "pid": os.getpid(), "group": os.getpgrp(), "session": os.getsid(0), "parent": os.getppid(),
    "directory": os.getcwd(), "umask": os.umask(0), "nice": os.nice(0), "signals": signals,
    "files": [(fd, os.readlink(f"/proc/self/fd/{fd}").rstrip("[]0123456789")) for fd in "012"],
    "more files": len(os.listdir("/proc/self/fd")), "stdin": sys.stdin.read(),
}))
"""


@pytest.mark.parametrize("guarded", [False, True])
def test_the_program_replaces_the_shell(image: Image, tmp_path: Path, guarded: bool) -> None:
    """It has the shell's PID and open files, the whole stdin, and everything else it would have."""
    script = tmp_path / ("inherited=.py" if guarded else "inherited.py")
    script.write_text(f"#!{sys.executable}\n{INHERITED}")
    script.chmod(0o755)

    def inherited(command_encoding: str) -> dict[str, Any]:
        process = image.start(encode(command=[str(script)], command_encoding=command_encoding))
        ended = Ended.of(process, b"one\ntwo\n")
        assert ended.stderr == ""
        properties: dict[str, Any] = json.loads(ended.stdout)
        assert properties.pop("pid") == process.pid
        return properties

    directly = inherited("plain")
    assert directly["stdin"] == "one\ntwo\n"
    assert inherited("bootstrap") == directly


def test_sigterm_reaches_the_program(image: Image) -> None:
    program = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); "
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    process = image.start(encode(command=[sys.executable, "-c", program]))
    with process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.terminate()
        assert process.wait() == 7


def test_sigterm_ends_a_program_without_a_handler(image: Image) -> None:
    process = image.start(
        encode(command=["/bin/sh", "-c", "echo started; exec sleep 60"], env={"PATH": "/usr/bin:/bin"})
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.terminate()
        assert process.wait() == -signal.SIGTERM


@pytest.mark.parametrize("missing", ["base64", "env"])
def test_the_log_names_a_program_of_the_bootstrap_that_an_image_lacks(
    image: Image, tmp_path: Path, missing: str
) -> None:
    for name in {"base64", "env", "printf"} - {missing}:
        (tmp_path / name).symlink_to((image.programs / name).readlink())
    ended = replace(image, programs=tmp_path).run("a b")
    assert ended.exit_code == 127
    assert missing in ended.stderr
    assert "not found" in ended.stderr


@pytest.fixture(name="without_nice", scope="module")
def _without_nice(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Take nice out of the image: Debian's busybox has none."""
    programs = tmp_path_factory.mktemp("without-nice")
    for program in image.programs.iterdir():
        if program.name != "nice":
            shutil.copy2(program, programs / program.name, follow_symlinks=False)
    return replace(image, programs=programs)


@pytest.mark.parametrize("program", [name for name in PROGRAMS if "=" in name or name == "-"])
@pytest.mark.parametrize("env", [{}, {"A": "it's", "B": "plain", "HOME": "/x", "PYTHONPATH": ""}])
def test_a_program_with_any_name_needs_no_nice(
    without_nice: Image, program: str, env: dict[str, str]
) -> None:
    check(without_nice, program, ["a b", "", "=", "-n"], env, "auto")


@EXECUTIONS
@given(env=st.dictionaries(NAMES | st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), TEXTS, max_size=4))
def test_without_nice_each_variable_arrives_or_the_log_says_what_is_missing(
    without_nice: Image, env: dict[str, str]
) -> None:
    command = without_nice.program("a=b", env)
    ended = without_nice.run(command, "a b", env=env)
    if ended.exit_code == 127:
        assert ended.stderr.startswith("nice: not found; a program with = in its name needs it")
    else:
        check(without_nice, "a=b", ["a b"], env, "auto")


@pytest.mark.parametrize("name", ["a.b", "PWD", "UID", "IFS", "OPTIND", "_"])
def test_without_nice_no_variable_is_lost_silently(without_nice: Image, name: str) -> None:
    ended = without_nice.run("a=b", env={name: "7"}, command_encoding="bootstrap")
    assert (ended.exit_code, ended.stdout) == (127, b"")
    assert "nice: not found; a program with = in its name needs it" in ended.stderr


def test_a_missing_program_is_named(image: Image) -> None:
    ended = image.run("no such program", "x")
    assert (ended.exit_code, ended.stdout) == (127, b"")
    assert "no such program" in ended.stderr


def test_the_log_names_a_program_that_is_not_executable(image: Image, tmp_path: Path) -> None:
    (tmp_path / "not executable").write_text(SHOW)
    ended = image.run(str(tmp_path / "not executable"))
    assert (ended.exit_code, ended.stdout) == (126, b"")
    assert "not executable" in ended.stderr


def test_a_server_that_splits_differently_fails_loudly(image: Image) -> None:
    """If it splits at TAB some day, or not at all, no session succeeds without its command."""
    parameters = encode(command=["a b"])
    assert parameters.args is not None
    for words in (parameters.args.split(), [parameters.args]):
        ended = subprocess.run(["/bin/sh", *words], executable=image.shell, capture_output=True, check=False)
        assert ended.returncode != 0
        assert ended.stderr
