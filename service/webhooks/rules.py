"""The catalogue of events."""

from enum import StrEnum


class EventType(StrEnum):
    """What can be told. Names are part of the API: they are added, never changed."""

    DATASET_READY = "dataset.ready"
    DATASET_INVALID = "dataset.invalid"
    JOB_WAITING_FOR_DATASET = "job.waiting_for_dataset"
    JOB_AWAITING_APPROVAL = "job.awaiting_approval"
    JOB_QUEUED = "job.queued"
    JOB_UPLOADING = "job.uploading"
    JOB_SUBMITTING = "job.submitting"
    JOB_VALIDATING_FILES = "job.validating_files"
    JOB_PROVIDER_QUEUED = "job.provider_queued"
    JOB_RUNNING = "job.running"
    JOB_PAUSED = "job.paused"
    JOB_CANCELLING = "job.cancelling"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    APPROVAL_REQUESTED = "approval.requested"
    BUDGET_REQUESTED = "budget.requested"
    BUDGET_REQUEST_APPROVED = "budget.request_approved"
    BUDGET_REQUEST_DECLINED = "budget.request_declined"
    BUDGET_THRESHOLD_REACHED = "budget.threshold_reached"
    MODEL_READY = "model.ready"
    MODEL_PROMOTED = "model.promoted"
    MODEL_ROLLED_BACK = "model.rolled_back"
    MODEL_ALIAS_REMOVED = "model.alias_removed"
    MODEL_UNAVAILABLE = "model.unavailable"
    RECONCILIATION_MISMATCH = "reconciliation.mismatch"
