"""What reading one segment found, in a form that can be stored and joined with what was found in the next one."""

from typing import Final

from msgspec import Struct, field

from service.datasets.rules.formats import Format
from service.datasets.rules.hashes import Hashes
from service.datasets.rules.problems import ERRORS_MAX, Problems
from service.datasets.rules.report import Limit
from service.datasets.rules.spread import Spread
from service.datasets.rules.words import Words

MARK_BYTES: Final = 1024 * 1024


class Question(Struct, frozen=True):
    """What every segment of a file is asked, so that the answers can be joined.

    `limits` are what examples are cut to; encodings in `approximate` are not counted exactly. Where nothing is to be
    trained on the file (not `trains`), one example is enough. After `errors_max` errors a segment is not read on.
    Where `deep` is false, examples are not compared with each other and texts are only counted.
    """

    format: Format
    limits: list[Limit]
    trains: bool = True
    approximate: frozenset[str] = frozenset()
    errors_max: int = ERRORS_MAX
    deep: bool = True


class Counts(Struct):
    """Tokens in one encoding: of examples, of what their assistants say, and both as the notebook counts them.

    `roles` are all tokens of the messages of each role. With `tools` and `images`, which are estimates, they add up to
    those of the examples.
    """

    tokens: Spread = field(default_factory=Spread)
    learned: Spread = field(default_factory=Spread)
    notebook: Spread = field(default_factory=Spread)
    notebook_learned: Spread = field(default_factory=Spread)
    roles: dict[str, int] = field(default_factory=dict)
    tools: int = 0
    images: int = 0

    def join(self, later: "Counts") -> None:
        """Take in what comes next."""
        self.tokens.join(later.tokens)
        self.learned.join(later.learned)
        self.notebook.join(later.notebook)
        self.notebook_learned.join(later.notebook_learned)
        for role, tokens in later.roles.items():
            self.roles[role] = self.roles.get(role, 0) + tokens
        self.tools += later.tools
        self.images += later.images


class Partial(Struct):
    """What was found in a segment, or in all those joined so far. Lines are numbered from 1.

    `marks` is a sparse index: the first line that starts at or after each MiB of the segment. `stopped` is the line
    after which it was not read on, with the errors up to there; else 0.
    """

    lines: int = 0
    examples: int = 0
    stopped: int = 0
    problems: Problems = field(default_factory=Problems)
    marks: list[int] = field(default_factory=list)
    without_system: int = 0
    without_user: int = 0
    image_examples: int = 0
    messages: Spread = field(default_factory=Spread)
    counts: dict[str, Counts] = field(default_factory=dict)
    hashes: Hashes = field(default_factory=Hashes)
    words: Words = field(default_factory=Words)

    def join(self, later: "Partial") -> None:
        """Take in the segment that comes next, but for its hashes: those are many (`hashes.Same`)."""
        self.words.join(later.words, self.lines)
        self.problems.join(later.problems, self.lines)
        self.lines += later.lines
        self.examples += later.examples
        self.without_system += later.without_system
        self.without_user += later.without_user
        self.image_examples += later.image_examples
        self.messages.join(later.messages)
        for encoding, counts in later.counts.items():
            self.counts.setdefault(encoding, Counts()).join(counts)
