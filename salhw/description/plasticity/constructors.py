"""The paper's plasticity rules, as functions that make a PairSTDP."""

from __future__ import annotations

from typing import Any, Literal

from salhw.description.plasticity.pair_stdp import Pairing, PairSTDP
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
