"""What the API takes and gives for jobs."""

from service.jobs.schemas.approvals import ApprovalView, Decline
from service.jobs.schemas.estimates import Available, Estimate, Unavailable
from service.jobs.schemas.history import JobEventPage, JobEventView, JobMetrics, JobMetricView
from service.jobs.schemas.repeats import CloneRequest, MoveRequest, asked_for
from service.jobs.schemas.requests import Hyperparameters, JobRequest, Method, Register
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
    "AdviceView", "ApprovalView", "Available", "CheckpointView", "Checkpoints", "CloneRequest", "Decline",
    "Estimate", "Hyperparameters", "JobAdvice", "JobError", "JobEventPage", "JobEventView", "JobMetricView",
    "JobMetrics", "JobRequest", "JobView", "Method", "MoveRequest", "Register", "Unavailable", "VersionRequest",
    "Waiting", "asked_for",
]  # fmt: skip
