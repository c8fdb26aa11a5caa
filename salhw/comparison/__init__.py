"""One network on many targets, each held against the reference: conformance for the user's own network."""

from salhw.comparison.comparison import Comparison, Outcome
from salhw.comparison.every_target import Who, chosen_targets, compare
from salhw.comparison.judge import Row
from salhw.comparison.quantities import QUANTITIES

__all__ = ["QUANTITIES", "Comparison", "Outcome", "Row", "Who", "chosen_targets", "compare"]
