"""One session: what its create requested, and its state."""

from __future__ import annotations

import asyncio
import random
import string
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_canfar.emulator.job_pipeline.kubectl import AcceptedContainer

HEADLESS = "headless"
DESKTOP = "desktop"
DESKTOP_APP = "desktop-app"
KINDS = ("carta", "contributed", DESKTOP, "notebook", HEADLESS, DESKTOP_APP, "firefly")


class State(StrEnum):
    """A session's state; *SessionBuilder.withStatus* derives the status that the service shows."""

    QUEUED = "queued"  # Kueue has suspended the Job: no pod, no start time, no events
    PULLING = "pulling"  # there is a pod, and its image cannot be pulled
    RUNNING = "running"
    ENDING = "ending"  # the pod has ended, and the Job still counts it as active but not as ready
    TERMINATING = "terminating"  # past its deadline, within its grace period
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def status(self) -> str:
        """The status that the service shows."""
        return self.value.capitalize() if self in STATES_SHOWN else "Pending"

    @property
    def is_final(self) -> bool:
        """Whether the session has ended."""
        return self in (State.COMPLETED, State.FAILED)


STATES_SHOWN = (State.RUNNING, State.TERMINATING, State.COMPLETED, State.FAILED)


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """What a create requested, once the server has accepted it.

    :param cores: CPU cores, or None when flexible.
    :param ram: GiB of memory, or None when flexible.
    """

    name: str
    image: str
    kind: str
    cores: float | None = None
    ram: float | None = None
    gpus: int = 0


@dataclass(frozen=True)
class Event:
    """One line of ``view=events``.

    :param kind: Normal or Warning.
    :param at: seconds since 1970, or None for the scheduler's own events, which have no times.
    """

    kind: str
    reason: str
    message: str
    at: float | None


@dataclass(frozen=True)
class Usage:
    """What a session used when it was last measured.

    :param cores: CPU cores, on average since the measurement before.
    :param ram: bytes of resident memory.
    """

    cores: float
    ram: int


@dataclass(eq=False, kw_only=True)
class Session:
    """A session of the emulated platform; the emulator keeps it after the platform has forgotten it.

    :param job: the name of its Job in Kubernetes.
    :param app_id: of a desktop app, which has the id of its desktop; None for other sessions.
    :param folder: its working directory.
    :param log: the file with its output; missing until the session has a pod.
    :param deadline: how many seconds it may run.
    :param created: seconds since 1970, like all times here.
    :param forgotten: when the platform stopped showing it: deleted, past its retention, or vanished. It may
        show a deleted session for a while, as Terminating.
    :param exceeded_deadline: whether its deadline ended it.
    :param usage: what its processes used when they were last measured; None before the first measurement.
    """

    id: str
    job: str
    user: str
    request: SessionRequest
    container: AcceptedContainer
    folder: Path
    log: Path
    deadline: float
    created: float
    state: State = State.QUEUED
    started: float | None = None
    ended: float | None = None
    deleted: float | None = None
    forgotten: float | None = None
    app_id: str | None = None
    exceeded_deadline: bool = False
    exit_code: int | None = None
    starts: int = 0
    usage: Usage | None = None
    events: list[Event] = field(default_factory=list)
    preempted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> str:
        """The status that the service shows."""
        is_terminating = self.deleted is not None and self.forgotten is None
        return State.TERMINATING.status if is_terminating else self.state.status

    @property
    def is_live(self) -> bool:
        """Whether it has neither ended nor been forgotten by the platform."""
        return self.ended is None and self.forgotten is None

    @property
    def is_headless(self) -> bool:
        """Whether it runs a program to its end, rather than serving a page to a person."""
        return self.request.kind == HEADLESS

    def requeue(self) -> None:
        """Go back to the queue, without the pod, events and log of an earlier start."""
        self.state = State.QUEUED
        self.started = self.exit_code = self.usage = None
        self.events.clear()
        self.preempted.clear()
        self.log.unlink(missing_ok=True)

    def add_event(self, reason: str, message: str, at: float | None, kind: str = "Normal") -> None:
        """Add an event of its pod."""
        self.events.append(Event(kind, reason, message, at))


def new_id(length: int = 8) -> str:
    """Return a random id in the server's form: a letter first (*RandomStringGenerator*)."""
    generator = random.SystemRandom()
    letters = string.ascii_lowercase
    return generator.choice(letters) + "".join(generator.choices(letters + string.digits, k=length - 1))
