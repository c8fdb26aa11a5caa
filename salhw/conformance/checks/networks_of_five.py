"""Five neurons, drawn over the biases and weights that a target declares"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, exp, log

import numpy as np

from salhw.conformance.chain import stationary
from salhw.conformance.circuits import (
    copies,
    declared_range,
    discretisations,
    glm,
    instances,
    merged,
    on_chips,
    shortest_refractory,
    side_by_side,
)
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.replay.dice import Dice
from salhw.conformance.statistics import (
    REPLICATES,
    Equivalence,
    equivalent,
    groups,
    observations,
    pairs_needed,
    total_variation,
)
from salhw.conformance.verdict import by_test
from salhw.description.fields import FloatArray
from salhw.description.kernels import Rectangular
from salhw.description.network import Network
from salhw.description.parts import Population, Projection
from salhw.description.probes import Spikes
from salhw.diagnostics import UnsupportedNetworkError
from salhw.session.executable import Executable
from salhw.session.recording import Recording
from salhw.theory import states

NEURONS, NETWORKS = 5, 3
TAU = 4  # steps of refractory periods and PSPs, or the fewest that the target declares
BIASES = (-5.0, 5.0)  # beyond, neurons are silent or spike at once
LARGEST = (0.5, 20.0)  # the largest weight of a network, even in its logarithm: weak networks count as strong ones
FORGETFUL = 50  # refractory periods until exact states are stationary to 1e-8; slower networks are drawn again
RESOLVED = 0.1  # a wider margin is measured as finely as this one: strong networks come near to it
Z = states(NEURONS).astype(np.float64)


@dataclass(frozen=True)
class Five:
    """One network: weights (5, 5), biases, steps of the refractory period; its exact shares of states, (32,), and
    after how many steps it has forgotten how it began."""

    weights: FloatArray
    bias: FloatArray
    tau: int
    exact: FloatArray
    forgets: int


def drawn(lab: Lab, number: int) -> Five:
    """The network of that number, the same with every seed: what is declared was measured on these."""
    dice, tau = Dice(f"salhw.five {number}"), max(TAU, shortest_refractory(lab))
    low, high = declared_range(lab.target.projections, "weights", -LARGEST[1], LARGEST[1])
    biases = declared_range(lab.target.neurons["GLM"], "bias", *BIASES)
    while True:
        largest = exp(dice.uniform(log(LARGEST[0]), log(max(high, -low))))
        shape = (NEURONS, NEURONS)
        w = np.array([dice.uniform(max(-largest, low), min(largest, high)) for _ in range(NEURONS**2)]).reshape(shape)
        np.fill_diagonal(w, 0.0)
        b = np.array([dice.uniform(*biases) for _ in range(NEURONS)])
        patience = FORGETFUL * tau
        exact, forgets = stationary(w, b, tau, discretisations(lab)[0], patience)
        if forgets < patience:
            return Five(w, b, tau, exact, forgets)


def fives(lab: Lab, five: Five, size: int) -> Network:
    """``size`` copies of it."""
    return Network(
        name="fives", dt=lab.dt,
        populations=[Population(name="n", size=NEURONS * size, neuron=glm(lab, np.tile(five.bias, size), five.tau))],
        projections=[Projection(name="w", pre="n", post="n", weights=side_by_side(five.weights, size),
                                kernel=Rectangular(tau_syn=five.tau * lab.dt))],
        probes=[Spikes("n")],
    )  # fmt: skip


def fitting(lab: Lab, five: Five, most: int) -> tuple[Executable, int]:
    """Compiled, with as many copies as the target takes: it may need several synapses for a strong weight.

    Raises:
        Undeclared: the target does not declare what a single one needs.
        UnsupportedNetworkError: it refuses a single one.
    """
    size = copies(lab, NEURONS, synapses=NEURONS * (NEURONS - 1), most=NEURONS * most)
    while True:
        try:
            return lab.compile(fives(lab, five, size)), size
        except UnsupportedNetworkError:
            if size == 1:
                raise
            size = ceil(size / 4)


def measured(lab: Lab, five: Five, need: int) -> FloatArray:
    """The steps that copies spent in each state, (REPLICATES, 32): as many as hold ``need`` independent observations.
    Forgetting takes four time constants; neighbours in time count as independent two of them apart."""
    most, chips = on_chips(lab, 204)
    executable, size = fitting(lab, five, most)
    batch = max(chips, instances(size))
    steps = max(20 * five.tau, ceil(need * five.forgets / 2 / (size * batch)))
    with lab.open_many(executable, batch) as session:
        session.run((five.forgets + five.tau) * lab.dt)
        recording = session.run(steps * lab.dt)
    return groups(occupancy(lab, recording, five.tau, steps), REPLICATES)


def occupancy(lab: Lab, recording: Recording, tau: int, steps: int) -> FloatArray:
    """For how many steps the neurons of each copy took each state, (copy, 32), without the first ``tau`` steps."""
    step, neuron = merged(lab, recording, "n")
    copy, which = np.divmod(neuron, NEURONS)
    shape = recording.counts["n"].size // NEURONS, steps + tau + 1
    began, ended = (
        np.bincount(np.ravel_multi_index((copy, step + later), shape), 1 << which, np.prod(shape)) for later in (0, tau)
    )
    code = np.cumsum((began - ended).reshape(shape), axis=1)[:, tau:steps].astype(np.int64)
    code = np.clip(code, 0, len(Z) - 1)  # beyond where a refractory neuron spikes
    return np.stack([np.bincount(row, minlength=len(Z)) for row in code]).astype(np.float64)


def deviations(lab: Lab, number: int, need: int, margins: tuple[float, float]) -> Iterator[tuple[str, Equivalence]]:
    """How far the states and the rates of a network are from the exact ones."""
    five = drawn(lab, number)
    sample = measured(lab, five, need)
    share = sample / sample.sum(axis=1, keepdims=True)
    yield "states", total_variation(sample, five.exact, margins[0])
    yield "rates", equivalent(share @ Z, five.exact @ Z, margins[1])


@check("networks-of-five", group="dynamics")
def networks_of_five(lab: Lab) -> Evidence:
    """Five GLM neurons, of biases and weights drawn over what the target declares (weights up to 20, biases from -5 to
    5), with rectangular PSPs as long as the refractory period, spend the shares of time in their 32 states that the
    exact discrete chain gives them, and spike as often. Where chips differ, the mean over chips is held to it.

    States to network_states (total variation distance), rates to network_rate of the largest possible, 1 / tau_ref.
    Passes a target beyond one of them with at most 1e-4; fails a right one with less than 1e-6.
    """
    margins = lab.accuracy("network_states"), lab.accuracy("network_rate")
    state, rate = (min(margin, RESOLVED) for margin in margins)
    need = max(pairs_needed(state, len(Z)), observations(rate, 0.5))
    found = [
        (number, what, result)
        for number in range(NETWORKS * lab.scale)
        for what, result in deviations(lab, number, need, margins)
    ]
    number, what, worst = max(found, key=lambda each: (each[2].p_value, each[2].deviation / each[2].margin))
    last = {each: [result for _, named, result in found if named == each] for each in ("states", "rates")}
    figure = Figure(
        "network", "deviation", [*range(NETWORKS * lab.scale)],
        {"states, declared": [margins[0]] * NETWORKS * lab.scale}
        | {each: [result.deviation for result in results] for each, results in last.items()},
        {each: [result.error for result in results] for each, results in last.items()},
    )  # fmt: skip
    hint = "weights, biases, PSPs or refractory periods are wrong where neurons drive each other"
    said = f"{what} of {NETWORKS * lab.scale} networks of five, the worst number {number}"
    return by_test(worst, said, hint, unit="total variation" if what == "states" else "of 1/tau_ref", figure=figure)
