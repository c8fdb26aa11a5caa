"""How findings are answered: the remedies in their order of preference, each a small pure function."""

from __future__ import annotations

from salhw.compiler.remedies import grid, pairs, rules, scale, shapes, values
from salhw.compiler.remedies.remedy import Proposal, Remedy

__all__ = ["BACKENDS", "REMEDIES", "Proposal", "Remedy"]

REMEDIES = (
    Remedy("option", "an option of the target, at the value that is said to fit; the network stays", values.option),
    Remedy("amplitudes", "learning rate and amplitudes of windows; their products stay", rules.amplitudes),
    Remedy("weight scale", "weights by one factor, the PSP's area over it; the dynamics stay", scale.weight_scale),
    Remedy("pairs", "one synapse of each pair with the sum of the weights; the dynamics stay", pairs.one_of_each),
    Remedy("host", 'execution = "host" of rules that are not due with every spike; they stay', rules.host_now_and_then),
    Remedy("schedule", "the nearest update that the target has; the drift stays, to first order", rules.schedule),
    Remedy("choice", "pairing, discretisation, superposition: the most alike that the target has", values.choice),
    Remedy("grid", "the nearest dt that divides all times; then the nearest round one, all times on it", grid.step),
    Remedy("PSP", "another kernel: its area stays, then the weights, then its mean lag", shapes.kernel),
    Remedy("window", "another window; its area and mean lag stay", shapes.window),
    Remedy("host at once", 'execution = "host" of rules that are due with every spike; they stay', rules.host),
    Remedy("range", "the nearest value in range; of many numbers those outside, as of weights", values.nearest),
    Remedy("one for many", "the mean over neurons or synapses", values.mean),
    Remedy("default", "the only value that the target has: no bounds, no delay", values.default),
    Remedy("fix", "what the finding's fix names", values.as_it_says),
    Remedy("probe", "a probe that the target does not have is left out; the dynamics stay", values.left_out),
)
"""In the order of preference: the first that answers a finding is taken."""

BACKENDS = 5
"""Before which of them a backend's own remedies come (``salhw.session.backend.Fitting``)."""
