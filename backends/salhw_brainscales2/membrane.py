"""The neuron circuits and synaptic currents that a network takes, with the fixed pattern of chips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Exponential, Kernel
from salhw.description.network import Network
from salhw.substrate.chip import Chip, vary
from salhw_brainscales2.cell import Cell, Membranes
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.psp import psp


def kernels_onto(net: Network, population: str) -> list[Kernel]:
    """The kernels of the projections onto a population."""
    return [p.kernel for p in net.projections if p.post == population]


def realised_kernel(cell: Cell, kernel: Kernel, dt: float) -> Kernel:
    """The PSP that the chip makes of a kernel: a decaying current of the area that it has on its grid of ``dt``."""
    return Exponential(tau_syn=cell.current_tau(kernel), area=psp(kernel).described_area(dt))


def realised(net: Network) -> Network:
    """The same network with the PSPs that the chip makes."""
    circuits = cells(net)
    return net.replace(
        projections=[
            p.replace(kernel=realised_kernel(circuits[p.post], p.kernel, net.dt)) if p.post in circuits else p
            for p in net.projections
        ]
    )


def membranes(
    made: Cell, kernels: Sequence[Kernel], chips: Sequence[Chip], place: IntArray, refractory: float
) -> Membranes:
    """The circuits of neurons that are ``made`` alike, at the locations ``place`` of ``chips``, with PSPs of these
    kernels and a refractory period in ms."""

    def varied(quantity: str, nominal: float) -> FloatArray:
        return vary(chips, quantity, nominal, place)

    tau_syn = made.current_tau(kernels[0]) if kernels else made.tau_syn  # all PSPs onto a neuron have one
    tau_m, unit = made.tau_m, made.unit
    return Membranes(
        gain=np.maximum(np.stack([varied("gain_exc", 1.0), varied("gain_inh", 1.0)]), 0.0),
        tau_syn=np.maximum(np.stack([varied("tau_syn_exc", tau_syn), varied("tau_syn_inh", tau_syn)]), 0.05 * tau_syn),
        tau_m=np.maximum(varied("tau_m", tau_m), 0.05 * tau_m),
        leak=unit * varied("v_leak", 0.0),
        reset=made.reset + unit * varied("v_reset", 0.0),
        thresh=made.thresh + unit * varied("v_thresh", 0.0),
        unit=unit,
        event=made.event,
        rate=made.rate,
        refractory=refractory,
        own=made.circuits(varied),
    )
