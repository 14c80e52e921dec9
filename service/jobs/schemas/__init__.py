"""What the API takes and gives for jobs."""

from service.jobs.schemas.approvals import ApprovalView, Decline
from service.jobs.schemas.estimates import Available, Estimate, Unavailable
from service.jobs.schemas.history import JobEventPage, JobEventView, JobMetrics, JobMetricView
from service.jobs.schemas.requests import Hyperparameters, JobRequest, Method, Register
from service.jobs.schemas.results import Checkpoints, CheckpointView, JobError
from service.jobs.schemas.views import JobView

__all__ = [
    "ApprovalView", "Available", "CheckpointView", "Checkpoints", "Decline", "Estimate", "Hyperparameters",
    "JobError", "JobEventPage", "JobEventView", "JobMetricView", "JobMetrics", "JobRequest", "JobView", "Method",
    "Register", "Unavailable",
]  # fmt: skip
