"""What the API takes and gives for jobs."""

from service.jobs.schemas.approvals import ApprovalView, Decline
from service.jobs.schemas.erasing import EraseMap
from service.jobs.schemas.estimates import Available, Estimate, JobWarning, PriceRange, Unavailable
from service.jobs.schemas.history import JobEventPage, JobEventView, JobMetrics, JobMetricView
from service.jobs.schemas.methods import Dpo, Method, Reinforcement, Supervised, method_of, options_of
from service.jobs.schemas.repeats import CloneRequest, MoveRequest, asked_for
from service.jobs.schemas.requests import Budget, Integration, JobRequest, Register
from service.jobs.schemas.results import (
    AdviceView,
    Checkpoints,
    CheckpointView,
    JobAdvice,
    JobError,
    VersionRequest,
)  # fmt: skip
from service.jobs.schemas.views import JobView
from service.jobs.schemas.waiting import Waiting

__all__ = [
    "AdviceView", "ApprovalView", "Available", "Budget", "CheckpointView", "Checkpoints", "CloneRequest", "Decline",
    "Dpo", "EraseMap", "Estimate", "Integration", "JobAdvice", "JobError", "JobEventPage", "JobEventView",
    "JobMetricView", "JobMetrics", "JobRequest", "JobView", "JobWarning", "Method", "MoveRequest", "PriceRange",
    "Register", "Reinforcement", "Supervised", "Unavailable", "VersionRequest", "Waiting", "asked_for", "method_of",
    "options_of",
]  # fmt: skip
