"""Datasets: training files, checked once, and what reading them found.

Invariants:
- The same bytes posted twice are one dataset of a team, and its bytes never change.
- What is made of a dataset is known by its parent and recipe: asked for again, it is the same. Nothing is altered.
- `ready` and `invalid` are final verdicts on these bytes: only a dataset without errors is ready.
- Nothing of a file's text leaves storage: reports, logs and errors name lines, pointers, codes and counts.
"""

from service.datasets.commands import receive
from service.datasets.deriving import derive_split, derive_subset
from service.datasets.errors import (
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
from service.datasets.models import PREPARE, READ_RANGE, VALIDATE
from service.datasets.preparation_schemas import ApplyRequest, PreparationView, PrepareRequest
from service.datasets.preparations import (
    apply_preparation,
    get_preparation,
    preparations_under_way,
    prepare,
)
from service.datasets.queries import DatasetFacts, facts, get, list_datasets, same_bytes, under_way
from service.datasets.reading_schemas import ExamplePage, ProblemPage
from service.datasets.report_schemas import (
    Bucket,
    Counting,
    ProblemView,
    ReportView,
    Spread,
    TokenStatistics,
    TrainingPrice,
)
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
from service.datasets.schemas import DatasetView, Progress, SplitRequest, SplitView, SubsetRequest
from service.datasets.stored import Stored
from service.datasets.stored import find as find_stored

__all__ = [
    "INCOMING",
    "PREPARE",
    "READ_RANGE",
    "RULES",
    "VALIDATE",
    "ApplyRequest",
    "Billing",
    "Bucket",
    "Counting",
    "DatasetFacts",
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
    "default_epochs",
    "derive_split",
    "derive_subset",
    "every_problem",
    "example_of_line",
    "examples_with_problem",
    "explain",
    "facts",
    "find_stored",
    "get",
    "get_preparation",
    "leak",
    "list_datasets",
    "page_of_problems",
    "preparations_under_way",
    "prepare",
    "problems_as_csv",
    "problems_as_json_lines",
    "problems_wanted",
    "receive",
    "report",
    "same_bytes",
    "sampled_examples",
    "stored_bytes",
    "under_way",
]  # fmt: skip
