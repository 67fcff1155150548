"""The models: specs and reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Required, get_origin, get_type_hints

import pytest
from pydantic import ValidationError

from airflow_provider_canfar.skaha.errors import SpecError
from airflow_provider_canfar.skaha.models import (
    Image,
    Kind,
    ResourceOptions,
    Resources,
    Session,
    SessionSpec,
    Stats,
    Status,
)
from airflow_provider_canfar.skaha.spec import SpecFields

Sample = Callable[[str], bytes]


def spec(**fields: object) -> SessionSpec:
    return SessionSpec(**({"name": "stars", "image": "skaha/astroml:24.07"} | fields))


def test_a_running_flexible_session_is_parsed(sample: Sample) -> None:
    assert Session.model_validate_json(sample("session_running.json")) == Session(
        id="h4c0w7ts",
        name="tiles-1",
        kind=Kind.HEADLESS,
        status=Status.RUNNING,
        status_word="Running",
        image="images.canfar.net/skaha/astroml:24.07",
        userid="mcurie",
        start_time=datetime(2026, 2, 11, 7, 30, 5, tzinfo=UTC),
        expiry_time=datetime(2026, 2, 25, 7, 30, 5, tzinfo=UTC),
        connect_url=None,
        requested_gpus=0,
        cores_in_use=1.73,
        ram_in_use=2.41,
        fixed=False,
        run_as_uid="20417",
        run_as_gid="20417",
        supplemental_groups=(41001, 41002),
    )


def test_a_pending_session_has_no_times_and_uses_nothing(sample: Sample) -> None:
    session = Session.model_validate_json(sample("session_pending.json"))
    assert (session.start_time, session.expiry_time) == (None, None)
    assert (session.cores_in_use, session.ram_in_use) == (None, None)
    assert (session.requested_cores, session.requested_ram, session.requested_gpus) == (4.0, 17.18, 1)
    assert session.fixed


def test_a_notebook_has_a_page(sample: Sample) -> None:
    session = Session.model_validate_json(sample("session_notebook.json"))
    assert session.is_interactive
    assert (session.connect_url or "").endswith("token=n2b6k9oo")


def test_placeholders_of_an_old_server_are_absent_values(sample: Sample) -> None:
    session = Session.model_validate_json(sample("session_legacy.json"))
    assert session.status.is_success
    assert session.status_word == "Succeeded"
    assert session.requested_ram == 8.0
    absent = (session.connect_url, session.ram_in_use, session.cores_in_use, session.expiry_time)
    assert absent == (None, None, None, None)
    assert (session.app_id, session.run_as_uid) == ("", "")


@pytest.mark.parametrize(
    "missing", ["name", "image", "type", "startTime", "connectURL", "supplementalGroups"]
)
def test_a_session_is_parsed_without_omitted_fields(sample: Sample, missing: str) -> None:
    """The server writes no field that is null."""
    whole = Session.model_validate_json(sample("session_running.json"))
    fields = whole.model_dump(by_alias=True, exclude={"status_word"})
    del fields[missing]
    assert Session.model_validate(fields).id == whole.id


def test_a_copy_of_a_spec_is_validated_and_encoded_like_any_other() -> None:
    copy = spec(command=["echo"]).model_copy(update={"command": ["ls", "-l"], "replicas": 3})
    assert copy == spec(command=["ls", "-l"], replicas=3)
    assert copy.parameters.args == "-l"
    with pytest.raises(SpecError, match="Invalid gpus 0"):
        copy.model_copy(update={"gpus": 0})


def test_an_unknown_kind_and_an_unknown_status_are_kept_as_words() -> None:
    session = Session.model_validate({"id": "a", "type": "hologram", "status": "Frozen"})
    assert (session.kind, session.status, session.status_word) == ("hologram", Status.UNKNOWN, "Frozen")


def test_a_session_survives_a_round_trip() -> None:
    session = Session(id="a", name="b", kind="headless", status="Failed (BackoffLimitExceeded)")
    assert Session.model_validate(session.model_dump()) == session
    assert session.status_word == "Failed (BackoffLimitExceeded)"


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Session(id="a").name = "b"  # type: ignore[misc]  # That is the test.
    with pytest.raises(ValidationError, match="frozen"):
        spec().name = "b"  # type: ignore[misc]  # That is the test.


@pytest.mark.parametrize(("name", "sessions"), [("context_file.json", 5), ("context_limit_range.json", 3)])
def test_both_shapes_of_a_context_are_parsed(sample: Sample, name: str, sessions: int) -> None:
    context = ResourceOptions.model_validate_json(sample(name))
    assert context.max_interactive_sessions == sessions
    assert context.cores.options
    assert context.ram.default_limit


def test_stats_are_parsed(sample: Sample) -> None:
    stats = Stats.model_validate_json(sample("stats.json"))
    assert stats.requested == Resources(cores=640.25, ram=3500.5)
    assert stats.available == Resources(cores=1800, ram=9000)
    assert stats.free == Resources(cores=1159.75, ram=5499.5)
    assert (stats.most_cores, stats.most_ram) == (Resources(cores=16, ram=192),) * 2


def test_the_stats_of_an_old_server_are_parsed(sample: Sample) -> None:
    stats = Stats.model_validate_json(sample("stats_legacy.json"))
    assert stats.free == Resources(cores=550, ram=None)
    assert stats.most_cores == Resources(cores=32, ram=157.840048128)
    assert stats.instances["headless"] == 122


def test_stats_tell_of_gpus_in_the_words_of_the_platforms_own_client() -> None:
    stats = Stats.model_validate({"cores": {}, "gpu": {"requestedGPU": 3, "gpuAvailable": "8"}})
    assert (stats.requested.gpus, stats.available.gpus, stats.free.gpus) == (3, 8, 5)


@pytest.mark.parametrize("section", ["gpu", "gpus"])
def test_stats_tell_of_gpus_where_the_server_does(section: str) -> None:
    gpus = {"requestedGPUCores": "12", "gpuCoresAvailable": 28.0}
    stats = Stats.model_validate({"cores": {"coresAvailable": 960}, section: gpus})
    assert (stats.requested.gpus, stats.available.gpus, stats.free.gpus) == (12, 28, 16)
    assert Stats.model_validate({"cores": {}}).free.gpus is None


@pytest.mark.parametrize(
    "shape",
    [
        {"cores": [], "ram": None},
        {"cores": 410, "ram": "9000G"},
        {"cores": {"maxCores": 32}, "ram": {"maxRAM": "226Gi"}, "instances": ["session"]},
        {"ram": {}, "gpu": "<none>", "instances": {"headless": "<none>"}},
        [],
        [{}],
    ],
)
def test_the_parts_of_stats_that_have_another_shape_are_unknown(shape: object) -> None:
    assert Stats.model_validate(shape) == Stats()


def test_the_parts_of_a_context_that_have_another_shape_limit_nothing() -> None:
    context = ResourceOptions.model_validate(
        {
            "cores": {"options": ["1", "2", "4"], "default": "<none>"},
            "memoryGB": {"options": [1, None]},
            "gpus": "<none>",
            "maxInteractiveSessions": None,
        }
    )
    assert (context.cores.options, context.ram.options, context.gpus.options) == ((1, 2, 4), None, None)


def test_images_are_parsed(sample: Sample) -> None:
    assert Image(id="a/b:1", types=["headless"]) == Image.model_validate(
        {"id": "a/b:1", "types": ["headless"]}
    )
    assert Image.model_validate({"id": "a/b:1"}).types == ()


def test_type_checkers_know_each_field_of_a_spec_and_which_it_needs() -> None:
    needed = {name: field.is_required() for name, field in SessionSpec.model_fields.items()}
    hints = get_type_hints(SpecFields, include_extras=True)
    assert {name: get_origin(hint) is Required for name, hint in hints.items()} == needed


def test_a_spec_is_normalized_as_it_will_be_sent() -> None:
    normalized = spec(name="Stars", command=["echo", "Hello, World!"], cores="2", ram=4.5)
    assert normalized.name == "stars"
    assert normalized.command == ("echo", "Hello, World!")
    assert (normalized.cores, normalized.ram) == (2, 4.5)


@pytest.mark.parametrize(
    ("fields", "flexible"), [({}, True), ({"gpus": 1}, True), ({"cores": 2}, False), ({"ram": 2}, False)]
)
def test_a_session_without_cores_and_ram_is_flexible(fields: dict[str, object], flexible: bool) -> None:
    assert spec(**fields).is_flexible is flexible


def test_replicas_have_a_suffix_only_if_there_are_several() -> None:
    assert spec().replica_name(1) == "stars"
    assert spec(replicas=12).replica_name(7) == "stars-7"


INVALID = {
    "name with underscore": ({"name": "my_stars"}, "my-stars"),
    "name of 62 with suffix": ({"name": "a" * 62, "replicas": 10}, "Shorten it by 2"),
    "name y": ({"name": "Y"}, "session-y"),
    "no name": ({"name": None}, "Invalid name None"),
    "image without project": ({"image": "astroml"}, "project/name"),
    "image missing": ({"image": ...}, "Missing field 'image'"),
    "gpus 0": ({"gpus": 0}, "Omit gpus"),
    "gpus negative": ({"gpus": -1}, "Omit gpus"),
    "cores 0": ({"cores": 0}, "Invalid cores 0"),
    "cores no number": ({"cores": "many"}, "Invalid cores 'many'"),
    "ram not finite": ({"ram": float("inf")}, "Invalid ram inf"),
    "kind unknown": ({"kind": "notebok"}, "Invalid kind 'notebok': must be one of headless, notebook"),
    "command a string": ({"command": "python stars.py"}, "Give a list with one string for each argument"),
    "command with a number": ({"command": ["sleep", 7]}, "Invalid command[1]: must be a string, not int"),
    "command no list": ({"command": 7}, "Invalid command: must be a list, not int"),
    "command empty": ({"command": []}, "Name a program"),
    "command that nothing carries": (
        {"command": ["echo", "a\0"]},
        "Invalid command[1]: must not contain a NUL",
    ),
    "command too long": ({"command": ["echo", *["x" * 10_000] * 150]}, "at most 1,400,000 bytes"),
    "command not plain": (
        {"command": ["a b"], "command_encoding": "plain"},
        "Leave command_encoding at 'auto'",
    ),
    "args with a number": ({"cmd": "sleep", "args": [7]}, "Invalid args[0]: must be a string, not int"),
    "args that reach no entry point": ({"args": ["a b"]}, "Name the program in command"),
    "args that no shell splits": ({"cmd": "echo", "args": "it's"}, "a shell cannot split it"),
    "cmd no string": ({"cmd": ["echo", "a"]}, "Invalid cmd: must be a string, not list"),
    "cmd empty": ({"cmd": ""}, "Name a program"),
    "variable that no environment holds": (
        {"cmd": "env", "env": {"A=B": "c"}},
        "which no environment can hold",
    ),
    "command and cmd": ({"command": ["a"], "cmd": "a"}, "together"),
    "command and args": ({"command": ["a"], "args": "a"}, "together"),
    "command interactive": ({"command": ["a"], "kind": "notebook"}, "headless"),
    "cmd interactive": ({"cmd": "a", "kind": "notebook"}, "headless"),
    "args interactive": ({"args": ["a"], "kind": "carta"}, "headless"),
    "env interactive": ({"env": {"A": "b"}, "kind": "contributed"}, "headless"),
    "replicas of a desktop": ({"replicas": 2, "kind": "desktop"}, "Omit replicas"),
    "replicas of firefly": ({"replicas": 2, "kind": "firefly"}, "Omit replicas"),
    "no replicas": ({"replicas": 0}, "Invalid replicas 0"),
    "too many replicas": ({"replicas": 10_001}, "Invalid replicas 10001"),
    "command_encoding unknown": ({"command_encoding": "pigeon"}, "Invalid command_encoding 'pigeon'"),
    "field unknown": ({"gpu": 1}, "'gpus'"),
    "field unheard of": ({"zzz": 1}, "replicas"),
    "env no mapping": ({"env": ["A=b"]}, "mapping"),
    "variable of the replica": ({"env": {"REPLICA_ID": "1"}}, "REPLICA_ID"),
}


@pytest.mark.parametrize(("fields", "message"), INVALID.values(), ids=INVALID.keys())
def test_an_invalid_spec_is_rejected_with_a_way_out(fields: dict[str, object], message: str) -> None:
    given = {"name": "stars", "image": "skaha/astroml:24.07"} | fields
    with pytest.raises(SpecError) as rejection:
        SessionSpec(**{name: value for name, value in given.items() if value is not ...})
    assert message in str(rejection.value)


def test_the_environments_values_are_in_no_repr_and_in_no_error() -> None:
    normalized = spec(env={"PASSWORD": "s3cr3t"})
    assert "PASSWORD" in repr(normalized)
    assert "s3cr3t" not in f"{normalized!r} {normalized}"
    for fields in ({"gpus": 0}, {"gpu": 0}, {"kind": "notebook"}, {"name": "_"}):
        with pytest.raises(SpecError) as rejection:
            spec(**fields, env={"PASSWORD": "s3cr3t"})
        assert "s3cr3t" not in str(rejection.value)
        assert rejection.value.__cause__ is None
    with pytest.raises(SpecError) as rejection:
        spec(env={"PASSWORD": ["s3cr3t"]})
    assert "s3cr3t" not in str(rejection.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cores": 3}, "1, 2, 4, 8, 16"),
        ({"cores": 0.5}, "Invalid cores 0.5"),
        ({"ram": 512}, "Invalid ram 512"),
        ({"gpus": 8}, "1, 2, 3, 4"),
    ],
)
def test_resources_outside_the_context_are_rejected(
    sample: Sample, fields: dict[str, object], message: str
) -> None:
    context = ResourceOptions.model_validate_json(sample("context_file.json"))
    with pytest.raises(SpecError, match=message):
        spec(**fields).check_against(context)


@pytest.mark.parametrize("fields", [{}, {"cores": 2.7}, {"cores": 16, "ram": 192, "gpus": 4}])
def test_resources_within_the_context_pass(sample: Sample, fields: dict[str, object]) -> None:
    """The server compares integer parts."""
    spec(**fields).check_against(ResourceOptions.model_validate_json(sample("context_file.json")))


def test_a_platform_without_gpus_rejects_them(sample: Sample) -> None:
    context = ResourceOptions.model_validate_json(sample("context_limit_range.json"))
    with pytest.raises(SpecError, match="this platform has none"):
        spec(gpus=1).check_against(context)


def test_a_context_without_options_rejects_nothing() -> None:
    spec(cores=3, ram=7, gpus=2).check_against(ResourceOptions())
