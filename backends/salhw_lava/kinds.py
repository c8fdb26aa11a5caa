"""The kinds that Loihi 2 knows. Others are refused before anything else, whatever a target declares."""

from __future__ import annotations

from collections.abc import Iterator

from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.parts import rule_name
from salhw.description.probes import Membrane, Spikes, StateOccupancy, Weights
from salhw.diagnostics import Diagnostic
from salhw_lava.arithmetic import BACKEND
from salhw_lava.psps import PSPS
from salhw_lava.rules import RULES, WINDOWS
from salhw_lava.stimuli import STIMULI
from salhw_lava.words import NEURON_KINDS

PROBES = ByKind(BACKEND, {Spikes: False, Membrane: True, Weights: False, StateOccupancy: False})
"""Whether the potentials of the population are recorded for it."""


def unknown_kinds(net: Network) -> Iterator[Diagnostic]:
    """A finding for everything in a network that is of a kind without a lowering here."""
    for population in net.populations:
        yield from NEURON_KINDS.refused(f"populations.{population.name}.neuron", population.neuron)
    for projection in net.projections:
        path = f"projections.{projection.name}"
        yield from PSPS.refused(f"{path}.kernel", projection.kernel)
        for k, rule in enumerate(projection.plasticity):
            at = f"{path}.{rule_name(projection, k)}"
            yield from RULES.refused(at, rule)
            if rule in RULES:
                for name, part in rule.parts():
                    yield from WINDOWS.refused(f"{at}.{name}", part)
    for k, stimulus in enumerate(net.stimuli):
        yield from STIMULI.refused(f"stimuli[{k}]", stimulus)
    for k, probe in enumerate(net.probes):
        yield from PROBES.refused(f"probes[{k}]", probe)
