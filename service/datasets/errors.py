"""What can be wrong with asking for a dataset. What is wrong *in* one is a problem in its report, not an error."""

from service.kit.errors import Conflict, Gone, Invalid, NotFound


class DatasetUnknown(NotFound):
    """There is no dataset {id!r}."""

    code = "dataset_not_found"


class DatasetErased(Gone):
    """Dataset {id} was deleted ({at}): what is left are its name, hash and lineage. The file can be posted again."""

    code = "dataset_erased"


class DatasetInUse(Conflict):
    """Dataset {id}, or what is made of it, is needed by {listed}. Wait until these have ended, or cancel them."""

    code = "dataset_in_use"


class PartsBeingMade(Conflict):
    """Dataset {id} is just being read for {listed}. Try again in a moment, or delete these first."""

    code = "dataset_parts_being_made"


class DatasetNotMade(Conflict):
    """Dataset {id} is still to be made of the one it is a part of."""

    code = "dataset_not_made"


class DatasetNotValidated(Conflict):
    """This dataset is {state}: its report is not there yet. Ask again in a moment."""

    code = "dataset_not_validated"


class DatasetNotDivisible(Conflict):
    """Dataset {id} is {state}: only one without errors can be cut."""

    code = "dataset_not_divisible"


class NothingLeft(Invalid):
    """{asked} of the {examples} examples for validation would leave none to train on."""

    code = "split_too_large"


class SubsetTooLarge(Invalid):
    """There are only {examples} examples; {asked} of them cannot be taken."""

    code = "subset_too_large"


class DatasetNotPreparable(Conflict):
    """Dataset {id} is {state}: there is nothing left to prepare."""

    code = "dataset_not_preparable"


class PreparationUnknown(NotFound):
    """There is no preparation {id!r} of this dataset."""

    code = "preparation_not_found"


class PreparationNotReady(Conflict):
    """This preparation is {state}: only one that is ready can be applied."""

    code = "preparation_not_ready"


class StepUnknown(Invalid):
    """This preparation has no step {step!r}; its steps are: {steps}."""

    code = "preparation_step_unknown"


class TokensNotCounted(Conflict):
    """The tokens of dataset {id} were not counted for {encoding} at {limit} tokens per example."""

    code = "dataset_tokens_not_counted"


class DatasetFileGone(Gone):
    """What was kept of dataset {id} was removed."""

    code = "dataset_file_gone"


class DatasetNotIndexed(Conflict):
    """Dataset {id} was checked by an earlier release, and its lines cannot be found one by one."""

    code = "dataset_not_indexed"


class CursorUnknown(NotFound):
    """There is no place {after!r} in this list: give the `last_id` of the page before."""

    code = "cursor_not_found"


class LineUnknown(NotFound):
    """There is no line {line}: the dataset has {lines}."""

    code = "line_not_found"


class ExamplesAmbiguous(Invalid):
    """Ask for a `sample`, for a `line` or for a `code`: one of them."""

    code = "examples_ambiguous"
