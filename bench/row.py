"""One line of a benchmark: a figure of ours beside the limit measured in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`value` and `against_value` in `unit`; `against` says what the limit is."""

    name: str
    value: float
    unit: str
    against: str
    against_value: float

    @property
    def ratio(self) -> float:
        """Ours to the limit."""
        return self.value / self.against_value
