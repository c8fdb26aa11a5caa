"""Excitation and inhibition"""

from __future__ import annotations

import numpy as np

from salhw.conformance.circuits import copies, declared_range, drive, firing, shortest_refractory
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.conformance.verdict import by_count
from salhw.description.kernels import Rectangular
from salhw.theory import spike_probability

TAU_SYN, PERIOD = 6, 16


@check("psp-sign", group="dynamics")
def psp_sign(lab: Lab) -> Evidence:
    """A positive weight makes the postsynaptic neurons fire more while the PSP lasts, a negative one less (where the
    target declares negative weights).

    Exact; a step is taken for the wrong side of the line with less than 1e-20: the probability per step goes from .2 up
    to .5 or down to .06, the lines are half-way.
    """
    low, high = declared_range(lab.target.projections, "weights", -1.4, 1.4)
    weights = {"excited": high} | ({"inhibited": low} if low < 0 else {})
    tau_ref = shortest_refractory(lab)
    size = copies(lab, len(weights), synapses=len(weights), most=512)
    repeats = 1 + -(-2000 * tau_ref // size) * lab.scale
    bias = float(np.log(0.25 * tau_ref))
    net = drive(
        lab,
        weights,
        Rectangular(tau_syn=TAU_SYN * lab.dt),
        (0,),
        bias=bias,
        tau_ref=tau_ref,
        size=size,
        period=PERIOD,
        repeats=repeats,
    )
    with lab.open(net) as session:
        recording = session.run(PERIOD * repeats * lab.dt)
    wrong, said = 0, []
    for name, w in weights.items():
        spikes, free = (x.sum(axis=0) for x in firing(lab, recording, name, tau_ref, PERIOD, repeats))
        share = spikes / np.maximum(free, 1.0)
        rest, during = share[TAU_SYN + 1 :].mean(), share[1 : TAU_SYN + 1].mean()
        line = float(spike_probability([bias, bias + w], tau_ref).mean())
        right = rest < line < during if w > 0 else during < line < rest
        wrong += not right
        said.append(f"weight {w:+g}: firing probability {rest:.3f} -> {during:.3f}")
    return by_count(wrong, len(said), "; ".join(said), "the sign of a weight is lost")
