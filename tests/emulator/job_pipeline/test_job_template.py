"""From cmd, args and env to the container, compared with recordings of the real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.emulator.job_pipeline.java import JavaError
from airflow_provider_canfar.emulator.job_pipeline.job_template import job_container, running_container
from airflow_provider_canfar.emulator.job_pipeline.kubectl import JobRejectedError

SAMPLES = Path(__file__).parents[2] / "samples"
VALUES = {
    "software.imageid": "images.canfar.net/skaha/astroml:25.10",
    "skaha.sessionid": "abcd1234",
    "skaha.userid": "jdoe",
    "skaha.hostname": "ws-uv.canfar.net",
    "skaha.jobname": "skaha-headless-jdoe-abcd1234",
    "skaha.home": "/arc/home/jdoe",
    "skaha.workdir": "/arc/home/jdoe",
    "software.threads": "1",
}
OF_THE_TEMPLATE = ("skaha_hostname", "skaha_username", "skaha_sessionid", "HOME", "PWD", "OMP_NUM_THREADS")
# In these errors, the server also prints all objects around the one that it could not construct.
OBJECT_DUMP = "ConstructorException: Cannot create property=spec for JavaBean=class V1Job"


def samples(name: str) -> list[dict[str, Any]]:
    """Return a file of samples, one JSON object a line."""
    return [json.loads(line) for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]


def posted(row: dict[str, Any]) -> tuple[str | None, str | None, list[str]]:
    """Return the cmd, args and env of a row of the table; each row varies one of them."""
    value = row["value"]
    match row["parameter"]:
        case "cmd":
            return value, "a", []
        case "args":
            return "x", value, []
        case _:
            return "x", "a", value


def as_recorded(cmd: str | None, args: str | None, env: list[str]) -> dict[str, Any]:
    """Return the container or the error, in the format of the recordings."""
    try:
        container = job_container(cmd, args, env, VALUES)
    except JavaError as error:
        return {"ok": False, "error": f"{error.kind.rpartition('.')[2]}: {error.message}"}
    return {
        "ok": True,
        "command": container.command and list(container.command),
        "args": container.args and list(container.args),
        "env": {"null" if name is None else name: value for name, value in container.environment},
    }


@pytest.mark.parametrize("recorded", samples("command-vectors.jsonl"), ids=lambda _: "")
def test_the_container_is_the_one_that_the_real_server_made(recorded: dict[str, Any]) -> None:
    """800 recordings of the real server, taken before kubectl, including its error messages."""
    expected, made = recorded["container"], as_recorded(**recorded["post"])
    if expected.get("error", "").startswith(OBJECT_DUMP):
        assert made["error"].startswith(OBJECT_DUMP)
    else:
        assert made == expected


@pytest.mark.parametrize("row", samples("command-table.jsonl"), ids=lambda row: repr(row["value"])[:40])
def test_each_form_of_a_parameter_becomes_the_same_as_on_the_server(row: dict[str, Any]) -> None:
    made = as_recorded(*posted(row))
    if "error" in row:
        assert made["error"].startswith(row["error"])
        return
    value = made[{"cmd": "command"}.get(row["parameter"], row["parameter"])]
    if row["parameter"] == "env":
        # The template's variables are there as well, and override the user's.
        assert made["env"].keys() - row["container"].keys() <= set(OF_THE_TEMPLATE)
        value = {name: made["env"][name] for name in row["container"]}
    assert value == row["container"]


@pytest.mark.parametrize(
    "row",
    [row for row in samples("command-table.jsonl") if "error" not in row],
    ids=lambda row: repr(row["value"])[:40],
)
def test_kubernetes_accepts_and_expands_the_container(row: dict[str, Any]) -> None:
    if row.get("refused"):
        with pytest.raises(JobRejectedError):
            running_container(*posted(row), VALUES)
        return
    container = running_container(*posted(row), VALUES)
    runs = row.get("runs", row["container"])
    match row["parameter"]:
        case "cmd":
            assert list(container.command or ()) == runs
        case "args":
            assert list(container.args or ()) == (runs or [])
        case _:
            assert dict(container.environment).items() >= runs.items()


# Ways in which the platform's users escape text.

ARGUMENTS = [
    (r"\\x24{skaha.userid}", ["${skaha.userid}"]),
    (r"\\x24\\x24(HOME)", ["$(HOME)"]),
    (r"\$(nobody)", ["$(nobody)"]),
    (r"\$x", ["$x"]),
    (r"\\ud83d\\ude00", ["😀"]),
    (r"\\ud83d", ["Pw=="]),
    ("a\\\\\n", ["a"]),
    ("x \\\\\n", ["x", ""]),
]


@pytest.mark.parametrize(("args", "runs"), ARGUMENTS)
def test_escaped_arguments_arrive(args: str, runs: list[str]) -> None:
    assert running_container("x", args, [], VALUES).args == tuple(runs)


def test_text_can_break_out_of_its_argument() -> None:
    """The server quotes nothing, so a quotation mark at the right place is YAML, not text."""
    assert running_container("x", 'a","b', [], VALUES).args == ("a", "b")


@given(st.lists(st.text("ABCxyz079_@%+=:,./^-", min_size=3).filter(lambda word: "E" not in word), min_size=1))
def test_harmless_arguments_arrive_unless_they_look_like_numbers(
    words: list[str],
) -> None:
    try:
        assert running_container("x", " ".join(words), [], VALUES).args == tuple(words)
    except JobRejectedError:
        assert any(word[0] in "+-.0123456789" for word in words)
