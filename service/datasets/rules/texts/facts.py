"""Everything there is to say about one string by itself."""

from typing import Final, NamedTuple

from service.datasets.rules.texts import personal, secrets, special
from service.datasets.rules.texts.spans import Span, apart

CODES: Final = {**secrets.CODES, **personal.CODES, **special.CODES}


class TextFacts(NamedTuple):
    """What was found, in the order of the text and without overlaps; never the values themselves."""

    findings: tuple[Span, ...]


_NOTHING: Final = TextFacts(())


def facts_of(text: str) -> TextFacts:
    """Secrets, personal data and special tokens in a text; in time proportional to its length, whatever it says."""
    found = [*secrets.spans(text), *personal.spans(text), *special.spans(text)]
    return TextFacts(apart(found)) if found else _NOTHING
