"""No secret of a connection, and no value of a task's environment, is where others can read it.

Canaries are planted in both, tasks are driven through success and through each fault of the emulator, and
what they say and leave is searched: logs of everything at DEBUG, errors with their causes and notes, reprs,
what Airflow stores of a deferral, XComs, the task state store, rendered templates. The client by itself is
searched in tests/skaha/test_secrets.py, and Airflow's real database in tests/e2e/.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import trustme
from structlog.testing import capture_logs

from airflow_provider_canfar.decorators import canfar_task
from airflow_provider_canfar.emulator.faults.encodings import ENCODINGS
from airflow_provider_canfar.hooks._airflow_compat import TaskDeferred
from airflow_provider_canfar.hooks._task_instance import TaskInstanceId
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.operators.headless import CanfarHeadlessOperator
from airflow_provider_canfar.skaha.errors import CanfarError, SpecError
from airflow_provider_canfar.task_sessions import lost_creates, reconcile
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator
from dev.waiting import wait_until
from tests.fake_task import FakeTask
from tests.on_emulator import event_of, quick_triggers
from tests.skaha.test_secrets import Canaries, shown_by_reporters, texts_of

__all__ = ["quick_triggers"]

IMAGE = "images.canfar.net/skaha/astroml:24.07"

#: How each token of the emulator's login begins, which says when it ends.
LOGIN_TOKEN = base64.b64encode(b"expirytime=").decode()[:14]


class Grants(ThreadingHTTPServer):
    """Gives access tokens for refresh tokens, a new one of those each time, and proxy certificates.

    :param access_token: what every refresh token is good for.
    :param pem: the certificate with its key.
    """

    def __init__(self, canaries: Canaries, access_token: str, pem: str) -> None:
        super().__init__(("127.0.0.1", 0), Grant)
        self.canaries = canaries
        self.access_token = access_token
        self.pem = pem
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Grant(BaseHTTPRequestHandler):
    """One of them."""

    server: Grants

    def do_POST(self) -> None:
        tokens = {"access_token": self.server.access_token, "refresh_token": self.server.canaries.plant()}
        self._answer(json.dumps(tokens))

    def do_GET(self) -> None:
        self._answer(self.server.pem)

    def log_message(self, *_: Any) -> None:
        """Say nothing, but remember what was asked."""
        self.server.asked.append(self.requestline)

    def _answer(self, text: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture(name="canaries")
def _canaries() -> Canaries:
    canaries = Canaries()
    canaries.planted.append(LOGIN_TOKEN)
    return canaries


@pytest.fixture(name="password")
def _password(canaries: Canaries) -> str:
    return canaries.plant()


@pytest.fixture(name="platform")
def _platform(canaries: Canaries, password: str) -> Iterator[Emulator]:
    with running_emulator(
        token=canaries.plant(), password=password, start_delay=0.0, flicker=0.0
    ) as emulator:
        yield emulator


@pytest.fixture(name="grants")
def _grants(platform: Emulator, canaries: Canaries) -> Iterator[Grants]:
    leaf = trustme.CA().issue_cert(common_name="mcurie")
    canaries.plant_text(leaf.private_key_pem.bytes().decode())
    with Grants(canaries, platform.token, leaf.private_key_and_cert_chain_pem.bytes().decode()) as server:
        thread = Thread(target=partial(server.serve_forever, poll_interval=0.02))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fields_of(kind: str, url: str, grants: Grants, password: str) -> dict[str, Any]:
    """Fill in a connection for one kind of credential."""
    login = {"login": "astronomer", "password": password}
    oidc = {
        "client_id": f"a-client-{uuid4().hex}",
        "client_secret": grants.canaries.plant(),
        "refresh_token": grants.canaries.plant(),
        "oidc_url": f"{grants.url}/token",
    }
    kinds: dict[str, dict[str, Any]] = {
        "login": {**login, "extra": {"login_url": f"{url.partition('/skaha/')[0]}/ac/login"}},
        "oidc basic": {"extra": oidc},
        "oidc post": {"extra": {**oidc, "client_auth": "client_secret_post"}},
        "certificate": {"extra": {"proxy_certificate": grants.pem}},
        "proxy certificate": {**login, "extra": {"certificate_url": f"{grants.url}/generate"}},
    }
    return {"conn_type": "canfar", "host": url, **kinds[kind]}


@pytest.fixture(name="heard")
def _heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Listen to every logger at DEBUG, also to those that Airflow has told to say less."""
    caplog.set_level(logging.DEBUG)
    for name in [*logging.root.manager.loggerDict, "httpx", "httpcore"]:
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


class Drive:
    """Drives a task through its life, and keeps all that it says and leaves.

    :param platform: what fails meanwhile.
    :param task: one that defers.
    """

    def __init__(self, platform: Emulator, task: FakeTask) -> None:
        self._platform = platform
        self.task = task
        self._deferred: TaskDeferred | None = None
        self.said: list[str] = []

    def through(self, kind: str | None, **how: Any) -> str:
        """Let each step meet a fault once, and return all that was said."""
        self._step(self._launch, kind, method="POST", **how)
        self._step(self._wait_and_resume, kind, method="GET", **how)
        self._step(CanfarHook().test_connection, kind, method="GET", **how)
        self._step(self.task.operator.on_kill, kind, method="GET", **how)
        self._look_around()
        return "\n".join(self.said)

    def _step(self, step: Callable[[], object], kind: str | None, **how: Any) -> None:
        if kind:
            self._platform.faults(**{kind: {"count": 1, **how}})
        with capture_logs() as entries:
            try:
                self.said.append(repr(step()))
            except Exception as error:  # noqa: BLE001 (whatever it raises, it is read)
                self.said.append(texts_of(error) + shown_by_reporters(error, without=__file__))
        self.said.append(repr(entries))
        self._platform.clear_faults()

    def _launch(self) -> object:
        self._deferred = self.task.defer()
        trigger = self._deferred.trigger
        return [trigger, trigger.serialize(), self._deferred, self._deferred.kwargs, self._deferred.timeout]

    def _wait_and_resume(self) -> object:
        if self._deferred is None:
            return "it was not launched"
        said: list[object] = []
        while True:
            event = event_of(self._deferred.trigger)
            try:
                return [*said, event, self.task.resume(self._deferred, event)]
            except TaskDeferred as again:
                # What the platform was too busy for was launched only now, or it was too busy to say.
                self._deferred = again
                said += [event, again.trigger.serialize(), again.kwargs]

    def _look_around(self) -> None:
        operator, store, hook = self.task.operator, self.task.store, CanfarHook()
        assert store
        templates = {field: getattr(operator, field) for field in operator.template_fields}
        things = (operator, hook, hook.settings, hook.settings.client(), templates, self.task.ti.xcoms)
        self.said += [*map(repr, things), *store.rows.values()]


MakeDrive = Callable[..., Drive]


@pytest.fixture(name="drive")
def _drive(
    platform: Emulator, canaries: Canaries, monkeypatch: pytest.MonkeyPatch, quick_triggers: None
) -> MakeDrive:
    """Make a task of the default connection, whose environment is secret."""
    monkeypatch.setattr(TaskInstanceId, "state", lambda self: "running")
    # What was not answered is looked for no longer than the emulator takes to make it.
    monkeypatch.setattr(lost_creates, "LIST_EVERY", 0.05)
    standard = reconcile.Reconciler.__init__.__kwdefaults__
    monkeypatch.setattr(
        reconcile.Reconciler.__init__, "__kwdefaults__", {**(standard or {}), "lost_create_wait": 0.2}
    )

    def make(*argv: str, connection: Mapping[str, Any], **settings: Any) -> Drive:
        monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(connection))
        standard: dict[str, Any] = {
            "task_id": "stars",
            "image": IMAGE,
            "command": argv or ("true",),
            "env": {"PLAIN": canaries.plant(), "BOOTSTRAPPED": canaries.plant(" = $&<\"'é%\\")},
            "replicas": 2,
            "poll_interval": 0.1,
        }
        return Drive(platform, FakeTask(partial(CanfarHeadlessOperator, **(standard | settings))))

    return make


#: What each step meets once.
FAULTS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "none": (None, {}),
    "closed before": ("drop_before", {}),
    "closed after": ("drop_after", {}),
    "503": ("busy", {"retry_after": 1}),
    "502 in HTML": ("html", {}),
    "500": ("server_error", {}),
    "no job, and none made": ("not_created", {}),
    "no job, and one made": ("created_unseen", {}),
    "half an answer": ("truncated", {}),
    "silent": ("outage", {"mode": "hang"}),
    "401": ("expired_token", {}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_makes_a_task_tell_a_secret(
    platform: Emulator, canaries: Canaries, drive: MakeDrive, heard: pytest.LogCaptureFixture, fault: str
) -> None:
    extra = {"registry_username": "mcurie", "registry_secret": canaries.plant()}
    if fault == "silent":
        extra |= {"timeout": "0.5", "create_timeout": "0.5"}
    kind, how = FAULTS[fault]
    said = drive(connection=platform.connection | {"extra": extra}).through(kind, **how)
    assert canaries.found_in(said) == []
    assert canaries.found_in(heard.text) == []
    assert ("AuthenticationError" if fault == "401" else "'status': 'Completed'") in said
    assert f'HTTP Request: POST {platform.url}/session "' in heard.text, "URLs are searched"
    assert "send_request_headers" in heard.text, "httpcore's DEBUG is searched"


@pytest.mark.parametrize("status", [400, 500])
def test_no_refusal_that_repeats_a_request_makes_a_task_tell_a_secret(
    platform: Emulator, canaries: Canaries, drive: MakeDrive, heard: pytest.LogCaptureFixture, status: int
) -> None:
    """A create, a list, a test of the connection and a kill; and a create is sent again after a 500."""
    extra = {"registry_username": "mcurie", "registry_secret": canaries.plant("&<é>\"'%")}
    words = Canaries()  # Airflow shows a command where it shows templates; no message may.
    made = drive(
        "echo",
        words.plant("&<é>\"'%"),
        connection=platform.connection | {"extra": extra},
        replicas=len(ENCODINGS),
    )
    said = made.through("repeat", status=status, count=len(ENCODINGS))
    assert f"failed with status {status}: " in said
    assert canaries.found_in(said + heard.text) == []
    assert words.found_in("\n".join([heard.text, *(text for text in made.said if "Traceback" in text)])) == []


#: How a task with such a connection ends on an emulator, which takes no certificates.
KINDS = {
    "login": "Completed",
    "oidc basic": "Completed",
    "oidc post": "Completed",
    "certificate": "AuthenticationError",
    "proxy certificate": "AuthenticationError",
}


@pytest.mark.parametrize("fault", [None, "expired_token"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_credential_is_told_whether_it_is_taken_or_refused(
    platform: Emulator,
    grants: Grants,
    canaries: Canaries,
    drive: MakeDrive,
    heard: pytest.LogCaptureFixture,
    password: str,
    kind: str,
    fault: str | None,
) -> None:
    said = drive(connection=fields_of(kind, platform.url, grants, password)).through(fault)
    assert canaries.found_in(said) == []
    assert canaries.found_in(heard.text) == []
    assert canaries.found_in("\n".join(grants.asked)) == []
    assert KINDS[kind] in said


def test_a_failed_task_shows_its_last_lines_and_no_secret(
    platform: Emulator, canaries: Canaries, drive: MakeDrive, heard: pytest.LogCaptureFixture
) -> None:
    argv = ("sh", "-c", "echo the tile is empty; exit 3")
    said = drive(*argv, connection=platform.connection).through(None)
    assert "SessionFailed" in said
    assert "the tile is empty" in said
    assert canaries.found_in(said + heard.text) == []


def test_a_dry_run_shows_no_value_of_the_environment(
    canaries: Canaries, platform: Emulator, drive: MakeDrive
) -> None:
    """Nor in the bootstrap that carries it, which is base64."""
    made = drive(connection=platform.connection)
    with capture_logs() as entries:
        made.task.operator.dry_run()
    assert "Replica 2: name=" in repr(entries)
    assert canaries.found_in(repr(entries)) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("TILE", "NUL character"), ("REPLICA_ID", "Invalid env variable"), ("A=B", "contain '='")],
)
def test_a_refused_environment_is_told_without_its_values(
    platform: Emulator,
    canaries: Canaries,
    drive: MakeDrive,
    heard: pytest.LogCaptureFixture,
    name: str,
    words: str,
) -> None:
    env = {name: f"{canaries.plant()}\0"}
    with pytest.raises(SpecError, match=words) as refusal:
        drive(connection=platform.connection, env=env)
    assert canaries.found_in(texts_of(refusal.value) + heard.text) == []
    drive_of_good = drive(connection=platform.connection)
    make = drive_of_good.task.make

    def with_env() -> Any:
        operator: Any = make()
        operator.env = env  # As Airflow sets it, once it is rendered.
        return operator

    drive_of_good.task.make = with_env
    said = drive_of_good.through(None)
    assert words in said
    assert canaries.found_in(said + heard.text) == []
    assert platform.all_sessions() == []


@pytest.mark.parametrize("other", [object(), {1: "x"}, "x" * 1_000_001])
def test_no_frame_shows_an_argument_of_a_call_that_cannot_be_made(canaries: Canaries, other: object) -> None:
    def count(plate: str, other: object, *, plates: list[str]) -> int:
        return len(plate)

    made: Any = canfar_task(image=IMAGE)(count)(canaries.plant(), other, plates=[canaries.plant()])
    with pytest.raises(SpecError, match="count") as refusal:
        made.operator._command({}, None)
    assert canaries.found_in(texts_of(refusal.value)) == []
    assert canaries.found_in(shown_by_reporters(refusal.value, without=__file__)) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"password": "CANARY and CANARY"},
        {"password": "CANARY", "extra": {"certificate": "-----BEGIN CERTIFICATE-----\nCANARY"}},
        {"password": "", "extra": {"certificate": "-----BEGIN CERTIFICATE-----\nCANARY"}},
        {"password": "", "extra": {"proxy_certificate": "-----BEGIN CERTIFICATE-----\nCANARY"}},
        {"password": "", "extra": {"proxy_certificate": "CANARY"}},
        {"password": "", "extra": {"client_secret": "CANARY", "refresh_token": "CANARY"}},
        {"password": "CANARY", "extra": {"registry_secret": "CANARY"}},
        {"password": "CANARY", "extra": {"registry_username": "me", "registry_secret": "CAN:CANARY"}},
        {"host": "https://me:CANARY@skaha.test/skaha/v1", "password": "x"},
        {"host": "https://me:can/CANARY@skaha.test/skaha/v1", "password": "x"},
        {"host": "http://skaha.test", "password": "CANARY"},
        {"login": "me", "password": "CANARY", "extra": {"login_url": "http://skaha.test/login"}},
    ],
)
def test_a_connection_that_is_wrong_is_told_without_its_secrets(
    platform: Emulator, canaries: Canaries, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    told = json.dumps(platform.connection | fields).replace("CANARY", canaries.plant())
    monkeypatch.setenv(CONNECTION_VARIABLE, told)
    is_good, words = CanfarHook().test_connection()
    assert not is_good
    assert canaries.found_in(words) == []
    with pytest.raises(CanfarError) as refusal:
        CanfarHook().whoami()
    assert canaries.found_in(texts_of(refusal.value)) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads the process list from /proc")
def test_no_process_shows_a_value_of_the_environment_once_the_program_runs(
    platform: Emulator, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(platform.connection))
    env = {"PLAIN": canaries.plant(), "BOOTSTRAPPED": f"{canaries.plant()} = $"}
    hook, script = CanfarHook(), f"echo it runs; sleep 60; # {uuid4().hex}"
    (session_id,) = hook.create(name="stars", image=IMAGE, command=["sh", "-c", script], env=env)
    wait_until(lambda: hook.logs(session_id)[session_id], description="its first line", timeout=30)
    shown = process_list()
    assert script in shown
    assert canaries.found_in(shown) == []


def process_list() -> str:
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # It has ended meanwhile.
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)
