"""The world of one emulator: everything it remembers, all in memory, touched only by the event loop."""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from collections.abc import Iterable

from starlette.requests import Request

from emulator.answers import Pupils
from emulator.clock import Clock
from emulator.config import Config
from emulator.couriers import Couriers
from emulator.discrepancies import Discrepancy
from emulator.fates import Fate
from emulator.faults import Faults
from emulator.files import StoredFile
from emulator.jobs import Job, Permission, TunedModel
from emulator.log import Log
from emulator.metering import Meter
from emulator.settings import Settings
from emulator.studies import Outcome, Studies
from emulator.uploads import Upload


class World:
    """State and the two things that happen by themselves: studies end, and jobs finish as virtual time passes."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock = Clock(config.speed, config.start)
        self.settings = Settings()
        self.keys = config.projects_by_key
        self.files: dict[str, StoredFile] = {}
        self.uploads: dict[str, Upload] = {}
        self.jobs: dict[str, Job] = {}
        self.models: dict[str, TunedModel] = {}
        self.permissions: dict[str, Permission] = {}
        self.faults = Faults()
        self.fates: dict[str, Fate] = {}
        self.meter = Meter()
        self.discrepancies: dict[str, Discrepancy] = {}
        self.dice = random.Random(0)
        self.log = Log(config.log)
        self.studies = Studies()
        self.pupils = Pupils()
        self.couriers = Couriers(self.clock, self.publish_finished, self.next_end_at)
        self._unfinished: dict[str, Job] = {}
        self._studied: dict[str, Job] = {}
        self._ends: list[tuple[float, str]] = []

    def file(self, project: str, file_id: str) -> StoredFile | None:
        """The project's file of that id, unless it has expired."""
        file = self.files.get(file_id)
        if file is None or file.project != project or (file.expires_at and file.expires_at <= self.clock.now()):
            return None
        return file

    def model(self, project: str, name: str) -> TunedModel | None:
        """The fine-tuned model, or checkpoint, of that name, if the project has made it or may use it."""
        model = self.models.get(name)
        return model if model and (model.project == project or self.may_use(project, name)) else None

    def may_use(self, project: str, name: str) -> bool:
        """Whether the model was shared with the project."""
        return any(one.project == project and one.model == name for one in self.permissions.values())

    def add_job(self, job: Job) -> None:
        """Remember the job; once its study ends, it is known when the job will."""
        self.jobs[job.id] = self._unfinished[job.id] = self._studied[job.id] = job
        job.outcome.add_done_callback(lambda outcome: self._study_done(job, outcome))

    def _study_done(self, job: Job, outcome: asyncio.Future[Outcome]) -> None:
        del self._studied[job.id]
        if not outcome.cancelled() and outcome.exception() is None:
            self.expect_end(job)

    def expect_end(self, job: Job) -> None:
        """Note when the job will end as things stand now; its study must be done."""
        heapq.heappush(self._ends, (job.ends_at, job.id))
        self.couriers.wake()

    def next_end_at(self) -> float:
        """When the next job may end; math.inf when none is known to."""
        return self._ends[0][0] if self._ends else math.inf

    def add_model(self, model: TunedModel) -> None:
        self.models[model.id] = model

    def unfinished(self) -> Iterable[Job]:
        """Jobs that may still be active; ask their status."""
        return self._unfinished.values()

    async def settle(self, *jobs: Job) -> None:
        """Do what virtual time has brought about by now.

        First wait, no longer than the patience, for the studies on which the status of these jobs (none given: of all)
        depends.
        """
        now = self.clock.now()
        needed = {job.outcome for job in jobs or self._studied.values() if job.waits_for_study(now)}
        if needed:
            await asyncio.wait(needed, timeout=self.config.patience_seconds)
        self.publish_finished()

    def publish_finished(self) -> None:
        """Let appear what the jobs that have succeeded by now made; tell the webhooks of all that have ended."""
        now = self.clock.now()
        while self._ends and self._ends[0][0] <= now:
            expected_at, job_id = heapq.heappop(self._ends)
            job = self._unfinished.get(job_id)
            if job is None or job.ends_at != expected_at:
                continue  # cancelled, or paused since that was expected
            del self._unfinished[job_id]
            for file in job.result_files():
                self.files[file.id] = file
            for model in job.models():
                self.add_model(model)
            self.couriers.tell(job.project, job.status(now), job.id, job.ends_at)

    def release(self, job: Job) -> None:
        """Let a job that was stuck go on from this moment."""
        job.course.release(self.clock.now())
        if job.outcome.done():
            self.expect_end(job)

    def cancel(self, job: Job) -> None:
        """Stop the job at this moment."""
        now = self.clock.now()
        job.cancel(now, billed=self.settings.stopped_jobs_billed == "steps")
        self._unfinished.pop(job.id, None)
        self.couriers.tell(job.project, "cancelled", job.id, now)


def world_of(request: Request) -> World:
    world: World = request.app.state.world
    return world
