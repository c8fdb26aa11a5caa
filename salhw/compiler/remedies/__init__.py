"""How findings are answered: the remedies in their order of preference, each a small pure function."""

from __future__ import annotations

from salhw.compiler.remedies import grid, rules, shapes, values
from salhw.compiler.remedies.remedy import Proposal, Remedy

__all__ = ["BACKENDS", "REMEDIES", "Proposal", "Remedy"]

REMEDIES = (
    Remedy(
        "option of the target",
        "an option at the value that the target's file says fits; the network stays",
        values.option,
    ),
    Remedy(
        "amplitudes",
        "the learning rate and the amplitudes of its windows, so that their products stay",
        rules.amplitudes,
    ),
    Remedy("execution", 'execution = "host": the rule stays as it is, worked out beside the target', rules.host),
    Remedy(
        "schedule",
        "the nearest update that the target has; the drift stays, to first order in the learning rate",
        rules.schedule,
    ),
    Remedy("choice", "pairing, discretisation or superposition, the most alike first", values.choice),
    Remedy(
        "grid",
        "the nearest dt of which all times are multiples; then the nearest round one, with all times on it",
        grid.step,
    ),
    Remedy("PSP", "another kernel: its area stays, then the weights, then its mean lag", shapes.kernel),
    Remedy("window", "another window; its area and mean lag stay", shapes.window),
    Remedy(
        "range",
        "the nearest value in range; of many numbers those that lie outside, weights among them",
        values.nearest,
    ),
    Remedy("one for many", "the mean over neurons or synapses", values.mean),
    Remedy("default", "the only value that the target has: no bounds, no delay", values.default),
    Remedy("fix", "what the finding's fix names", values.as_it_says),
    Remedy("probe", "a probe that the target does not have is left out; the dynamics stay", values.left_out),
)
"""In the order of preference: the first that answers a finding is taken."""

BACKENDS = 3
"""Before which of them a backend's own remedies come (``salhw.session.backend.Fitting``)."""
