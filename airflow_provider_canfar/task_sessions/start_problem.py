"""Why a session does not start, as its Kubernetes events say: what may pass, and what will not. Pure.

The kubelet writes the events (*kuberuntime_container.go*, *image_manager.go*); why a pull failed is in the
words of the container runtime or of the registry. Only words that are known to be final are final: anything
else is waited out, as a bound ends that wait anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_canfar.skaha.models import Event


class ProblemKind(Enum):
    """What kind of problem keeps a session from starting; the value is for how many seconds to wait it out.

    TRANSIENT is a registry's bad moment, or words that we do not know. CONFIGURATION is something that the
    container refers to and that is missing, which Kubernetes calls CreateContainerConfigError: it may be
    about to be created. PERMANENT is what neither time nor a retry of the task mends.
    """

    TRANSIENT = 1800.0
    CONFIGURATION = 300.0
    PERMANENT = 0.0


@dataclass(frozen=True, slots=True)
class StartProblem:
    """What keeps a session from starting.

    :param message: the platform's words.
    :param advice: what to do if it does not pass.
    :param since: when Kubernetes first met it; None where the events have no times.
    """

    kind: ProblemKind
    message: str
    advice: str
    since: datetime | None = None

    @property
    def signature(self) -> str:
        """What makes it another problem when it changes: ports, addresses and times of day do not."""
        return re.sub(r"(?<![\w.:])\d{1,3}(\.\d{1,3}){3}(:\d+)?|\d+m?s\b", "#", self.message)


@dataclass(frozen=True, slots=True)
class StartFailure:
    """That a session will not start, or was given the time it had.

    :param reason: why, and what to do about it.
    :param retryable: whether another session may start.
    """

    reason: str
    retryable: bool = True


_BAD_MOMENT = "The image could not be pulled for a while. Try again later, or ask the registry's operators."
_CREATION = "The container could not be created. Try again later, or ask the platform's operators."
_CONFIGURATION = "Something that the session's container needs is missing. Ask the platform's operators."

_NAME = (
    "Check the spelling of the image and of its tag. A registry may also answer like this about a private "
    "image: fill in registry_username and registry_secret in the connection."
)
_ACCESS = (
    "Check the spelling of the image. If it is private, fill in registry_username and registry_secret in the "
    "connection, for a user who may read its project."
)
_PLATFORM = "Build the image for the platform of the machines, which is usually linux/amd64."

#: What may pass, even where another part of the message sounds final, such as a limit that is reported as
#: "denied".
_PASSES = re.compile(
    r"too ?many ?requests|rate.?limit|\bquota\b|QPS exceeded|\b(?:429|5\d\d) [A-Z]|Service Unavailable|"
    r"Bad Gateway|Internal Server Error|time-?out|timed out|deadline exceeded|broken pipe|\bEOF\b|"
    r"connection (?:refused|reset)|no such host|server misbehaving|temporary failure|no route to host|"
    r"network is unreachable|RegistryUnavailable",
    re.IGNORECASE,
)

#: What does not pass, and what to do about it; the first that is found counts. The words are those of
#: containerd, CRI-O and Docker, and the error codes of the registries' API (OCI distribution spec).
_FINAL = (
    (
        re.compile(
            r"no matching manifest for|no match for platform|unsupported platform|"
            r"no image found in (?:manifest list|image index)|exec format error",
            re.IGNORECASE,
        ),
        _PLATFORM,
    ),
    (
        re.compile(
            r"denied|unauthorized|forbidden|\b40[13]\b|insufficient_scope|authentication required|"
            r"authorization failed|no basic auth credentials|incorrect username or password|"
            r"SignatureValidationFailed",
            re.IGNORECASE,
        ),
        _ACCESS,
    ),
    (
        re.compile(
            r"manifest.unknown|name.unknown|name.invalid|not known to registry|not found|\bNotFound\b|"
            r"\b404\b|does not exist|invalid reference format|couldn't parse image|InvalidImageName|"
            r"ErrImageNeverPull|pull policy of Never",
            re.IGNORECASE,
        ),
        _NAME,
    ),
)

#: Names and addresses, which may hold any of these words: quoted texts, images, URLs, and tags.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNQUOTED_NAMES = re.compile(r"reading manifest \S+ in|\S+/\S+")

# Newer kubelets put the verb behind, and leave out which container it is.
_STARTED = re.compile(r"^Started container|^Container started")
_CREATED = re.compile(r"^Created container|^Container created")
_PULLED = re.compile(r"^Successfully pulled image |^Container image .* already present")
#: Init containers have names of their own; the session's has that of its Job (SessionJobBuilder).
_MAIN_CONTAINER = re.compile(r"container:? (?:skaha-|(?!\S*init)\S)")

_PULL = re.compile(
    r"^Failed to (?:pull image|inspect image|apply default image tag)\b|^Back-off pulling image\b|"
    r"^Container image .* is not present with pull policy of Never",
    re.DOTALL,
)
#: What the kubelet says of a container whose image it does not have, without any details.
_PULL_ERROR = re.compile(
    r"^Error: (?:ErrImagePull|ImagePullBackOff|ImageInspectError|RegistryUnavailable|InvalidImageName|"
    r"ErrImageNeverPull|SignatureValidationFailed)\b"
)
_SAYS_LITTLE = re.compile(r'^(?:Back-off pulling image "[^"]*"|Error: \w+)$')
_CONFIGURATION_ERROR = re.compile(
    r"CreateContainerConfigError|(?:secret|configmap) .*not found|couldn't find key|runAsNonRoot|runAsUser|"
    r"non-numeric user|services have not yet been read",
    re.IGNORECASE | re.DOTALL,
)
#: A signature or a password in an address: both are secret.
_SECRET_IN_URL = re.compile(r"(?<=://)[^/\s\"@]+@|(?<=\?)[^\s\"?]+=[^\s\"]+")

#: The most characters of a message that are kept.
_LONGEST = 600


def start_problem(events: Sequence[Event]) -> StartProblem | None:
    """Return what keeps a session from starting; None where nothing does, or its container has started.

    :param events: those of its pod, in any order; without times, the oldest first.
    """
    problem: StartProblem | None = None
    for event in _in_order(events):
        message = event.message
        if _STARTED.search(message) and _MAIN_CONTAINER.search(message):
            return None
        if problem is not None and _is_solved(problem, message):
            problem = None
        found = _problem_of(event)
        if found is not None:
            problem = found if problem is None else _joined(problem, found)
    return problem


def _in_order(events: Iterable[Event]) -> list[Event]:
    """Sort events by their last time; one without times stays behind the one before it."""
    at, timed = datetime.min.replace(tzinfo=UTC), []
    for event in events:
        at = event.last_time or event.first_time or at
        timed.append((at, event))
    return [event for _, event in sorted(timed, key=lambda pair: pair[0])]


def _is_solved(problem: StartProblem, message: str) -> bool:
    """Whether an event says that what had failed has worked since."""
    if _CREATED.search(message) or _STARTED.search(message):
        return True
    images = [_QUOTED.search(text) for text in (problem.message, message)]
    is_other_image = None not in images and len({image and image[1] for image in images}) > 1
    return _stage(problem.message) == "pull" and _PULLED.search(message) is not None and not is_other_image


def _joined(earlier: StartProblem, later: StartProblem) -> StartProblem:
    """Return the later of two problems in a row, with the reason in the earlier one where it gives none."""
    if _stage(earlier.message) != _stage(later.message):
        return later
    is_vague = _SAYS_LITTLE.search(later.message) is not None
    is_news = ProblemKind.PERMANENT == later.kind != earlier.kind
    times = [time for time in (earlier.since, later.since) if time is not None]
    return replace(earlier if is_vague and not is_news else later, since=min(times, default=None))


def _stage(message: str) -> str:
    return "pull" if _PULL.search(message) or _PULL_ERROR.search(message) else "create"


def _problem_of(event: Event) -> StartProblem | None:
    message = event.message
    if _stage(message) == "pull":
        kind, advice = pull_problem(message)
    elif not message.startswith("Error: ") and "CreateContainerConfigError" not in message:
        return None
    elif _CONFIGURATION_ERROR.search(message):
        kind, advice = ProblemKind.CONFIGURATION, _CONFIGURATION
    else:
        kind, advice = ProblemKind.TRANSIENT, _CREATION
    return StartProblem(kind, _shown(message), advice, event.first_time)


def pull_problem(message: str) -> tuple[ProblemKind, str]:
    """Say whether a failed pull may pass, and what to do if it does not.

    >>> pull_problem('Failed to pull image "skaha/stars:1": not found')[0].name
    'PERMANENT'
    >>> pull_problem('Failed to pull image "skaha/not-found:1": 503 Service Unavailable')[0].name
    'TRANSIENT'
    """
    words = _UNQUOTED_NAMES.sub(" ", _QUOTED.sub(" ", message))
    if not _PASSES.search(words):
        for pattern, advice in _FINAL:
            if pattern.search(words):
                return ProblemKind.PERMANENT, advice
    return ProblemKind.TRANSIENT, _BAD_MOMENT


def _shown(message: str) -> str:
    """Return a message without secrets, and not longer than needed: its end tells most."""
    shown = _SECRET_IN_URL.sub("***", " ".join(message.split()))
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST // 3]} ... {shown[-_LONGEST // 2 :]}"
