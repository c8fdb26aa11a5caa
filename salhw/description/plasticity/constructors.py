"""Known plasticity rules, the paper's among them, as functions that make a PairSTDP and what goes with it."""

from __future__ import annotations

from typing import Any, Literal

from salhw.description.plasticity.pair_stdp import Pairing, PairSTDP
from salhw.description.plasticity.per_spike import PerSpike
from salhw.description.plasticity.rule import PlasticityRule
from salhw.description.plasticity.triplet import TripletPairing, TripletSTDP
from salhw.description.windows import ExponentialWindow, TriangularWindow
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.wording import shown


def _exponential(causal: float, anticausal: float, learning_rate: Any, tau: float, **options: Any) -> PairSTDP:
    return PairSTDP(
        causal=ExponentialWindow(amplitude=causal, tau=tau),
        anticausal=ExponentialWindow(amplitude=anticausal, tau=tau),
        learning_rate=learning_rate,
        **options,
    )


def SAL(learning_rate: Any, tau: float = 10.0, **options: Any) -> PairSTDP:
    """Spike-based alignment learning: causal pairs weaken, anti-causal ones strengthen (paper Eq 2, alpha = -1, +1).

    ``tau`` in ms should match the width of the PSP; ``options`` are PairSTDP's other fields. Nearest neighbours by
    default, as the paper's theory wants them.
    """
    return _exponential(-1.0, 1.0, learning_rate, tau, **options)


def Hebbian(learning_rate: Any, tau: float = 10.0, *, pairing: Pairing = "all", **options: Any) -> PairSTDP:
    """Classical STDP: causal pairs strengthen, anti-causal ones weaken; all pairs by default."""
    return _exponential(1.0, -1.0, learning_rate, tau, pairing=pairing, **options)


def AntiHebbian(learning_rate: Any, tau: float = 10.0, *, pairing: Pairing = "all", **options: Any) -> PairSTDP:
    """SAL's window over all pairs (paper Eq 13 and section 2.4)."""
    return _exponential(-1.0, 1.0, learning_rate, tau, pairing=pairing, **options)


def WakeSleep(
    learning_rate: Any, tau_ref: float = 10.0, *, phase: Literal["wake", "sleep"] = "sleep", **options: Any
) -> PairSTDP:
    """Spike-based wake-sleep (paper section 2.4.1): the overlap of the refractory states of two neurons, + in the wake
    phase and - in the sleep phase.

    Over a run of length T the pairs sum up to ``<z_i z_j> T / tau_ref``; for Eq 4 the learning rate per pair is
    therefore ``eta tau_ref / T``.

    Raises:
        DescriptionError: a phase that is neither.
    """
    if not isinstance(phase, str) or phase not in ("wake", "sleep"):
        finding = Diagnostic("SAL005", "phase", shown(phase), "'wake' or 'sleep'", "choose one of these")
        raise DescriptionError("DescriptionError: WakeSleep is refused (1 problem)", [finding])
    window = TriangularWindow(amplitude=1.0 if phase == "wake" else -1.0, tau=tau_ref)
    return PairSTDP(causal=window, anticausal=window, learning_rate=learning_rate, **{"pairing": "all", **options})


def VogelsSprekeler(
    learning_rate: Any, rate: float, tau: float = 20.0, **options: Any
) -> tuple[PlasticityRule, PlasticityRule]:
    """Inhibitory plasticity that keeps the postsynaptic neurons near a rate (Vogels, Sprekeler et al. 2011, Eq 1): a
    pair adds ``learning_rate * exp(-|dt| / tau)`` in either order, and a presynaptic spike by itself takes
    ``learning_rate * alpha`` away, with alpha = 2 rate tau.

    It is for weights of inhibition as a size: as weights are signed here, inhibition that grows has a negative
    ``learning_rate``.

    Args:
        learning_rate: eta, times -1 for inhibitory weights; one number or one per synapse.
        rate: of the postsynaptic neurons, in Hz, at which pairs and single spikes balance.
        tau: of the window, in ms.
        options: what both rules have: update, bounds, execution.
    """
    alpha = 2.0 * rate / 1000.0 * tau
    return (
        _exponential(1.0, 1.0, learning_rate, tau, pairing="all", **options),
        PerSpike(pre=-alpha, learning_rate=learning_rate, **options),
    )


def PfisterGerstner(
    learning_rate: Any,
    *,
    pairs: tuple[float, float] = (5e-10, 7e-3),
    triplets: tuple[float, float] = (6.2e-3, 2.3e-4),
    tau_plus: float = 16.8,
    tau_minus: float = 33.7,
    tau_x: float = 101.0,
    tau_y: float = 125.0,
    pairing: TripletPairing = "all",
    **options: Any,
) -> tuple[PlasticityRule, PlasticityRule]:
    """The triplet rule of Pfister & Gerstner (2006, Eqs 3 and 4): a PairSTDP and a TripletSTDP. By default with their
    parameters of visual cortex, all spikes, with which post before pre weakens at a low rate and strengthens at a high
    one.

    Args:
        learning_rate: a factor on all four amplitudes.
        pairs, triplets: how much (causal, anti-causal) ones count: (A2+, A2-), (A3+, A3-); the second of each weakens.
        tau_plus, tau_minus: of causal and anti-causal pairs, in ms.
        tau_x, tau_y: with which a neuron's own spikes fade, pre- and postsynaptic, in ms.
        pairing: ``all``, or ``nearest_symmetric``, whose parameters are others.
        options: what both rules have: update, bounds, execution.
    """

    def windows(causal: float, anticausal: float) -> dict[str, Any]:
        return {
            "causal": ExponentialWindow(amplitude=causal, tau=tau_plus),
            "anticausal": ExponentialWindow(amplitude=-anticausal, tau=tau_minus),
        }

    common = {"learning_rate": learning_rate, "pairing": pairing, **options}
    return (
        PairSTDP(**windows(*pairs), **common),
        TripletSTDP(**windows(*triplets), tau_pre=tau_x, tau_post=tau_y, **common),
    )
