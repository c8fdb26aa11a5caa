"""Whether all simulators ran the same network: before anybody's time is told, their results must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
from cases import Case
from race import Entry
from scipy.stats import norm

FALSE_ALARMS = 1e-3  # that a whole benchmark in which all agree is refused
RATE_MARGIN = 0.01  # of a rate, beyond its error
LEARNED_MARGIN = 0.02  # of what was learned, beyond its error


def disagreements(results: Mapping[Case, Sequence[Entry]]) -> list[str]:
    """A line for each column whose mean rate, or whose changes of weights, are not those of salhw; no line is good."""
    tests = sum(len(entries) - 1 for entries in results.values())
    errors = float(norm.isf(FALSE_ALARMS / (2 * max(tests, 1))))
    return [line for case, entries in results.items() for line in _of(case, entries, errors)]


def _of(case: Case, entries: Sequence[Entry], errors: float) -> list[str]:
    (ours,) = (entry for entry in entries if entry.column == "salhw")
    lines = []
    for entry in entries:
        difference, error = difference_of_rates(case, entry, ours)
        if abs(difference) > RATE_MARGIN + errors * error:
            lines.append(f"{case.label}: {entry.column} spikes {difference:+.2%} more than salhw ± {error:.2%}")
        if entry.learned and ours.learned:
            ratio = float(np.mean(entry.learned) / np.mean(ours.learned))
            if abs(ratio - 1.0) > LEARNED_MARGIN + errors * error_of_learned(case):
                lines.append(f"{case.label}: {entry.column} changes weights {ratio:.3f} times as much as salhw")
    return lines


def difference_of_rates(case: Case, one: Entry, other: Entry) -> tuple[float, float]:
    """By how much the mean rates differ, as a share of the second, and its standard error: from the spread of the
    differences over neurons, which spike almost independently because weights are normal around zero."""
    difference = one.rates(case) - other.rates(case)
    mean = float(other.rates(case).mean())
    return float(difference.mean()) / mean, float(difference.std(ddof=1)) / sqrt(case.neurons) / mean


def error_of_learned(case: Case) -> float:
    """The relative standard error of a root mean square over synapses at most: the changes of the synapses of one
    neuron share its spikes, so that only neurons count as independent, and two columns differ by two such errors."""
    return sqrt(2.0 / (2.0 * case.neurons))
