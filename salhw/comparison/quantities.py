"""What a comparison measures, in which unit, and how far a target may be off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.arguments import wrong
from salhw.diagnostics.wording import nearest, one_of, shown

Test = Literal["difference", "distance", "effect", "divergence"]


@dataclass(frozen=True)
class Quantity:
    """One thing that is measured of a population, a pair of neurons or a projection.

    Args:
        meaning: what it is.
        unit: "" if it has none.
        margin: how far a target may be off, unless the user says otherwise.
        of: what the margin is a share of; "" if it is in the unit itself.
        test: what a target is held to: the ``difference`` of values, a ``distance`` between two distributions, an
            ``effect`` (the difference of their means over their spread), or a ``divergence``.
    """

    meaning: str
    unit: str
    margin: float
    of: str = ""
    test: Test = "difference"


MEAN_RATE = "the population's mean rate on the reference"

QUANTITIES = {
    "rate": Quantity("mean rate of a population", "Hz", 0.05, MEAN_RATE),
    "neuron_rates": Quantity("rate of each neuron (of at most 100)", "Hz", 0.1, MEAN_RATE),
    "rate_distribution": Quantity("Wasserstein distance of the rates over neurons", "Hz", 0.05, MEAN_RATE, "distance"),
    "rate_effect": Quantity("Hedges' g of the rates over neurons", "", 0.2, "", "effect"),
    "rate_ks": Quantity("Kolmogorov and Smirnov's distance of the rates over neurons, at deciles", "", 0.2),
    "cv": Quantity("coefficient of variation of inter-spike intervals, mean over neurons", "", 0.05),
    "lv": Quantity("local variation of inter-spike intervals (Shinomoto 2003), mean over neurons", "", 0.1),
    "cv_distribution": Quantity("Wasserstein distance of that coefficient over neurons", "", 0.05, "", "distance"),
    "cv_effect": Quantity("Hedges' g of that coefficient over neurons", "", 0.2, "", "effect"),
    "correlation": Quantity("correlation of spike counts in 20 ms, of each pair or the mean over pairs", "", 0.1),
    "stdd": Quantity("total variation of spike-timing differences of a coupled pair", "", 0.1, "", "distance"),
    "states": Quantity("total variation of the states of a group of at most 8 neurons", "", 0.05, "", "distance"),
    "divergence": Quantity("D_KL of these states from those on the reference", "nats", 0.02, "", "divergence"),
    "theory_divergence": Quantity(
        "D_KL of these states from the Boltzmann distribution, where theory has it", "nats", 0.02, "", "divergence"
    ),
    "weights": Quantity("plastic weights at the end, each or their mean", "", 0.1),
    "weight_distribution": Quantity("Wasserstein distance of plastic weights at the end", "", 0.1, "", "distance"),
    "weight_effect": Quantity("Hedges' g of plastic weights at the end", "", 0.2, "", "effect"),
    "asymmetry": Quantity("mean |W_ij - W_ji| of plastic weights at the end", "", 0.1, "that at the start"),
    "drift": Quantity("change of plastic weights, each or their mean", "1/s", 0.25, "its rms on the reference"),
    "gap_drift": Quantity("change of the mean distance of reciprocal weights", "1/s", 0.25, "its rms on the reference"),
    "weight_noise": Quantity(
        "standard deviation of a plastic weight's change within a second", "1/sqrt(s)", 0.25, "that on the reference"
    ),
}  # fmt: skip
"""In the order of reports. The names are those that margins are set by."""
EFFECTS = {
    "rate_distribution": "rate_effect",
    "cv_distribution": "cv_effect",
    "weight_distribution": "weight_effect",
}
"""The effect size of each distribution over neurons or synapses."""


def checked_margins(given: Mapping[str, float] | None) -> dict[str, float]:
    """The margin of every quantity, those that are ``given`` and the others'.

    Raises:
        DescriptionError: no such quantity, or a margin that is no number above 0.
    """
    if given is not None and not isinstance(given, Mapping):
        raise wrong("margin", shown(given), "margins by quantity", 'as in margin={"rate": 0.1}')
    findings = []
    for name, margin in (given or {}).items():
        if name not in QUANTITIES:
            known = [*QUANTITIES]
            findings.append(Diagnostic("SAL009", "margin", shown(name), one_of(known), nearest(name, known)))
        elif isinstance(margin, bool | str) or not isinstance(margin, int | float) or not 0 < margin < math.inf:
            findings.append(Diagnostic("SAL001", f"margin.{name}", shown(margin), "a number above 0", "give a number"))
    if findings:
        raise DescriptionError("DescriptionError: these margins cannot be used", findings)
    return {name: quantity.margin for name, quantity in QUANTITIES.items()} | dict(given or {})
