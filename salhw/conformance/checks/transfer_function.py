"""rate(bias)"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from salhw.conformance.circuits import apportioned, copies, declared_range, discretisations, glm
from salhw.conformance.lab import CHIPS, Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.statistics import Equivalence, equivalent, observations, replicates
from salhw.conformance.verdict import by_test
from salhw.description.fields import FloatArray, IntArray
from salhw.description.network import Network
from salhw.description.neurons import Discretisation
from salhw.description.parts import Population
from salhw.theory import rate_of_constant_input, spike_probability

TAU_REF = 10
PILOT = 8  # neurons of each bias and chip, whose scatter says how many it takes
HINT = "a wrong hazard, refractory period, bias or unit of time"


@check("transfer-function", group="dynamics")
def transfer_function(lab: Lab) -> Evidence:
    """Without input, a GLM neuron of bias b fires at the rate p / (1 + (tau_ref - 1) p) per step, p being its spike
    probability: sigmoid(b) / tau_ref for the logistic discretisation. Four biases from -1 to 2; of further
    discretisations the upper three, where they differ most and a quarter of the steps will do; the mean over neurons,
    and over chips where they differ.

    Passes a target beyond the declared relative error (rate) with at most 1e-4; fails a right one with less than 1e-6.
    """
    margin = lab.finer_accuracy("rate_alone", "rate")
    biases = np.linspace(*declared_range(lab.target.neurons.get("GLM", {}), "bias", -1.0, 2.0), 4)
    worst: tuple[Equivalence, str, Figure] | None = None
    for k, discretisation in enumerate(discretisations(lab)):
        bias = biases[min(k, 1) :]
        expected = rate_of_constant_input(bias, TAU_REF, discretisation) / (lab.dt / 1000.0)
        sample = measured_rates(lab, bias, discretisation, margin)
        result = equivalent(sample, expected, margin, expected)
        if worst is None or result.p_value > worst[0].p_value or result.deviation > worst[0].deviation:
            errors = {"measured": [*(sample.std(axis=0, ddof=1) / np.sqrt(len(sample)))]}
            curves = {"theory": [*expected], "measured": [*sample.mean(axis=0)]}
            figure = Figure("bias", f"rate (Hz), {discretisation}", [*bias], curves, errors)
            worst = result, f"rate at bias {bias[result.worst]:g}, {discretisation}", figure
    assert worst is not None
    return by_test(worst[0], worst[1], HINT, unit="relative", figure=worst[2])


def measured_rates(lab: Lab, bias: FloatArray, discretisation: Discretisation, margin: float) -> FloatArray:
    """Rates in Hz (replicate, bias): one population per bias, the larger the more spikes the margin takes, or the more
    neurons where these differ."""
    if lab.varies:
        room, instances, steps = copies(lab, 1), CHIPS * lab.scale, 50 * TAU_REF
        pilot = counted(lab, bias, discretisation, [PILOT] * len(bias), CHIPS, steps)
        need = np.array([observations(margin, float(c.std() / max(c.mean(), 1e-9))) for c in pilot]) / CHIPS
        size = np.ceil(need * min(1.0, (room - len(bias)) / need.sum())).astype(int)
    else:
        p = spike_probability(bias, TAU_REF, discretisation)
        interval = TAU_REF - 1 + 1 / p
        spread = np.sqrt(1 - p) / p / interval  # coefficient of variation: geometric beyond the refractory period
        need = np.array([observations(margin, s, least=1000) for s in spread]) * interval * lab.scale
        size = apportioned(lab, need)
        instances, steps = 1, ceil(float((need / size).max()))
    return replicates(counted(lab, bias, discretisation, size, instances, steps)) / (steps * lab.dt / 1000.0)


def counted(
    lab: Lab,
    bias: FloatArray,
    discretisation: Discretisation,
    size: Sequence[int] | IntArray,
    instances: int,
    steps: int,
) -> list[IntArray]:
    """The spikes of ``size[k]`` neurons of bias k, (instance, neuron) each."""
    net = Network(
        name="transfer",
        dt=lab.dt,
        populations=[
            Population(name=f"bias_{k}", size=int(n), neuron=glm(lab, float(b), TAU_REF, discretisation))
            for k, (b, n) in enumerate(zip(bias, size, strict=True))
        ],
    )
    with lab.open_many(lab.compile(net), instances) as session:
        session.run(20 * TAU_REF * lab.dt)
        counts = session.run(steps * lab.dt).counts
    return [counts[f"bias_{k}"] for k in range(len(bias))]
