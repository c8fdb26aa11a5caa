"""Plasticity as data: spike-pair rules, and the paper's rules as constructors of them."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import field_validator, model_validator

from salhw.description.fields import Model, Number, PerSynapse
from salhw.description.windows import ExponentialWindow, TriangularWindow, Window
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.diagnostics.wording import invalid, shown

Pairing = Literal["all", "nearest_symmetric", "nearest_restricted"]
_EVERY = re.compile(r"every ([0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|\.[0-9]+) ms")


class PairSTDP(Model):
    """Spike-timing-dependent plasticity from pairs of spikes (paper Eqs 2, 12, 13).

    A presynaptic spike followed by a postsynaptic one at distance dt > 0 adds ``learning_rate * causal(dt)``, the
    opposite order ``learning_rate * anticausal(|dt|)``. The order of simultaneous spikes is undefined: everything that
    depends on it is the mean over both orders, so a coincidence itself adds the mean of both branches at dt = 0.

    Args:
        causal, anticausal: the two branches of the window, signs included in their amplitudes.
        pairing: which pairs count (Morrison et al. 2008): ``all``; ``nearest_symmetric``: each spike with the latest
            one of the partner; ``nearest_restricted``: a pair only if no other spike of either neuron lies between
            (the paper's nearest neighbour and BrainScaleS-2's correlation sensor).
        learning_rate: per pair, one number or one per synapse (shaped like the projection's weights).
        update: ``spike`` (weights change with the step's spikes and act from the next step), ``every T ms`` (at whole
            multiples of T of the session's time) or ``run end``.
        bounds: the weights are clipped to (lowest, highest) at each update.
        execution: ``chip``, or ``host`` to allow a target without the rule to compute it outside.
    """

    kind: Literal["PairSTDP"] = "PairSTDP"
    causal: Window
    anticausal: Window
    pairing: Pairing = "nearest_restricted"
    learning_rate: PerSynapse
    update: str = "spike"
    bounds: tuple[Number, Number] | None = None
    execution: Literal["chip", "host"] = "chip"

    @field_validator("update")
    @classmethod
    def _known_update(cls, value: str) -> str:
        match = _EVERY.fullmatch(value)
        if value not in ("spike", "run end") and not (match and 0 < float(match[1]) < float("inf")):
            raise invalid(
                "SAL005", shown(value), "'spike', 'run end' or 'every T ms' with T > 0", "as in 'every 200 ms'"
            )
        return value

    @model_validator(mode="after")
    def _ordered_bounds(self) -> PairSTDP:
        if self.bounds is not None and self.bounds[0] >= self.bounds[1]:
            raise invalid("SAL005", self.bounds, "(lowest, highest) with lowest < highest", "swap them", at="bounds")
        return self

    @property
    def period(self) -> float | None:
        """T of ``every T ms``, in ms; None for the other schedules."""
        match = _EVERY.fullmatch(self.update)
        return float(match[1]) if match else None


# A union tagged by kind as soon as there is a second rule.
PlasticityRule = PairSTDP


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
