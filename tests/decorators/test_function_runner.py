"""Functions in images: separate processes of old and new Python versions without this project."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_canfar.decorators._function_runner import MAX_RESULT_BYTES, RESULT_PREFIX
from airflow_provider_canfar.replicas import chunk, stripe
from tests.decorators.test_result_lines import JSON, PRINTED

if TYPE_CHECKING:
    from tests.decorators.image import Image

    # The image provides these.
    REPLICA_ID = REPLICA_COUNT = 1

#: Text that can be passed to a function: an argument has no NUL.
SENT = PRINTED.filter(lambda text: "\0" not in text)

#: Each example starts a process.
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# --- arguments and results


@FEW
@given(value=JSON, named=st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON))
def test_arguments_and_results_round_trip_exactly(image: Image, value: Any, named: dict[str, Any]) -> None:
    def echo(value, /, **named):  # type: ignore[no-untyped-def]  # most authors write no annotations
        return [value, named]

    ended = image.call(echo, value, **named)
    assert repr(ended.value) == repr([value, named])
    assert ended.log == ""


@FEW
@given(value=JSON, printed=st.lists(SENT, max_size=4), last=SENT)
def test_a_result_survives_whatever_the_function_prints(
    image: Image, value: Any, printed: list[str], last: str
) -> None:
    def speak(value: Any, printed: list[str], last: str) -> Any:
        import atexit
        import sys

        sys.stdout.reconfigure(newline="")  # type: ignore[union-attr]  # it is a TextIOWrapper
        sys.stdout.write("".join(printed))
        atexit.register(sys.stdout.write, last)
        return value

    ended = image.call(speak, value, printed, last)
    assert repr(ended.value) == repr(value)
    before = "".join(printed)
    joint = "" if before == "" or before.endswith("\n") else "\n"
    assert ended.log == before + joint + last


def test_the_longest_result_survives_concurrent_output(image: Image) -> None:
    def speak(length: int) -> str:
        import os
        import subprocess
        import sys
        import threading
        import time

        def babble() -> None:
            while True:
                sys.stdout.write("x" * 50)
                os.write(2, b"y" * 7000 + b"\n")
                time.sleep(0.0001)  # Leave some of the log to the other writers.

        threading.Thread(target=babble, daemon=True).start()
        loop = "for _ in range(300): print('z' * 4000, flush=True)"
        subprocess.Popen([sys.executable, "-c", loop])
        time.sleep(0.2)  # Give the program time to start printing; this function cannot see its output.
        return "r" * length

    length = MAX_RESULT_BYTES - 2
    ended = image.call(speak, length)
    assert ended.value == "r" * length
    assert RESULT_PREFIX not in ended.log


def test_the_function_can_use_chunk_stripe_and_its_replica_number(image: Image) -> None:
    def share(items: list[int]) -> list[Any]:
        return [REPLICA_ID, REPLICA_COUNT, list(chunk(items)), list(stripe(items))]

    assert image.call(share, [*range(7)], replica=2, replicas=3).value == [
        2,
        3,
        [2, 3],
        [1, 4],
    ]
    assert image.call(share, [1]).value == [1, 1, [1], [1]]


def test_defaults_recursion_and_multi_line_strings_work_as_written(image: Image) -> None:
    def factorial(number: int, step: int = 1) -> Any:
        text = """As it was written:
    less indented,
            and more.
"""
        return [1, text] if number == 0 else [number * factorial(number - step)[0], text]

    text = "As it was written:\n    less indented,\n            and more.\n"
    assert image.call(factorial, 5).value == [120, text]


def test_annotations_may_name_types_that_the_image_lacks(image: Image) -> None:
    def measure(path: Path, names: list[str] | None = None) -> dict[str, Image]:
        return {"path": path, "names": names}  # type: ignore[dict-item]  # JSON in, JSON out

    assert image.call(measure, "/arc/a.fits").value == {"path": "/arc/a.fits", "names": None}


def test_a_function_may_define_classes(image: Image) -> None:
    def measure() -> list[Any]:
        import pickle
        from dataclasses import asdict, dataclass
        from typing import NamedTuple

        @dataclass
        class Star:
            flux: float
            band: str = "r"

        class Place(NamedTuple):
            ra: float

        again = pickle.loads(pickle.dumps(measure))  # noqa: S301 - pickled by this very test
        return [asdict(Star(5.5)), Place(250.4), again.__name__]

    assert image.call(measure).value == [{"flux": 5.5, "band": "r"}, [250.4], "measure"]


def test_the_function_sees_no_command_line_arguments(image: Image) -> None:
    """Some libraries parse sys.argv and reject options that they do not know."""

    def options() -> dict[str, Any]:
        import argparse

        return vars(argparse.ArgumentParser().parse_args())

    assert image.call(options).value == {}


def test_modules_in_the_working_directory_do_not_shadow_the_standard_library(image: Image) -> None:
    """A container starts in the user's home, which may well have a json.py."""
    for name in ("json", "linecache", "logging", "random", "token"):
        (image.home / f"{name}.py").write_text("raise SystemExit('mine')")

    def import_one() -> bool:
        import token

        return token.NAME == 1

    assert image.call(import_one).value is True


# --- the log


def test_output_and_log_records_from_info_up_reach_the_log(image: Image) -> None:
    def speak() -> None:
        import logging
        import sys

        logging.getLogger("survey").info("%d frames", 7)
        logging.getLogger("survey").debug("not this")
        logging.getLogger("survey").warning("a cloud: ☁")
        logging.info("without a logger")  # noqa: LOG015 - authors do this
        print("to stderr", file=sys.stderr)
        print("to stdout")

    ended = image.call(speak)
    assert ended.value is None
    assert ended.log.splitlines() == [
        "INFO survey: 7 frames",
        "WARNING survey: a cloud: ☁",
        # The module-level functions of logging configure their own handler.
        "INFO:root:without a logger",
        "to stderr",
        "to stdout",
    ]


def test_a_function_may_configure_logging(image: Image) -> None:
    def speak() -> None:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="<%(message)s>")
        logging.getLogger("survey").debug("all of it")

    assert image.call(speak).log == "<all of it>\n"


def test_each_line_reaches_the_log_immediately(image: Image) -> None:
    """The last lines before a sudden end often tell its reason."""

    def die() -> None:
        import os
        import signal

        print("the last frame was m13_07.fits")
        os.kill(os.getpid(), signal.SIGKILL)

    ended = image.call(die)
    assert ended.exit_code == -9
    assert ended.log == "the last frame was m13_07.fits\n"


def test_a_traceback_shows_the_original_file_and_lines(image: Image) -> None:
    def measure(frame: str) -> float:
        def flux(values: list[float]) -> float:
            return sum(values) / len(values)

        try:
            return flux([])
        except ZeroDivisionError as error:
            raise ValueError(f"nothing in {frame}") from error

    ended = image.call(measure, "m13.fits")
    first = inspect.getsourcelines(measure)[1]
    lines = [line for line in ended.log.splitlines() if "^" not in line and "~" not in line]
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{__file__}", line {first + 5}, in measure',
        "    return flux([])",
        f'  File "{__file__}", line {first + 2}, in flux',
        "    return sum(values) / len(values)",
        "ZeroDivisionError: division by zero",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        f'  File "{__file__}", line {first + 7}, in measure',
        '    raise ValueError(f"nothing in {frame}") from error',
        "ValueError: nothing in m13.fits",
    ]
    assert ended.exit_code == 1
    assert ended.parsed.result is None


@pytest.mark.parametrize("left", ["closed", "a file", "nothing"])
def test_a_traceback_is_printed_even_without_a_usable_stderr(image: Image, left: str) -> None:
    def measure(left: str) -> float:
        import os
        import sys

        print("the last frame")
        if left == "closed":
            sys.stderr.close()
        elif left == "a file":
            sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - authors do this
        else:
            sys.stderr = sys.stdout = None
        raise ValueError("no such plate")

    ended = image.call(measure, left)
    assert ended.exit_code == 1
    assert ended.log.startswith("the last frame\nTraceback (most recent call last):\n")
    assert ended.log.endswith("ValueError: no such plate\n")


def test_a_syntax_error_names_the_image_s_python_version(old_image: Image) -> None:
    if old_image.version >= (3, 10):
        pytest.skip("This machine has no Python that lacks the statement match.")

    def sort(what: str) -> str:
        match what:
            case "star":
                return "point"
            case _:
                return "extended"

    ended = old_image.call(sort, "star")
    assert ended.exit_code == 1
    assert f'File "{__file__}", line {inspect.getsourcelines(sort)[1] + 1}' in ended.log
    assert "SyntaxError: invalid syntax" in ended.log
    assert "in this image is Python 3." in ended.log.splitlines()[-1]
    assert "Traceback" not in ended.log


# --- exit codes


@pytest.mark.parametrize("code", [0, 3, 255])
def test_exit_codes_are_preserved_and_leave_no_result(image: Image, code: int) -> None:
    def leave(code: int) -> None:
        import sys

        sys.exit(code)

    ended = image.call(leave, code)
    assert ended.exit_code == code
    assert ended.parsed.result is None


def test_an_exit_message_is_printed(image: Image) -> None:
    def leave() -> None:
        raise SystemExit("no such plate")

    ended = image.call(leave)
    assert (ended.exit_code, ended.log) == (1, "no such plate\n")


@pytest.mark.parametrize("number", [2, 6, 9, 11, 15])
def test_a_signal_sets_the_exit_code(image: Image, number: int) -> None:
    def fall(number: int) -> None:
        import os

        os.kill(os.getpid(), number)

    ended = image.call(fall, number)
    assert ended.exit_code == -number
    assert ended.parsed.result is None


def test_an_exit_before_the_return_leaves_no_result(image: Image) -> None:
    def leave() -> int:
        import os

        os._exit(0)

    assert image.call(leave).parsed.result is None


def test_a_crash_after_the_return_sets_the_exit_code(image: Image) -> None:
    """The log may contain a result; the session still failed."""

    def leave() -> int:
        import atexit
        import os

        atexit.register(os.abort)
        return 42

    ended = image.call(leave)
    assert ended.exit_code == -6
    assert ended.log == ""


def test_the_program_waits_for_running_threads(image: Image) -> None:
    def leave() -> int:
        import threading

        def late() -> None:
            threading.main_thread().join()
            print("late")

        threading.Thread(target=late).start()
        return 42

    ended = image.call(leave)
    assert ended.value == 42
    assert ended.log == "late\n"


def test_a_forked_child_that_returns_prints_no_second_result(image: Image) -> None:
    def fork() -> str:
        import os

        return "parent" if os.fork() else "child"

    assert image.call(fork).value == "parent"


def test_a_process_pool_works(image: Image) -> None:
    def total(numbers: list[int]) -> int:
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(2) as pool:
            return sum(pool.map(abs, numbers))

    assert image.call(total, [-1, 2, -3]).value == 6


def test_a_function_that_closes_stdout_still_returns_its_result(image: Image) -> None:
    def mute() -> int:
        import os
        import sys

        sys.stdout = None  # authors do this
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.close(1)
        os.environ["REPLICA_ID"] = "7"
        return 42

    assert image.call(mute).value == 42


def test_a_non_blocking_pipe_carries_the_whole_result(old_image: Image) -> None:
    def long() -> str:
        import os

        os.set_blocking(1, False)
        return "x" * 200_000

    assert old_image.call(long).value == "x" * 200_000
