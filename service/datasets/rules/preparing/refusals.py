"""Why a file cannot be prepared."""

from typing import Any, Final

MESSAGES: Final[dict[str, str]] = {
    "already_examples": "These are {found} already: there is nothing to prepare.",
    "unsupported_source": "This looks like {found}. Prepared are CSV, TSV, XLSX, TXT, JSON and JSONL.",  # §4.1
    "invalid_utf8": "The file is not valid UTF-8 (byte {byte}). Save it as UTF-8, or as UTF-16 with its mark.",
    "row_unreadable": "Reading stopped in {unit} {place}: {reason}.",
    "workbook_unreadable": "The workbook cannot be read: {reason}.",
    "sheet_unknown": "The workbook has {sheets} sheets with cells: there is no number {sheet}.",
    "columns_unclear": "Which columns are prompt and completion cannot be told: name them in 'columns'.",  # §4.2, 2
    "column_unknown": "There is no column {column}.",
    "column_twice": "Prompt and completion are the same column.",
    "too_many_rows": "There are more than {rows_max} rows.",
    "no_rows": "No row has a completion: nothing would be left.",
    "prompts_identical": "All prompts are the same. Leave the column out for answers without prompts.",  # §4.2, 9: E
    "completions_identical": "All completions are the same: there is nothing to learn.",  # §4.2, 12: E
}


class CannotBePrepared(Exception):
    """The file does not go with the wish: the code of the reason, and a sentence without any text of the file."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(MESSAGES[code].format(**facts))
        self.code, self.message = code, str(self)
