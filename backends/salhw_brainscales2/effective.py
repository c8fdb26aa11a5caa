"""What nominal weights are worth on emulated chips, whose fixed pattern is known: a reference for measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from salhw.description.fields import FloatArray
from salhw.session.executable import Executable
from salhw.session.paths import described_at
from salhw.substrate.chip import Chip
from salhw_brainscales2.circuit import circuit
from salhw_brainscales2.neurons import cells


def effective_weights(
    executable: Executable,
    chips: Sequence[Chip],
    projection: str,
    nominal: FloatArray,
    bias: FloatArray | None = None,
) -> FloatArray:
    """Nominal weights (..., B, S), as the chips hold them, times what the chips make of them.

    For a GLM neuron the measure is what a PSP is on the membrane over the standard deviation of the membrane, because
    the activation function is as wide as that: the height of an excitatory one, which makes spikes come early, and the
    area of an inhibitory one, which keeps them away as long as it lasts. (Measured gains on chips of which nothing but
    time constants differs go with tau_syn to the power of .4 and 1.0, docs/calibration.md; height and area do with .25
    and 1.) For a LIF neuron it is the height. 1 on an ideal chip. Each row of a weight has its own. The synapses are in
    the order of ``connectivity.synapses``.

    Args:
        bias: what the postsynaptic neurons hold, (B, n), None: what is described. Synapses are as strong as that asks
            for. A calibrated neuron holds another bias than it acts as, and its synapses are stronger or weaker by it.
    """
    net = executable.network
    blank = [chip.replace(variability={}) for chip in chips]
    made, ideal = (circuit(net, executable.target, executable.placement, each) for each in (chips, blank))
    post = net.projection(projection).post
    sampling = cells(net)[post].sampling
    factors = []
    for chosen in (made, ideal):
        membrane, wiring = chosen.cells[post], chosen.wiring[projection]
        ratio = membrane.tau_m / membrane.tau_syn
        shape = np.exp(-np.log(ratio) * ratio / (ratio - 1.0 + 1e-12))  # height of a difference of two exponentials
        if sampling:
            shape = np.stack([shape[0], membrane.tau_syn[1]]) / membrane.sigma
        factors.append(wiring.currents * shape[:, :, wiring.post])
    effective = made.wiring[projection].summed(nominal, factors[0] / factors[1])
    if bias is None:
        return effective
    described = np.asarray(described_at(net, f"populations.{post}.bias"), dtype=np.float64)
    strength = [cells(net)[post].sensitivity(each, net.dt) for each in (bias, described)]
    return np.asarray(effective * (strength[0] / strength[1])[:, made.wiring[projection].post])
