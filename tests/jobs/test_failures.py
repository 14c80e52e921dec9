"""A provider's words for a failure, and what we make of them."""

import pytest

from service.jobs.failures import explain
from service.jobs.models import Job
from service.jobs.schemas import JobError

MODERATED = (
    "The job failed due to an invalid training file. This training file was blocked because too many examples were "
    "flagged by our moderation API for containing content that violates OpenAI's usage policies"
)
MALFORMED = (
    "The job failed due to an invalid training file. Invalid file format. Example 100, message 2 Discriminator 'role' "
    "is missing in value"
)
MISMATCHED = (
    "Input file file-X is in the fine-tune-chat format, but the specified fine-tuning job is not using 'supervised' as "
    "the training method (provided method=dpo)."
)
UNEXPECTED = "Unexpected file format, expected either prompt/completion pairs or chat messages."

# The provider's code and message (openai.md §1.3, §3.9 and the emulator's), our code, whether the same can succeed.
TOLD = [
    (
        "invalid_n_examples",
        "Training file has 3 example(s), but must have at least 10 examples",
        "too_few_examples",
        False,
    ),
    ("invalid_training_file", MALFORMED, "training_file_invalid", False),
    ("invalid_training_file", MODERATED, "training_file_blocked", False),
    (
        "invalid_training_file",
        "This file failed moderation safety checks… Flagged lines: 4, 13",
        "training_file_blocked",
        False,
    ),
    ("invalid_training_file", MISMATCHED, "training_file_wrong_format", False),
    ("invalid_training_file", UNEXPECTED, "training_file_wrong_format", False),
    ("invalid_validation_file", MODERATED, "validation_file_blocked", False),
    ("invalid_validation_file", MALFORMED, "validation_file_invalid", False),
    ("exceeded_quota", "…", "provider_quota_exceeded", True),
    ("insufficient_quota", "You exceeded your current quota", "provider_quota_exceeded", True),
    ("server_error", "The job failed due to an internal error", "provider_failed", True),
    ("rate_limit_exceeded", "…", "provider_busy", True),
    ("slow_down", "…", "provider_busy", True),
    ("server_is_overloaded", "…", "provider_busy", True),
    ("model_not_available", "…", "model_not_available", False),
    (
        "provider_refused",
        "Model X is not available for fine-tuning or does not exist.",
        "model_not_available",
        False,
    ),
    (
        "provider_refused",
        "File 'file-X' is still being processed and is not ready to be used for fine-tuning.",
        "file_not_processed",
        True,
    ),
    ("fine_tuning_wound_down", "Fine-tuning has been wound down: no new jobs.", "provider_closed", False),
    ("fine_tuning_not_available", "Fine-tuning is not available to your organization.", "provider_closed", False),
    ("unsafe_model", "…", "model_blocked", False),
    ("unsupported_value", "…", "parameter_refused", False),
    ("invalid_api_key", "…", "provider_account_refused", True),
    ("never_heard_of", "…", "provider_refused", False),
]


@pytest.mark.parametrize(("code", "message", "ours", "retryable"), TOLD)
def test_what_a_provider_says_has_one_meaning_and_stays_readable(
    code: str, message: str, ours: str, retryable: bool
) -> None:
    told = explain(code, message, "training_file", by_us=False)
    assert (told.code, told.retryable) == (ours, retryable)
    assert told.hint
    assert told.original
    assert (told.original.code, told.original.message, told.original.param) == (code, message, "training_file")


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        ("approval_declined", False),
        ("approval_expired", True),
        ("budget_exceeded", True),
        ("dataset_invalid", False),
        ("model_not_allowed", False),
    ],
)
def test_what_we_ended_ourselves_keeps_our_words(code: str, retryable: bool) -> None:
    told = explain(code, "It does not fit.", None, by_us=True)
    assert (told.code, told.message, told.retryable, told.original) == (code, "It does not fit.", retryable, None)
    assert told.hint


def test_our_own_codes_are_ours_wherever_a_job_had_come_to() -> None:
    assert explain("budget_exceeded", "It does not fit.", None, by_us=False).original is None


@pytest.mark.parametrize(
    ("facts", "code", "message"),
    [
        ({"approval_decision": "declined", "approval_note": "Too dear."}, "approval_declined", "Too dear."),
        ({"approval_decision": "declined"}, "approval_declined", "A second person declined the job."),
        ({"approval_decision": "expired"}, "approval_expired", "Nobody approved the job in time."),
        ({"error_code": "given_up", "error_message": "Gone."}, "given_up", "Gone."),
    ],
)
def test_a_job_shows_why_it_was_not_let_through(facts: dict[str, str], code: str, message: str) -> None:
    shown = JobError.of(Job(**facts))
    assert shown
    assert (shown.code, shown.message, shown.original) == (code, message, None)


def test_a_job_that_did_not_fail_shows_no_error() -> None:
    assert JobError.of(Job(approval_decision="approved")) is None
