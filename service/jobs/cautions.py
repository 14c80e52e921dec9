"""What deserves a word about a job although it does not stand in its way. Pure."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from service.datasets import DatasetFacts, Leak
from service.jobs.errors import UnusableSuffix
from service.jobs.schemas import JobRequest, JobWarning

EXAMPLES_ADVISED: Final = 50  # openai.md §3.6: "50–100 advised"
SHUTDOWN_SOON: Final = timedelta(days=90)
# What the provider's own tool made of suffixes: lower case, all else a dash (openai.md §4.3). A colon would break the
# name that the suffix becomes a part of.
_NO_SUFFIX: Final = re.compile(r"[^a-z0-9-]+")


def usable_suffix(asked: str) -> tuple[str, list[JobWarning]]:
    """The suffix in the provider's alphabet, and a word about it where it was another. Raises UnusableSuffix."""
    suffix = _NO_SUFFIX.sub("-", asked.lower()).strip("-")
    if not suffix:
        raise UnusableSuffix(given=asked, pointer="#/suffix")
    if suffix == asked:
        return suffix, []
    return suffix, [
        JobWarning(code="suffix_normalised", message=f"The suffix was made {suffix!r}.", pointer="#/suffix")
    ]


def of_request(request: JobRequest, *, base: str, shutdown: date | None, at: datetime) -> list[JobWarning]:
    """What can be said before the data has been read."""
    said = []
    if shutdown is not None and shutdown <= (at + SHUTDOWN_SOON).astimezone(UTC).date():
        message = f"{base} is shut down on {shutdown}, and everything tuned from it with it."
        said.append(JobWarning(code="model_shuts_down", message=message, pointer="#/model"))
    if request.validation_dataset is None and request.split is None:
        message = "Without validation data nobody sees whether the model learns or memorises."
        said.append(JobWarning(code="no_validation_data", message=message, pointer="#/validation_dataset"))
    if request.priority:
        message = "Priority orders the jobs of your own team; other teams' jobs are neither overtaken nor let by."
        said.append(JobWarning(code="priority_within_team", message=message, pointer="#/priority"))
    return said


def of_data(dataset: DatasetFacts, *, auto_epochs: int | None, leak: Leak | None = None) -> list[JobWarning]:
    """What reading the data has shown. `auto_epochs`: so many are priced because the provider is left to choose.

    `leak`: which examples the validation data have in common with it.
    """
    said = []
    if leak is not None and leak.examples:
        many = f"{'' if leak.is_exact else 'About '}{leak.examples:,} of the examples trained on"
        first = f"; the first known are lines {leak.lines[0][0]} and {leak.lines[0][1]}" if leak.lines else ""
        message = f"{many} are in the validation data too{first}: their loss falls because they are learned by heart."
        said.append(JobWarning(code="validation_data_seen", message=message, pointer="#/validation_dataset"))
    if dataset.examples < EXAMPLES_ADVISED:
        message = f"There are {dataset.examples} examples; 50 to 100 are advised to begin with."
        said.append(JobWarning(code="few_examples", message=message, pointer="#/dataset"))
    if dataset.warnings:
        message = f"The dataset's report has {dataset.warnings} warnings."
        said.append(JobWarning(code="dataset_has_warnings", message=message, pointer="#/dataset"))
    if auto_epochs is not None:
        message = f"The provider chooses the epochs, so money is reserved for {auto_epochs}, the most it may."
        said.append(JobWarning(code="epochs_auto", message=message, pointer="#/method/hyperparameters/n_epochs"))
    return said
