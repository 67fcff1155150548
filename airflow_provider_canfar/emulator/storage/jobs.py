"""Jobs that a client starts and waits for (IVOA's Universal Worker Service)."""

from __future__ import annotations

import asyncio
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_canfar.emulator.api.http_errors import HttpError, not_found
from airflow_provider_canfar.emulator.storage.node_xml import HEAD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_canfar.emulator.storage.transfers import Transfer

Work = Callable[[], "Mapping[str, str]"]
"""What a job does, and its results by name; raises HttpError when it fails."""

UWS = "http://www.ivoa.net/xml/UWS/v1.0"
XLINK = "http://www.w3.org/1999/xlink"
PENDING, EXECUTING, COMPLETED, ABORTED, ERROR = "PENDING", "EXECUTING", "COMPLETED", "ABORTED", "ERROR"
MAX_JOBS = 1000

ET.register_namespace("uws", UWS)
ET.register_namespace("xlink", XLINK)


class PartlyDone(Exception):
    """A job has done only some of its work; the server calls that phase ABORTED.

    :param results: its results by name.
    """

    def __init__(self, results: Mapping[str, str]) -> None:
        super().__init__("partly done")
        self.results = results


@dataclass(eq=False)
class Job:
    """One job.

    :param owner: who may see it.
    :param work: what it does once it is started.
    :param transfer: what it negotiates, if it does.
    """

    owner: str | None
    work: Work
    transfer: Transfer | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    phase: str = PENDING
    results: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Do its work."""
        self.phase = EXECUTING
        try:
            self.results = await asyncio.to_thread(self.work)
            self.phase = COMPLETED
        except PartlyDone as partly:
            self.phase, self.results = ABORTED, partly.results
        except HttpError as error:
            self.phase, self.error = ERROR, error.sentence
        except OSError as error:
            self.phase, self.error = ERROR, f"RuntimeException:{error.strerror}"

    async def wait(self, seconds: float) -> None:
        """Wait until it has ended, or for some seconds."""
        if self.task:
            await asyncio.wait([self.task], timeout=seconds)

    def document(self) -> str:
        """Return its description."""
        root = ET.Element(f"{{{UWS}}}job")
        for name, text in (("jobId", self.id), ("ownerId", self.owner), ("phase", self.phase)):
            ET.SubElement(root, f"{{{UWS}}}{name}").text = text
        results = ET.SubElement(root, f"{{{UWS}}}results")
        for name, target in self.results.items():
            ET.SubElement(results, f"{{{UWS}}}result", {"id": name, f"{{{XLINK}}}href": target})
        if self.error is not None:
            summary = ET.SubElement(root, f"{{{UWS}}}errorSummary", {"type": "fatal", "hasDetail": "false"})
            ET.SubElement(summary, f"{{{UWS}}}message").text = self.error
        return f"{HEAD}{ET.tostring(root, encoding='unicode')}\n"


class Jobs:
    """The jobs of one component, of which the latest are remembered."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def add(self, job: Job) -> Job:
        """Remember a job, and return it."""
        while len(self._jobs) >= MAX_JOBS:
            del self._jobs[next(iter(self._jobs))]
        self._jobs[job.id] = job
        return job

    def get(self, job_id: str, caller: str | None) -> Job:
        """Return a job.

        :raises HttpError: 404 for an unknown one, 403 for one of somebody else.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise not_found(f"not found: {job_id}")
        if job.owner != caller:
            raise HttpError(403, f"permission denied: {job_id}")
        return job

    def start(self, job: Job) -> None:
        """Start a job that is pending."""
        if job.phase == PENDING:
            job.task = asyncio.create_task(job.run(), name=f"storage-job-{job.id}")
