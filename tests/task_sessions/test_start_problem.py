"""Why sessions do not start, in the words of kubelets, container runtimes and registries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.models import Event
from airflow_provider_canfar.task_sessions.start_problem import ProblemKind, pull_problem, start_problem

IMAGE = "images.canfar.net/skaha/astroml:24.07"
REGISTRY = "https://images.canfar.net"
MANIFEST = f"{REGISTRY}/v2/skaha/astroml/manifests/24.07"
RPC = "rpc error: code = Unknown desc = "
UNPACK = f'{RPC}failed to pull and unpack image "{IMAGE}"'
RESOLVE = f'{UNPACK}: failed to resolve reference "{IMAGE}"'
HEAD = f"{RESOLVE}: unexpected status from HEAD request to {MANIFEST}: "
DO_HEAD = f'{RESOLVE}: failed to do request: Head "{MANIFEST}": '
TOKEN = f"{RESOLVE}: failed to authorize: failed to fetch oauth token: unexpected status from GET request to "
DAEMON = f"{RPC}Error response from daemon: "
DAEMON_GET = f'{DAEMON}Get "{REGISTRY}/v2/": '
COPY = f"{UNPACK}: failed to copy: "
LOGIN = "repository does not exist or may require 'docker login'"

TRANSIENT = [
    f"{HEAD}503 Service Unavailable",
    f"{HEAD}502 Bad Gateway",
    f"{HEAD}500 Internal Server Error",
    f"{HEAD}504 Gateway Timeout",
    f"{HEAD}429 Too Many Requests",
    f"{HEAD}520 <none>",
    f"{HEAD}429 Too Many Requests - Server message: toomanyrequests: your unauthenticated pull rate limit",
    f"{DAEMON}toomanyrequests: You have reached your pull rate limit. https://www.docker.com/denied",
    f"{DAEMON}received unexpected HTTP status: 503 Service Temporarily Unavailable",
    f"{DAEMON}denied: Quota exceeded for quota metric 'Requests'",
    f"{DAEMON_GET}net/http: TLS handshake timeout",
    f"{DAEMON_GET}net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
    f"{DAEMON_GET}dial tcp: lookup images.canfar.net on 10.96.0.10:53: no such host",
    f"{DO_HEAD}dial tcp 192.0.2.1:443: i/o timeout",
    f"{DO_HEAD}dial tcp 192.0.2.1:443: connect: connection refused",
    f"{DO_HEAD}dial tcp: lookup images.canfar.net: server misbehaving",
    f"{DO_HEAD}EOF",
    f"{COPY}read tcp 10.0.0.1:53422->192.0.2.1:443: read: connection reset by peer",
    f"{COPY}httpReadSeeker: failed open: failed to do request: unexpected EOF",
    f"{TOKEN}{REGISTRY}/service/token: 503 Service Unavailable",
    f"{UNPACK}: context deadline exceeded",
    "rpc error: code = Unavailable desc = error reading from server: EOF",
    f"{UNPACK}: failed to extract layer sha256:ab: write /var/lib/containerd/x: no space left on device",
    "pull QPS exceeded",
    "RegistryUnavailable: the registry is away, and so its image is not found",
    "words that nothing has said before",
    "",
]

PERMANENT = [
    f"rpc error: code = NotFound desc = {RESOLVE}: {IMAGE}: not found",
    f"{UNPACK}: not found",
    f"{DAEMON}manifest for {IMAGE} not found: manifest unknown: manifest unknown",
    f"{DAEMON}manifest unknown",
    f"{RPC}reading manifest 24.07 in images.canfar.net/skaha/astroml: manifest unknown: manifest unknown",
    f"{HEAD}404 Not Found",
    f"{RPC}name unknown: repository not found",
    f"{RPC}errors: NAME_UNKNOWN: repository name not known to registry",
    f"{RESOLVE}: pull access denied, repository does not exist or may require authorization",
    f"{RESOLVE}: server message: insufficient_scope: authorization failed",
    f"{DAEMON}pull access denied for skaha/astroml, {LOGIN}: denied: requested access",
    f"{DAEMON}unauthorized: project skaha not found: project skaha not found",
    f"{DAEMON}unauthorized: authentication required",
    f"{DAEMON_GET}no basic auth credentials",
    f"{HEAD}401 Unauthorized",
    f"{HEAD}403 Forbidden",
    f"{TOKEN}{REGISTRY}/service/token: 401 Unauthorized",
    f"{UNPACK}: no match for platform in manifest: not found",
    f"{DAEMON}no matching manifest for linux/amd64 in the manifest list entries",
    f"{RPC}choosing image instance: no image found in manifest list for architecture amd64, OS linux",
]


def pull_failed(words: str, image: str = IMAGE) -> str:
    return f'Failed to pull image "{image}": {words}'


@pytest.mark.parametrize("words", TRANSIENT)
def test_a_registry_s_bad_moment_may_pass(words: str) -> None:
    assert pull_problem(pull_failed(words))[0] is ProblemKind.TRANSIENT
    later = f'Back-off pulling image "{IMAGE}": ErrImagePull: {words}'
    assert pull_problem(later)[0] is ProblemKind.TRANSIENT


@pytest.mark.parametrize("words", PERMANENT)
def test_what_a_registry_refuses_does_not_pass(words: str) -> None:
    assert pull_problem(pull_failed(words))[0] is ProblemKind.PERMANENT
    later = f'Back-off pulling image "{IMAGE}": ErrImagePull: {words}'
    assert pull_problem(later)[0] is ProblemKind.PERMANENT


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("manifest unknown", "spelling of the image and of its tag"),
        ("denied: requested access to the resource is denied", "registry_secret"),
        ("no match for platform in manifest: not found", "linux/amd64"),
    ],
)
def test_each_refusal_comes_with_what_to_do(words: str, advice: str) -> None:
    assert advice in pull_problem(pull_failed(words))[1]


@pytest.mark.parametrize(
    "name", ["not-found:1", "timeout:503", "manifest-unknown/denied:404", "unauthorized:eof"]
)
def test_an_image_s_own_name_says_nothing(name: str) -> None:
    image = f"images.canfar.net/skaha/{name}"
    host_and_path, _, tag = image.rpartition(":")
    transient = (
        f'failed to resolve reference "{image}": unexpected status from HEAD request to '
        f"https://images.canfar.net/v2/skaha/manifests/{tag}: 503 Service Unavailable"
    )
    assert pull_problem(pull_failed(transient, image))[0] is ProblemKind.TRANSIENT
    permanent = f"reading manifest {tag} in {host_and_path}: manifest unknown"
    assert pull_problem(pull_failed(permanent, image))[0] is ProblemKind.PERMANENT
    assert pull_problem(f'Back-off pulling image "{image}"')[0] is ProblemKind.TRANSIENT


# All events of a pod.

START = datetime(2026, 3, 4, 18, 0, tzinfo=UTC)


def event(reason: str, message: str, first: float | None = None, last: float | None = None) -> Event:
    def time(minutes: float | None) -> datetime | None:
        return None if minutes is None else START + timedelta(minutes=minutes)

    return Event(
        reason=reason,
        message=message,
        first_time=time(first),
        last_time=time(first if last is None else last),
    )


SCHEDULED = event("Scheduled", "Successfully assigned skaha-workload/skaha-headless-jdoe-k3v9x2qa to node-17")
PULLING = event("Pulling", f'Pulling image "{IMAGE}"', 0, 9)
UNAVAILABLE = event("Failed", pull_failed("503 Service Unavailable"), 1, 10)
NOT_FOUND = event("Failed", pull_failed("not found"), 20)
ERR_IMAGE_PULL = event("Failed", "Error: ErrImagePull", 1, 10)
BACK_OFF = event("BackOff", f'Back-off pulling image "{IMAGE}"', 2, 30)
IMAGE_PULL_BACK_OFF = event("Failed", "Error: ImagePullBackOff", 2, 30)
PULLED = event("Pulled", f'Successfully pulled image "{IMAGE}" in 3.2s', 40)
CREATED = event("Created", "Created container skaha-headless-jdoe-k3v9x2qa", 41)
STARTED = event("Started", "Started container skaha-headless-jdoe-k3v9x2qa", 41)
INVALID_TAG = event(
    "InspectFailed", f'Failed to apply default image tag "{IMAGE}": couldn\'t parse image name', 1
)
NO_SECRET = event("Failed", 'Error: secret "registry-auth-jdoe" not found', 42)


NEVER_PULL = event(
    "ErrImageNeverPull", f'Container image "{IMAGE}" is not present with pull policy of Never', 1
)
INVALID_NAME = event("Failed", "Error: InvalidImageName", 1)
NO_KEY = event("Failed", "Error: couldn't find key token in Secret skaha-workload/x", 1)
AS_ROOT = event("Failed", "Error: container has runAsNonRoot and image will run as root", 1)
CONFIG_ERROR = event("Failed", "Error: CreateContainerConfigError", 1)
TOO_SLOW = event("Failed", "Error: context deadline exceeded", 1)
UNAVAILABLE_AGAIN = UNAVAILABLE.model_copy(update={"last_time": BACK_OFF.last_time})


@pytest.mark.parametrize(
    ("events", "kind", "reason"),
    [
        ([UNAVAILABLE, ERR_IMAGE_PULL, BACK_OFF, IMAGE_PULL_BACK_OFF], ProblemKind.TRANSIENT, UNAVAILABLE),
        ([NOT_FOUND, BACK_OFF, IMAGE_PULL_BACK_OFF], ProblemKind.PERMANENT, NOT_FOUND),
        ([UNAVAILABLE, BACK_OFF, NOT_FOUND], ProblemKind.PERMANENT, NOT_FOUND),
        ([NOT_FOUND, UNAVAILABLE_AGAIN], ProblemKind.TRANSIENT, UNAVAILABLE_AGAIN),
        ([BACK_OFF], ProblemKind.TRANSIENT, BACK_OFF),
        ([ERR_IMAGE_PULL], ProblemKind.TRANSIENT, ERR_IMAGE_PULL),
        ([INVALID_NAME], ProblemKind.PERMANENT, INVALID_NAME),
        ([INVALID_TAG, INVALID_NAME], ProblemKind.PERMANENT, INVALID_TAG),
        ([NEVER_PULL], ProblemKind.PERMANENT, NEVER_PULL),
        ([PULLED, NO_SECRET], ProblemKind.CONFIGURATION, NO_SECRET),
        ([UNAVAILABLE, PULLED, NO_SECRET], ProblemKind.CONFIGURATION, NO_SECRET),
        ([NO_KEY], ProblemKind.CONFIGURATION, NO_KEY),
        ([AS_ROOT], ProblemKind.CONFIGURATION, AS_ROOT),
        ([CONFIG_ERROR], ProblemKind.CONFIGURATION, CONFIG_ERROR),
        ([TOO_SLOW], ProblemKind.TRANSIENT, TOO_SLOW),
    ],
)
def test_the_last_reason_counts(events: list[Event], kind: ProblemKind, reason: Event) -> None:
    problem = start_problem([SCHEDULED, PULLING, *events])
    assert problem is not None
    assert (problem.kind, problem.message) == (kind, reason.message)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [SCHEDULED, PULLING],
        [UNAVAILABLE, BACK_OFF, PULLED],
        [PULLED, UNAVAILABLE],
        [NOT_FOUND, CREATED],
        [NO_SECRET, STARTED],
        [NO_SECRET, event("Created", "Created container: skaha-headless-jdoe-k3v9x2qa", 43)],
        [NOT_FOUND, event("Started", "Container started", 43)],
        [event("FailedScheduling", "0/42 nodes are available: 42 Insufficient cpu.")],
        [event("BackOff", "Back-off restarting failed container skaha-notebook-jdoe-k3v9x2qa", 3)],
    ],
)
def test_what_has_passed_is_no_problem(events: list[Event]) -> None:
    assert start_problem(events) is None


@pytest.mark.parametrize("user", ["jdoe", "initials"])
def test_an_init_container_is_not_the_session_s(user: str) -> None:
    init = event("Started", "Started container init-permissions", 0.5)
    pulled = event(
        "Pulled", 'Container image "images.canfar.net/skaha/init:1" already present on machine', 25
    )
    assert start_problem([init, NOT_FOUND, pulled]) is not None
    assert (
        start_problem([NOT_FOUND, event("Started", f"Started container skaha-headless-{user}-k3v9x2qa")])
        is None
    )


def test_the_first_failed_pull_begins_the_time_that_a_problem_may_last() -> None:
    problem = start_problem([NOT_FOUND, BACK_OFF, UNAVAILABLE])
    assert problem is not None
    assert problem.since == UNAVAILABLE.first_time
    after_pull = start_problem([UNAVAILABLE, PULLED, NO_SECRET])
    assert after_pull is not None
    assert after_pull.since == NO_SECRET.first_time


def test_events_without_times_are_in_their_order() -> None:
    timeless = [
        one.model_copy(update={"first_time": None, "last_time": None}) for one in (NOT_FOUND, UNAVAILABLE)
    ]
    problem = start_problem(timeless)
    assert problem is not None
    assert (problem.kind, problem.since) == (ProblemKind.TRANSIENT, None)


def test_ports_and_addresses_make_no_other_problem() -> None:
    signatures = {
        problem.signature
        for port in (53422, 53478)
        if (
            problem := start_problem(
                [event("Failed", pull_failed(f"read tcp 10.0.0.{port % 9}:{port}->192.0.2.1:443: EOF"))]
            )
        )
    }
    assert len(signatures) == 1
    others = [
        start_problem([event("Failed", pull_failed(words))])
        for words in ("429 Too Many Requests", "503 Busy")
    ]
    assert len({one.signature for one in others if one}) == 2


def test_a_signed_address_is_not_quoted() -> None:
    words = 'Get "https://user:hunter2@store.example/blob?X-Amz-Signature=5ec237&X-Amz-Date=1": EOF'
    problem = start_problem([event("Failed", pull_failed(words))])
    assert problem is not None
    assert "5ec237" not in problem.message
    assert "hunter2" not in problem.message
    assert problem.message.endswith("EOF")


@given(st.lists(st.builds(Event, reason=st.text(max_size=9), message=st.text(max_size=2000)), max_size=5))
def test_whatever_events_hold_is_read(events: list[Event]) -> None:
    problem = start_problem([*events, NOT_FOUND])
    assert problem is not None or any("ontainer" in one.message for one in events)
    assert problem is None or len(problem.message) < 1000
