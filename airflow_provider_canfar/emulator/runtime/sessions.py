"""One session: what was asked for, and where it is."""

from __future__ import annotations

import asyncio
import random
import string
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_canfar.emulator.job_pipeline.kubectl import PostedContainer

HEADLESS = "headless"
DESKTOP_APP = "desktop-app"
KINDS = ("carta", "contributed", "desktop", "notebook", HEADLESS, DESKTOP_APP, "firefly")


class State(StrEnum):
    """Where a session is; *SessionBuilder.withStatus* makes the shown status of it."""

    QUEUED = "queued"  # the Job is suspended by Kueue: no pod, no start time, no events
    PULLING = "pulling"  # there is a pod, and its image cannot be pulled
    RUNNING = "running"
    ENDING = "ending"  # the pod has ended, and the Job still counts it as active but not as ready
    TERMINATING = "terminating"  # past its deadline, within its grace
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def shown(self) -> str:
        """The word that the service shows."""
        return self.value.capitalize() if self in SHOWN_AS_THEY_ARE else "Pending"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (State.COMPLETED, State.FAILED)


SHOWN_AS_THEY_ARE = (State.RUNNING, State.TERMINATING, State.COMPLETED, State.FAILED)


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """What a create asked for, once the server has accepted it.

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


@dataclass(eq=False, kw_only=True)
class Session:
    """A session of the emulated platform, remembered after the platform has forgotten it.

    :param job: the name of its Job in Kubernetes.
    :param folder: where it works.
    :param log: the file with its output; absent until it has a pod.
    :param deadline: how long it may run, in seconds from its start.
    :param created: seconds since 1970, as all times here.
    :param forgotten: when the platform stopped to show it: deleted, past its retention, or vanished.
    """

    id: str
    job: str
    user: str
    asked: SessionRequest
    container: PostedContainer
    folder: Path
    log: Path
    deadline: float
    created: float
    state: State = State.QUEUED
    started: float | None = None
    ended: float | None = None
    deleted: float | None = None
    forgotten: float | None = None
    exit_code: int | None = None
    starts: int = 0
    events: list[Event] = field(default_factory=list)
    preempted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_live(self) -> bool:
        """Whether the platform still has it and it has not ended."""
        return self.ended is None and self.forgotten is None

    @property
    def is_headless(self) -> bool:
        """Whether it runs a program and ends, rather than waits for a person."""
        return self.asked.kind == HEADLESS

    def requeue(self) -> None:
        """Begin from scratch: no pod, and nothing left of an earlier one."""
        self.state = State.QUEUED
        self.started = self.exit_code = None
        self.events.clear()
        self.preempted.clear()
        self.log.unlink(missing_ok=True)

    def note(self, reason: str, message: str, at: float | None, kind: str = "Normal") -> None:
        """Add an event of its pod."""
        self.events.append(Event(kind, reason, message, at))


def new_id() -> str:
    """Return a random id as the server makes them: eight characters, the first of them a letter."""
    dice = random.SystemRandom()
    letters = string.ascii_lowercase
    return dice.choice(letters) + "".join(dice.choices(letters + string.digits, k=7))
