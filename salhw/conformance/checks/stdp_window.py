"""The STDP window"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salhw.conformance.circuits import (
    NEURONS,
    alternatives,
    change,
    declared_range,
    forced_pairs,
    pairing,
    partners,
    schedule,
)
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, Figure, check
from salhw.conformance.statistics import Equivalence, equivalent
from salhw.conformance.verdict import by_count, by_test
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.plasticity import PairSTDP
from salhw.description.windows import ExponentialWindow, TriangularWindow, Window

LAGS = np.arange(1, 13, dtype=np.float64)  # steps
TAU = {"causal": 10, "anticausal": 15}  # steps
AMPLITUDE = {"causal": -1.0, "anticausal": 1.0}
RATE = 0.5  # or the largest that the target declares
REPLICATES = 32  # synapses per lag, so that noise of the target is told from error
WINDOWS: dict[str, type[ExponentialWindow] | type[TriangularWindow]] = {
    "Exponential": ExponentialWindow,
    "Triangular": TriangularWindow,
}


@dataclass(frozen=True)
class Branch:
    """Weight changes (replicate, lag) by single pairs on one branch of a window, and the amplitudes and time constants
    (in steps) fitted to them, per replicate."""

    name: str
    window: Window
    sample: FloatArray
    amplitude: FloatArray
    tau: FloatArray


def rate(lab: Lab) -> float:
    """The learning rate of the rules."""
    return declared_range(lab.target.plasticity.get("PairSTDP", {}), "learning_rate", 0.0, RATE)[1]


def rule(lab: Lab, kind: str, *, causal: float = -1.0, anticausal: float = 1.0) -> PairSTDP:
    """A rule with windows of one kind."""
    branches = {"causal": causal, "anticausal": anticausal}
    windows = {name: WINDOWS[kind](amplitude=a, tau=TAU[name] * lab.dt) for name, a in branches.items()}
    return PairSTDP(**windows, learning_rate=rate(lab), pairing=pairing(lab), update=schedule(lab))


def forced(lab: Lab, chosen: PairSTDP) -> tuple[Network, int]:
    """Synapse by synapse one forced pair: every lag of both branches, several times."""
    lags = np.concatenate([LAGS, -LAGS])
    times = max(2, min(REPLICATES, partners(lab, 1, most=NEURONS) // len(lags)))
    every = np.tile(lags, times)
    return forced_pairs(lab, [[20 - min(0, int(g))] for g in every], [[20 + max(0, int(g))] for g in every], chosen)


def measured(lab: Lab) -> list[Branch]:
    """Both branches of each declared kind of window."""
    rules = {kind: rule(lab, kind) for kind in WINDOWS if kind in lab.target.windows or not lab.target.windows}
    made = {kind: forced(lab, chosen) for kind, chosen in rules.items()}
    branches = []
    for kind in alternatives(lab, {kind: net for kind, (net, _) in made.items()}):
        changes = change(lab, *made[kind]).reshape(-1, 2, len(LAGS)) / rate(lab)
        for k, name in enumerate(("causal", "anticausal")):
            window = getattr(rules[kind], name)
            sample = changes[:, k]
            fits = np.array([fitted(window, row, lab.dt, AMPLITUDE[name], TAU[name]) for row in sample])
            branches.append(Branch(f"{kind.lower()} window, {name} branch", window, sample, fits[:, 0], fits[:, 1]))
    return branches


def fitted(window: Window, values: FloatArray, dt: float, amplitude: float, tau: float) -> tuple[float, float]:
    """Least squares: (amplitude, tau in steps); zeros where there is nothing to fit."""
    from scipy.optimize import least_squares

    def off(x: FloatArray) -> FloatArray:
        shape = window.replace(tau=max(float(x[1]), 1e-3) * dt).shape(LAGS * dt)
        return np.asarray(x[0] * shape - values)

    if not np.abs(values).max() > 0:
        return 0.0, 0.0
    fit = least_squares(off, [amplitude, tau], x_scale=[abs(amplitude), tau], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    return float(fit.x[0]), float(fit.x[1])


def drawn(branch: Branch) -> Figure:
    """The window, declared and measured."""
    dt_lags = LAGS * (float(branch.window.tau) / TAU["causal" if "anticausal" not in branch.name else "anticausal"])
    theory = float(np.asarray(branch.window.amplitude)) * branch.window.shape(dt_lags)
    return Figure(
        "lag (steps)",
        f"weight change / learning rate, {branch.name}",
        [*LAGS.tolist()],
        {"declared": [*theory], "measured": [*branch.sample.mean(axis=0)]},
        {"measured": [*(branch.sample.std(axis=0, ddof=1) / np.sqrt(len(branch.sample)))]},
    )


def worst_of(results: list[tuple[Equivalence, Branch]]) -> tuple[Equivalence, Branch]:
    """The one that speaks most against the target."""
    return max(results, key=lambda item: (item[0].p_value, item[0].deviation))


@check("stdp-window-amplitude", group="dynamics")
def stdp_window_amplitude(lab: Lab) -> Evidence:
    """Single forced spike pairs at 12 lags on either branch change the weights by a window of the declared amplitude,
    sign included, for every declared kind of window.

    Passes a target beyond the declared relative error (window) with at most 1e-4. A right target without noise
    never fails; one with noise does with less than 1e-6 if the margin is 11 standard errors of the mean over the 32
    synapses per lag.
    """
    margin = lab.accuracy("window")
    results = []
    for b in measured(lab):
        expected = float(np.asarray(b.window.amplitude))
        results.append((equivalent(b.amplitude, expected, margin, abs(expected)), b))
    result, branch = worst_of(results)
    hint = "wrong amplitude or sign, or lags off by a step"
    return by_test(result, f"amplitude of the {branch.name}", hint, unit="relative", figure=drawn(branch))


@check("stdp-window-tau", group="dynamics")
def stdp_window_tau(lab: Lab) -> Evidence:
    """The window measured as in stdp-window-amplitude has the declared time constant on either branch (10 steps causal,
    15 anti-causal).

    Passes a target beyond the declared relative error (window_tau) with at most 1e-4; fails a right one
    with less than 1e-6, as in stdp-window-amplitude.
    """
    margin = lab.accuracy("window_tau")
    results = []
    for b in measured(lab):
        expected = float(b.window.tau) / lab.dt
        results.append((equivalent(b.tau, expected, margin, expected), b))
    result, branch = worst_of(results)
    return by_test(
        result, f"tau of the {branch.name}", "a wrong time constant or shape", unit="relative", figure=drawn(branch)
    )


@check("stdp-window-shape", group="dynamics")
def stdp_window_shape(lab: Lab) -> Evidence:
    """At each of the 12 lags on either branch the weight change is that of the declared window (exponential,
    triangular), relative to its amplitude.

    Passes a target beyond the declared relative error (window) at any lag with at most 1e-4; fails a right one
    with less than 1e-6, as in stdp-window-amplitude.
    """
    margin = lab.accuracy("window")
    results = []
    for b in measured(lab):
        amplitude = float(np.asarray(b.window.amplitude))
        results.append((equivalent(b.sample, amplitude * b.window.shape(LAGS * lab.dt), margin, abs(amplitude)), b))
    result, branch = worst_of(results)
    what = f"{branch.name} at lag {LAGS[result.worst]}"
    hint = "another shape of the window, or lags off by a step"
    return by_test(result, what, hint, unit="of the amplitude", figure=drawn(branch))


@check("causal-branch", group="dynamics")
def causal_branch(lab: Lab) -> Evidence:
    """A presynaptic spike followed by a postsynaptic one moves the weight by the causal branch, the opposite order by
    the anti-causal one: with causal amplitude -1 and anti-causal +1, the former weakens and the latter strengthens.

    Exact: the sign of the mean change over 12 lags.
    """
    wrong, said = 0, []
    for b in measured(lab):
        right = np.sign(np.asarray(b.window.amplitude))
        wrong += int(np.sign(b.sample.mean()) != right)
        said.append(f"{b.name}: {b.sample.mean():+.3g} on average, declared {right:+g}")
    return by_count(wrong, len(said), "; ".join(said), "the branches are swapped, or one of them is missing")
