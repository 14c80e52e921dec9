"""Every call we make to a provider. One try each, plain shapes back, and only service.provider.errors raised."""

from service.provider.openai.costs import daily_costs
from service.provider.openai.files import create_file, delete_file, find_files, has_file, list_files
from service.provider.openai.jobs import (
    cancel_job,
    create_job,
    find_jobs,
    get_job,
    list_jobs,
    new_events,
    pause_job,
    recent_jobs,
    resume_job,
)
from service.provider.openai.models import answers, model_ids
from service.provider.openai.results import list_checkpoints, read_results
from service.provider.openai.usage import daily_usage

__all__ = [
    "answers", "cancel_job", "create_file", "create_job", "daily_costs", "daily_usage", "delete_file", "find_files",
    "find_jobs", "get_job", "has_file", "list_checkpoints", "list_files", "list_jobs", "model_ids", "new_events",
    "pause_job", "read_results", "recent_jobs", "resume_job",
]  # fmt: skip
