"""What nominal weights are worth on emulated chips, whose fixed pattern is known: a reference for measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from salhw.chip import Chip
from salhw.compile.executable import Executable
from salhw.fields import FloatArray
from salhw.neurons import GLM
from salhw_pynn.analog.circuit import circuit


def effective_weights(
    executable: Executable, chips: Sequence[Chip], projection: str, nominal: FloatArray
) -> FloatArray:
    """Nominal weights (..., B, S), as a session holds them, times what the chips make of them.

    The measure is the height of a PSP on the membrane; for a GLM neuron over the standard deviation of its membrane,
    because the activation function is as wide as that. 1 on an ideal chip. The synapses are in the order of
    ``salhw.connectivity.synapses``.
    """
    net = executable.network
    made = circuit(net, executable.placement, chips)
    ideal = circuit(net, executable.placement, [chip.replace(variability={}) for chip in chips])
    post = net.projection(projection).post
    factors = []
    for chosen in (made, ideal):
        cells, wiring = chosen.cells[post], chosen.wiring[projection]
        sigma = cells.sigma if isinstance(net.population(post).neuron, GLM) else np.ones_like(cells.tau_m)
        ratio = cells.tau_m / cells.tau_syn
        height = np.exp(-np.log(ratio) * ratio / (ratio - 1.0 + 1e-12))  # of a difference of two exponentials
        factors.append(wiring.current * height[:, :, wiring.post] / sigma[:, wiring.post])
    factor = factors[0] / factors[1]
    return np.asarray(nominal * np.where(nominal >= 0, factor[0], factor[1]))
