"""The kinds of things that NEST, and its host, have something for."""

from __future__ import annotations

from collections.abc import Iterator

from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.description.plasticity import PairSTDP
from salhw.description.windows import ExponentialWindow, TriangularWindow
from salhw.diagnostics import Diagnostic
from salhw.substrate.support import on_chip
from salhw.substrate.target import Target
from salhw_nest.kernels import KERNELS, NEST
from salhw_nest.neurons import NEURONS
from salhw_nest.probes import PROBES
from salhw_nest.stimuli import STIMULI

RULES = ByKind(NEST, {PairSTDP: None})
WINDOWS = ByKind(NEST, {ExponentialWindow: None})
HOST_WINDOWS = ByKind("the host of nest", {ExponentialWindow: None, TriangularWindow: None})


def unknown(net: Network, target: Target) -> Iterator[Diagnostic]:
    """Everything in a network of a kind that NEST has nothing for, whatever ``target`` declares. (Connectors list their
    synapses themselves: any will do.)"""
    for population in net.populations:
        yield from NEURONS.refused(f"populations.{population.name}.neuron", population.neuron)
    for p in net.projections:
        path = f"projections.{p.name}"
        yield from KERNELS.refused(f"{path}.kernel", p.kernel)
        for k, rule in enumerate(p.plasticity):
            at = f"{path}.{rule_name(p, k)}"
            yield from RULES.refused(at, rule)
            windows = WINDOWS if on_chip(rule, target) else HOST_WINDOWS
            for name, window in rule.parts() if rule in RULES else ():
                yield from windows.refused(f"{at}.{name}", window)
    for k, stimulus in enumerate(net.stimuli):
        yield from STIMULI.refused(f"stimuli[{k}]", stimulus)
    for k, probe in enumerate(net.probes):
        yield from PROBES.refused(f"probes[{k}]", probe)
