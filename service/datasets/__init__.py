"""Datasets: training files, checked once, and what reading them found.

Invariants:
- The same bytes posted twice are one dataset of a team, and its bytes never change.
- What is made of a dataset is known by its parent and recipe: asked for again, it is the same. Nothing is altered.
- `ready` and `invalid` are final verdicts on these bytes: only a dataset without errors is ready.
- A dataset that a job needs is not erased; one that is erased keeps its row, so that lineage holds.
- Nothing of a file's text leaves storage: reports, logs and errors name lines, pointers, codes and counts.
"""

from service.datasets.commands import receive
from service.datasets.deriving import derive_split, derive_subset
from service.datasets.erasing import Content, erase, family, open_content
from service.datasets.errors import (
    DatasetErased,
    DatasetFileGone,
    DatasetInUse,
    DatasetNotDivisible,
    DatasetNotPreparable,
    DatasetNotValidated,
    DatasetUnknown,
    ExamplesAmbiguous,
    NothingLeft,
    PreparationNotReady,
    PreparationUnknown,
    StepUnknown,
    SubsetTooLarge,
    TokensNotCounted,
)
from service.datasets.examples import of_line as example_of_line
from service.datasets.examples import sampled as sampled_examples
from service.datasets.examples import with_problem as examples_with_problem
from service.datasets.findings import as_csv as problems_as_csv
from service.datasets.findings import as_json_lines as problems_as_json_lines
from service.datasets.findings import every as every_problem
from service.datasets.findings import page as page_of_problems
from service.datasets.findings import wanted as problems_wanted
from service.datasets.holds import copies_to_remove, copy_gone, hold, note_copy, release
from service.datasets.models import ERASE, PREPARE, READ_RANGE, VALIDATE
from service.datasets.preparations import (
    apply_preparation,
    get_preparation,
    preparations_under_way,
    prepare,
)
from service.datasets.queries import DatasetFacts, facts, get, list_datasets, same_bytes, under_way
from service.datasets.reports import leak, report
from service.datasets.room import check_room, stored_bytes
from service.datasets.rules.consequences import consequence
from service.datasets.rules.digests import Digests
from service.datasets.rules.epochs import default_epochs
from service.datasets.rules.explained import explain
from service.datasets.rules.leakage import Leak
from service.datasets.rules.problems import RULES, Severity
from service.datasets.rules.report import Billing
from service.datasets.rules.states import INCOMING, State, content_key
from service.datasets.schemas.datasets import DatasetView, Progress, SplitRequest, SplitView, SubsetRequest
from service.datasets.schemas.preparations import ApplyRequest, PreparationView, PrepareRequest
from service.datasets.schemas.reading import ExamplePage, ProblemPage
from service.datasets.schemas.report import (
    Bucket,
    Counting,
    ProblemView,
    ReportView,
    Spread,
    TokenStatistics,
    TrainingPrice,
)
from service.datasets.stored import Stored
from service.datasets.stored import find as find_stored

__all__ = [
    "ERASE",
    "INCOMING",
    "PREPARE",
    "READ_RANGE",
    "RULES",
    "VALIDATE",
    "ApplyRequest",
    "Billing",
    "Bucket",
    "Content",
    "Counting",
    "DatasetErased",
    "DatasetFacts",
    "DatasetFileGone",
    "DatasetInUse",
    "DatasetNotDivisible",
    "DatasetNotPreparable",
    "DatasetNotValidated",
    "DatasetUnknown",
    "DatasetView",
    "Digests",
    "ExamplePage",
    "ExamplesAmbiguous",
    "Leak",
    "NothingLeft",
    "PreparationNotReady",
    "PreparationUnknown",
    "PreparationView",
    "PrepareRequest",
    "ProblemPage",
    "ProblemView",
    "Progress",
    "ReportView",
    "Severity",
    "SplitRequest",
    "SplitView",
    "Spread",
    "State",
    "StepUnknown",
    "Stored",
    "SubsetRequest",
    "SubsetTooLarge",
    "TokenStatistics",
    "TokensNotCounted",
    "TrainingPrice",
    "apply_preparation",
    "check_room",
    "consequence",
    "content_key",
    "copies_to_remove",
    "copy_gone",
    "default_epochs",
    "derive_split",
    "derive_subset",
    "erase",
    "every_problem",
    "example_of_line",
    "examples_with_problem",
    "explain",
    "facts",
    "family",
    "find_stored",
    "get",
    "get_preparation",
    "hold",
    "leak",
    "list_datasets",
    "note_copy",
    "open_content",
    "page_of_problems",
    "preparations_under_way",
    "prepare",
    "problems_as_csv",
    "problems_as_json_lines",
    "problems_wanted",
    "receive",
    "release",
    "report",
    "same_bytes",
    "sampled_examples",
    "stored_bytes",
    "under_way",
]  # fmt: skip
