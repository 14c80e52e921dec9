"""Why a job failed, in words that stay the same whatever a provider calls it, and what to do about it. Pure.

The provider's codes and messages are those of openai.md §1.3 and §3.9, most of them quoted from users' reports: they
are known by code, and where one code means several things by a phrase of the message. Our codes, hints and whether
trying the same again can help are ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Original:
    """What the provider said, word for word."""

    code: str
    message: str
    param: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed; `retryable`: the same request may succeed later. `original` is None where we ended it."""

    code: str
    message: str
    hint: str
    retryable: bool
    original: Original | None


@dataclass(frozen=True, slots=True)
class _Meaning:
    code: str
    message: str
    hint: str
    retryable: bool = False


_OPERATOR: Final = "An operator of the platform has to settle it with the provider; then retry the job."
_REPORT: Final = "GET /v1/datasets/{id}/report names what is wrong, line by line; correct it and submit a new dataset."

_TOO_FEW: Final = _Meaning(
    "too_few_examples",
    "The provider needs more training examples.",
    "Give at least 10 examples; 50 to 100 are advised.",
)
_BUSY: Final = _Meaning(
    "provider_busy", "The provider had no room for the job.", "Retry the job in some minutes.", retryable=True
)
_QUOTA: Final = _Meaning(
    "provider_quota_exceeded",
    "The provider account has no credit or quota left for the job.",
    _OPERATOR,
    retryable=True,
)
_ACCOUNT: Final = _Meaning(
    "provider_account_refused", "The provider refuses the account that trains for your team.", _OPERATOR, retryable=True
)
_BROKEN: Final = _Meaning(
    "provider_failed",
    "The provider failed while it worked on the job; nothing is known to be wrong with it.",
    "Retry the job: submitting the same again usually works.",
    retryable=True,
)
_PROCESSING: Final = _Meaning(
    "file_not_processed", "The provider was still processing the file.", "Retry the job.", retryable=True
)
_MODEL: Final = _Meaning(
    "model_not_available",
    "The provider does not train this model for the account.",
    "Choose a model that GET /v1/base-models shows as trainable.",
)
_CLOSED: Final = _Meaning(
    "provider_closed",
    "The provider takes no more fine-tuning jobs from the account.",
    "Ask the platform's operators for a connection to another provider.",
)
_UNSAFE: Final = _Meaning(
    "model_blocked",
    "The finished model did not pass the provider's safety checks.",
    "The event of type `moderation_checks` names the categories; take examples that lead there out of the data.",
)
_PARAMETER: Final = _Meaning(
    "parameter_refused", "The provider refuses a parameter of the job.", "Clone the job with the parameter changed."
)
_UNKNOWN: Final = _Meaning(
    "provider_refused",
    "The provider ended or refused the job for a reason we do not know yet.",
    "Its own words are in `original`.",
)

_BY_CODE: Final[Mapping[str, _Meaning]] = {
    "invalid_n_examples": _TOO_FEW,
    "exceeded_quota": _QUOTA,
    "insufficient_quota": _QUOTA,
    "billing_hard_limit_reached": _QUOTA,
    "server_error": _BROKEN,
    "internal_error": _BROKEN,
    "rate_limit_exceeded": _BUSY,
    "slow_down": _BUSY,
    "server_is_overloaded": _BUSY,
    "model_not_available": _MODEL,
    "model_not_found": _MODEL,
    "invalid_api_key": _ACCOUNT,
    "account_deactivated": _ACCOUNT,
    "insufficient_permissions": _ACCOUNT,
    "unsafe_model": _UNSAFE,
    "unsupported_value": _PARAMETER,
    "missing_required_parameter": _PARAMETER,
    "invalid_value": _PARAMETER,
}
# For codes that are none, or too wide: the first phrase found decides.
_BY_PHRASE: Final = (
    (re.compile(r"still being processed", re.IGNORECASE), _PROCESSING),
    (re.compile(r"not available for fine-tuning or does not exist", re.IGNORECASE), _MODEL),
    (re.compile(r"wound down|fine-tuning is (?:not|no longer) available", re.IGNORECASE), _CLOSED),
    (re.compile(r"must have at least \d+ examples", re.IGNORECASE), _TOO_FEW),
)

_MODERATED: Final = re.compile(r"moderation|usage polic|flagged|safety check", re.IGNORECASE)
_MISMATCHED: Final = re.compile(r"\bis in the [\w-]+ format\b|unexpected file format", re.IGNORECASE)
_FILE_CODE: Final = re.compile(r"invalid_(training|validation)_file")

_OURS: Final[Mapping[str, tuple[str, bool]]] = {
    "approval_declined": ("Ask whoever declined it what to change, and submit a new job.", False),
    "approval_expired": ("Retry the job, and ask a colleague who may approve to look at it in time.", True),
    "budget_exceeded": ("Retry the job when the budget is renewed, ask for more, or train fewer epochs.", True),
    "dataset_invalid": (_REPORT, False),
    "given_up": ("An operator ended the job by hand: the message says why.", False),
    "dataset_not_found": ("Submit a job with a dataset that is there.", False),
    "jobs_per_day_reached": ("Retry the job tomorrow, or ask the platform's operators to raise the limit.", True),
    "price_unknown": ("The platform's operators must enter the model's price; then retry the job.", True),
    "no_connection": (_OPERATOR, True),
}
_OURS_OTHERWISE: Final = "The message says what stands in the way; change that and submit a new job."


def explain(code: str, message: str, param: str | None, *, by_us: bool) -> Failure:
    """What a failure means. `by_us`: the provider never heard of the job, so that the words are our own."""
    meaning = None if by_us else _meaning(code, message)
    if meaning is None and (by_us or code in _OURS):
        hint, retryable = _OURS.get(code, (_OURS_OTHERWISE, False))
        return Failure(code, message, hint, retryable, None)
    meaning = meaning or _UNKNOWN
    return Failure(meaning.code, meaning.message, meaning.hint, meaning.retryable, Original(code, message, param))


def _meaning(code: str, message: str) -> _Meaning | None:
    by_file = _FILE_CODE.fullmatch(code)
    if by_file is not None:
        return _of_file(by_file[1], message)
    if code in _BY_CODE:
        return _BY_CODE[code]
    return next((meaning for phrase, meaning in _BY_PHRASE if phrase.search(message)), None)


def _of_file(which: str, message: str) -> _Meaning:
    """One code of the provider stands for three things that want three different answers."""
    if _MODERATED.search(message):
        return _Meaning(
            f"{which}_file_blocked",
            f"The provider's moderation blocked the {which} file.",
            "Take out what it flags: its message names categories, at times lines. No check of ours or of the "
            "provider gives the same verdict in advance.",
        )
    if _MISMATCHED.search(message):
        return _Meaning(
            f"{which}_file_wrong_format",
            f"The {which} file is not in the format of the training method.",
            "Chat examples are for `supervised`, preference pairs for `dpo`, items without an answer for "
            "`reinforcement`: change the method or the dataset.",
        )
    return _Meaning(f"{which}_file_invalid", f"The provider found an error in the {which} file.", _REPORT)
