"""The rate of Brunel's network in its asynchronous state: that of a neuron under white noise which it gives itself."""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx

from salhw_networks.brunel.network import RESET, TAU_M, TAU_REF, THRESHOLD


def rate(mean: float, deviation: float) -> float:
    """Hz of a LIF neuron whose potential without threshold has a mean and a standard deviation that are those of an
    input mu and a noise sigma, ``deviation`` = sigma, both in mV (Brunel 2000, Eq 21)."""
    low, high = (RESET - mean) / deviation, (THRESHOLD - mean) / deviation
    waiting, _ = quad(lambda u: erfcx(-u), low, high, limit=200)
    return float(1000.0 / (TAU_REF + TAU_M * np.sqrt(np.pi) * waiting))


def stationary_rate(inhibition: float, drive: float, excitatory: int, weight: float) -> float:
    """Hz at which the input that a neuron gets from ``excitatory`` others, a quarter as many inhibitory ones and from
    outside makes it spike just so (Eqs 5, 6, 22); see ``network`` for the arguments. Inhibition has to prevail, so that
    there is one such rate.

    Raises:
        ValueError: there is none between 0 and 1 / tau_ref with a change of sign.
    """

    def excess(hertz: float) -> float:
        spikes = TAU_M * weight * excitatory * hertz / 1000.0  # mV, of excitatory synapses
        mean = spikes * (1.0 - inhibition / 4.0) + drive * THRESHOLD
        variance = weight * (spikes * (1.0 + inhibition**2 / 4.0) + drive * THRESHOLD)
        return rate(mean, np.sqrt(variance)) - hertz

    return float(brentq(excess, 1e-6, 1000.0 / TAU_REF))
