"""Which rules the plasticity processor works out, and which the host: those that the processor has first."""

from __future__ import annotations

import numpy as np

from salhw.description.kinds import ByKind, of_kind
from salhw.description.network import Network
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PairSTDP
from salhw.description.windows import ExponentialWindow, TriangularWindow
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_brainscales2.psp import CHIP

RULES: ByKind[None] = ByKind(CHIP, {PairSTDP: None})
"""The rules that sensors and processor, or the host, know."""
HOST_WINDOWS: ByKind[None] = ByKind(CHIP, {ExponentialWindow: None, TriangularWindow: None})
"""The windows that the host knows, those of the sensors among them."""


def processed(p: Projection, target: Target) -> tuple[int, PairSTDP] | None:
    """The rule of a projection that sensors and processor work out, with its number: the first that they can."""
    able = (k for k, rule in enumerate(p.plasticity) if on_chip(rule, target))
    k = next(able, None)
    return None if k is None else (k, of_kind(p.plasticity[k], PairSTDP, CHIP))


def hosted(p: Projection, target: Target) -> dict[int, PairSTDP]:
    """The other rules of a projection, by number."""
    own = processed(p, target)
    others = {k: rule for k, rule in enumerate(p.plasticity) if own is None or k != own[0]}
    return {k: of_kind(rule, PairSTDP, CHIP) for k, rule in others.items()}


def plastic(net: Network, target: Target) -> dict[str, PairSTDP]:
    """The rules that the processor works out, by projection."""
    return {p.name: own[1] for p in net.projections if (own := processed(p, target)) is not None}


def rule_path(net: Network, target: Target, name: str) -> str:
    """The path of the rule of a projection that the processor works out."""
    own = processed(net.projection(name), target)
    assert own is not None
    return f"projections.{name}.{rule_name(net.projection(name), own[0])}"


def amplitudes(rule: PairSTDP) -> tuple[float, float]:
    """The largest amplitudes of the causal and the anti-causal branch, without their signs."""
    causal, anticausal = (float(np.abs(w.amplitude).max(initial=0.0)) for w in (rule.causal, rule.anticausal))
    return causal, anticausal


def fastest(rule: PairSTDP) -> float:
    """The largest learning rate of a synapse, without its sign."""
    return float(np.abs(np.asarray(rule.learning_rate)).max(initial=0.0))
