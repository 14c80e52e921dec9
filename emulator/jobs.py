"""A fine-tuning job: what it is at a given moment of virtual time.

Nothing runs for a job after its study: status, events, checkpoints and files are functions of the clock.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from emulator import ids
from emulator.catalog import BaseModel
from emulator.course import Course, Pause
from emulator.fates import UNTOUCHED, Fate
from emulator.files import RESULTS, StoredFile
from emulator.lessons import Content, Taught
from emulator.methods import Method
from emulator.studies import Failure, Outcome, Training

SECONDS_PER_STEP = 0.5
TRAINING_SECONDS_MIN = 50.0
TRAINING_SECONDS_MAX = 590.0
ACTIVE = ("validating_files", "queued", "running")
BILLED = ("succeeded", "paused", "cancelled")
CANCELLABLE = (*ACTIVE, "paused")


@dataclass(frozen=True)
class JobRequest:
    """The body of POST /fine_tuning/jobs, checked."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int | None
    metadata: dict[str, str] | None
    integrations: list[dict[str, Any]]
    method: Method


@dataclass(frozen=True)
class TunedModel:
    """A model a job made (or a checkpoint of it); `taught` are the training files behind it, oldest first.

    Checkpoints answer like the finished model: what was taught is the same, only the number of repetitions differs.
    """

    id: str
    project: str
    base: BaseModel
    created_at: float
    seed: int
    taught: tuple[Taught, ...]
    blocked: bool = False


@dataclass(frozen=True)
class Permission:
    """`project` may use `model`; the time is virtual."""

    id: str
    model: str
    project: str
    created_at: float

    def view(self) -> dict[str, Any]:
        return {
            "object": "checkpoint.permission",
            "id": self.id,
            "created_at": int(self.created_at),
            "project_id": self.project,
        }


@dataclass
class Job:
    """One job. Times are virtual unix seconds, `born` is on the real monotonic clock.

    `id_of_model` is the 8 characters that end its model's name, `api_key` the id of the key that made the job.
    """

    id: str
    project: str
    org: str
    created_at: float
    born: float
    request: JobRequest
    base: BaseModel
    parent: TunedModel | None
    training: StoredFile
    validation: StoredFile | None
    seed: int
    outcome: asyncio.Future[Outcome]
    id_of_model: str
    api_key: str | None = None
    fate: Fate = UNTOUCHED
    cancelled_at: float | None = None
    cancelled_unstudied: bool = False
    stopped_unbilled: bool = False
    course: Course = field(init=False)

    def __post_init__(self) -> None:
        self.course = Course(self.created_at, self.fate.status, self.fate.stuck_seconds)

    def cancel(self, now: float, *, billed: bool = True) -> None:
        """Stop at this moment. What no client could have seen yet, since the study goes on, will not have happened."""
        self.cancelled_at, self.cancelled_unstudied = now, not self.outcome.done()
        self.stopped_unbilled = not billed

    def pause(self, now: float) -> None:
        """Training, which must be running, stands still from this moment."""
        self.course.pauses.append(Pause(now))

    def resume(self, now: float) -> None:
        """The job, which must be paused, queues again and then goes on where it stopped."""
        self.course.pauses[-1].resumed_at = now

    # --- what the study said ---

    @property
    def _known(self) -> Outcome | None:
        """What the study said; nothing as long as it goes on, and for a job cancelled before that was known."""
        return self.outcome.result() if self.outcome.done() and not self.cancelled_unstudied else None

    @property
    def plan(self) -> Training | None:
        """How the job trains; None while that is unknown and when it fails."""
        return known if isinstance(known := self._known, Training) and not self.fate.blocks(self.training) else None

    @property
    def failure(self) -> Failure | None:
        """Why the job fails at its validation; None while that is unknown and when it does not."""
        known = self._known
        return known if known is None or isinstance(known, Failure) else self.fate.blocks(self.training)

    def waits_for_study(self, now: float) -> bool:
        """Whether the job's state at `now` cannot be told before its study is done."""
        return not self.outcome.done() and self.cancelled_at is None and now >= self.course.validated_at

    # --- the course of time ---

    @property
    def training_seconds(self) -> float:
        assert self.plan
        return min(TRAINING_SECONDS_MAX, max(TRAINING_SECONDS_MIN, self.plan.schedule.total_steps * SECONDS_PER_STEP))

    @property
    def ends_at(self) -> float:
        """When the job ends if nobody intervenes, never while it is paused; the study must be done."""
        if not self.plan:
            return self.course.validated_at
        return self.course.moment_of(self.training_seconds * self.fate.share_done)

    def until(self, now: float) -> float:
        """The last moment at which something could happen to the job, up to `now`."""
        return now if self.cancelled_at is None else min(now, self.cancelled_at)

    def step_at(self, step: int) -> float:
        """When the step (counted from 1) was done."""
        assert self.plan
        return self.course.moment_of(self.training_seconds * step / self.plan.schedule.total_steps)

    def steps_done(self, now: float) -> int:
        if not self.plan:
            return 0
        total, until = self.plan.schedule.total_steps, self.until(now)
        # Compared before divided: the last step is done when the job ends, whatever a float makes of their quotient.
        if until >= self.ends_at:
            return int(total * self.fate.share_done)
        return int(total * self.course.trained_seconds(until) / self.training_seconds)

    def status(self, now: float) -> str:
        if self.cancelled_at is not None:
            return "cancelled"
        if now < self.course.validated_at or not self.outcome.done():
            return "validating_files"
        if self.failure:
            return "failed"
        if now >= self.ends_at:
            return "failed" if self.fate.breakdown else "succeeded"
        return self.course.phase(now)

    def billed_tokens(self, now: float) -> int:
        """What is billed by now: all when succeeded, the steps done when paused or cancelled, else nothing."""
        if self.plan and self.status(now) in BILLED and not self.stopped_unbilled:
            return self.plan.tokens_after(self.steps_done(now))
        return 0

    def billed_seconds(self, now: float) -> int:
        """The whole virtual seconds of training billed by now; reinforcement alone is billed by them (§5)."""
        if self.base.hourly_price is None or not self.plan or self.stopped_unbilled or self.status(now) not in BILLED:
            return 0
        # To the millisecond first: of 36 s, floats may have made 35.99999.
        return int(round(min(self.training_seconds, self.course.trained_seconds(self.until(now))), 3))

    def cost_units(self, now: float) -> Decimal:
        """The bill by now in millionths of a US dollar."""
        if self.base.hourly_price is None:
            return self.billed_tokens(now) * self.base.training_price
        return (self.billed_seconds(now) * self.base.hourly_price * 1_000_000 / 3600).quantize(Decimal(1))

    # --- what it makes ---

    def model_name(self) -> str:
        """ft:<base snapshot>:<org>:<suffix or empty>:<8 characters> (§1.6)."""
        return f"ft:{self.base.id}:{self.org}:{self.request.suffix or ''}:{self.id_of_model}"

    def checkpoint_name(self, step: int) -> str:
        """The last checkpoint is the finished model; an earlier one has 8 characters of its own and its step (§1.6)."""
        assert self.plan
        if step == self.plan.schedule.total_steps:
            return self.model_name()
        own = ids.derived("", self.id, step, length=8)
        return f"ft:{self.base.id}:{self.org}:{self.request.suffix or ''}:{own}:ckpt-step-{step}"

    def kept_steps(self, now: float) -> list[int]:
        """The three checkpoints that training keeps by now, oldest first."""
        if not self.plan:
            return []
        milestones, done = self.plan.trace.milestones(self.plan.schedule), self.steps_done(now)
        return self.plan.trace.kept([step for step in milestones if step <= done])

    def snapshots(self) -> dict[int, float]:
        """Step and moment of every snapshot a pause has made; a pause before the first step makes none (§1.6)."""
        return {step: pause.at for pause in self.course.pauses if (step := self.steps_done(pause.at))}

    def checkpoint_steps(self, now: float) -> list[int]:
        """Where there are checkpoints, oldest first: the last epochs and the pauses."""
        return sorted({*self.kept_steps(now), *self.snapshots()})

    @property
    def results_id(self) -> str:
        return ids.derived("file-", self.id, "results", length=22)

    def result_files(self) -> list[StoredFile]:
        """The files of the job once it has succeeded."""
        if not self.plan or self.fate.breakdown or self.cancelled_at is not None:
            return []
        content = Content.of(self.plan.results_csv)
        return [
            StoredFile(
                id=self.results_id,
                project=self.project,
                filename="step_metrics.csv",
                purpose=RESULTS,
                content=content,
                created_at=self.ends_at,
                born=self.born,
                processing_seconds=0,
            )
        ]

    def models(self) -> list[TunedModel]:
        """What appears when the job succeeds: its model and the kept checkpoints; a snapshot was there before."""
        if not self.plan or self.fate.breakdown:
            return []
        steps = {*self.kept_steps(self.ends_at), self.plan.schedule.total_steps} - self.snapshots().keys()
        return [self.model_at(step, self.ends_at) for step in sorted(steps)]

    def model_at(self, step: int, created_at: float) -> TunedModel:
        assert self.plan
        return TunedModel(
            id=self.checkpoint_name(step),
            project=self.project,
            base=self.base,
            created_at=created_at,
            seed=self.seed,
            blocked=self.fate.unsafe,
            taught=(*(self.parent.taught if self.parent else ()), Taught(self.training.content, self.plan.says)),
        )
