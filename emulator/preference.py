"""Direct preference optimisation over the n-gram model (Rafailov et al. 2023): the loss is the real one.

The policy learns the preferred answer; how much likelier that made it than the other one, compared with the model
training began with, is the margin the loss is taken of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from emulator.learning import Lesson, Measured, NGrams

BETA_AUTO = 0.1


@dataclass(frozen=True)
class Pair:
    """Two answers to one conversation. `reference` is ln p(preferred) - ln p(rejected) before training."""

    preferred: Lesson
    rejected: Lesson
    beta: float
    reference: float

    @classmethod
    def of(cls, preferred: Lesson, rejected: Lesson, reference: NGrams, beta: float) -> Pair:
        return cls(preferred, rejected, beta, reference.measure(rejected)[0] - reference.measure(preferred)[0])

    @property
    def size(self) -> int:
        return self.preferred.size + self.rejected.size

    def measured_by(self, model: NGrams) -> Measured:
        """-ln sigmoid(beta * margin), and the tokens of the preferred answer that were foreseen."""
        lost, hits = model.measure(self.preferred)
        margin = self.beta * (model.measure(self.rejected)[0] - lost - self.reference)
        loss = max(0.0, -margin) + math.log1p(math.exp(-abs(margin)))
        return Measured(loss, 1, hits, self.preferred.size)

    def teach(self, model: NGrams) -> None:
        model.learn(self.preferred)
