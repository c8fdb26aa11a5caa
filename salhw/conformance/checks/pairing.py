"""Which spikes form pairs"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import NEURONS, alternatives, change, forced_pairs, pairing_sum, partners, schedule
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.rigs import written_by_host
from salhw.conformance.statistics import Equivalence
from salhw.conformance.verdict import by_test
from salhw.description.plasticity import Pairing, PairSTDP
from salhw.description.windows import ExponentialWindow

SCHEMES: tuple[Pairing, ...] = ("nearest_restricted", "nearest_symmetric", "all")
RATE = 0.25
REPLICATES = 32  # synapses per pattern, so that rounding at random is told from error
PATTERNS = {  # presynaptic and postsynaptic spike steps
    "pre pre post": ([10, 13], [17]),
    "pre post post": ([10], [13, 18]),
    "post pre post": ([14], [10, 19]),
    "pre post pre": ([10, 17], [13]),
    "post post pre": ([17], [10, 14]),
    "pre post pre post": ([10, 16], [12, 21]),
    "ten spikes": ([10, 12, 20, 21, 27], [11, 15, 17, 24, 30]),
}
COINCIDENT = {
    "one coincidence": ([10], [10]),
    "coincidence, then post": ([10], [10, 14]),
    "coincidence, then pre": ([10, 15], [10]),
    "post, then coincidence": ([14], [10, 14]),
    "two coincidences": ([10, 16], [10, 16]),
}


def rules(lab: Lab, causal: float, anticausal: float) -> dict[Pairing, PairSTDP]:
    """One rule per pairing scheme, with branches that differ; what the target does not do its host may."""
    return {
        scheme: PairSTDP(
            causal=ExponentialWindow(amplitude=causal, tau=10 * lab.dt),
            anticausal=ExponentialWindow(amplitude=anticausal, tau=15 * lab.dt),
            pairing=scheme,
            learning_rate=RATE,
            update=schedule(lab),
            execution="host",
        )
        for scheme in SCHEMES
    }


def compared(
    lab: Lab, patterns: dict[str, tuple[list[int], list[int]]], rules: dict[Pairing, PairSTDP], margin: float, hint: str
) -> Evidence:
    """Weight changes by the patterns, the mean over some synapses each, against the sum over the scheme's pairs; errors
    relative to the largest amplitude, beyond half a step where the host writes weights that have steps."""
    names = [*patterns]
    times = max(1, min(REPLICATES, partners(lab, 1, most=NEURONS) // len(names)))
    pre, post = ([patterns[name][side] for name in names] for side in (0, 1))
    made = {scheme: forced_pairs(lab, pre * times, post * times, rule) for scheme, rule in rules.items()}
    worst: tuple[float, str, Figure] | None = None
    likeness = ""
    declared = alternatives(lab, {scheme: net for scheme, (net, _) in made.items()})
    for scheme in (scheme for scheme in SCHEMES if scheme in declared):
        rule = rules[scheme]
        expected = {
            s: np.array(
                [pairing_sum(a, b, rule.causal, rule.anticausal, s, lab.dt) for a, b in zip(pre, post, strict=True)]
            )
            for s in SCHEMES
        }
        measured = change(lab, *made[scheme]).reshape(times, -1).mean(axis=0) / RATE
        top = max(float(np.abs(np.asarray(w.amplitude))) for w in (rule.causal, rule.anticausal))
        off = np.maximum(0.0, np.abs(measured - expected[scheme]) - written_by_host(lab, rule) / RATE) / top
        k = int(off.argmax())
        figure = Figure(
            "pattern: " + ", ".join(names),
            f"weight change / learning rate, {scheme}",
            [*range(len(names))],
            {scheme: [*expected[scheme]], "measured": [*measured]},
        )
        if worst is None or off[k] > worst[0]:
            worst = float(off[k]), f"weight change, {scheme}, {names[k]}", figure
            nearest = min(SCHEMES, key=lambda s: float(np.abs(measured - expected[s]).sum()))
            likeness = "" if nearest == scheme else f" (as if {nearest})"
    assert worst is not None
    result = Equivalence(worst[0], 0.0, margin, 0.0 if worst[0] <= margin else 1.0)
    return by_test(result, worst[1], hint + likeness, unit="of the amplitude", figure=worst[2])


@check("pairing-scheme", group="dynamics")
def pairing_scheme(lab: Lab) -> Evidence:
    """Which pairs of spikes count is as declared: all; each spike with the latest earlier one of the partner
    (nearest_symmetric); only pairs without another spike of either neuron between (nearest_restricted). Seven forced
    spike patterns per declared scheme, six of which tell it from the other two.

    Nothing is random: every weight change must be the sum over the scheme's pairs within the declared error (window),
    and half a step of a weight that the host writes.
    """
    return compared(lab, PATTERNS, rules(lab, -1.0, 1.0), lab.accuracy("window"), "other pairs are counted")


@check("coincident-pairs", group="dynamics")
def coincident_pairs(lab: Lab) -> Evidence:
    """Simultaneous spikes have no order: a coincidence adds the mean of both branches at distance 0, and a nearest pair
    that begins or ends in one counts half. Five forced patterns per declared scheme, on branches of different
    amplitudes.

    Nothing is random: every weight change must be as expected within the declared error (coincidence, or else window),
    and half a step of a weight that the host writes.
    """
    return compared(
        lab,
        COINCIDENT,
        rules(lab, 1.0, 0.5),
        lab.target.accuracy.get("coincidence", lab.accuracy("window")),
        "simultaneous spikes are counted on one branch, or not at all",
    )
