"""How potentials lie in the chip's words of 24 bits: with as many bits behind the point as the network's largest
possible value leaves, or a refusal if it does not fit at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from salhw.description.kinds import ByKind
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.parts import Population
from salhw_lava.arithmetic import BACKEND, Arithmetic
from salhw_lava.glm import Potential, fit_potential
from salhw_lava.learning import EngineLimit
from salhw_lava.lif import Leak, fit_leak
from salhw_lava.reach import of_projection, reach

__all__ = ["NEURON_KINDS", "Leak", "NeuronKind", "Potential", "Word", "Words", "shorter_psps", "word", "words"]

Word = Potential | Leak
"""A population's potentials in words: what the chip has for a bias, for a membrane, and what does not fit."""

Words = Mapping[str, Word]


@dataclass(frozen=True)
class NeuronKind:
    """How Lava runs one kind of neuron.

    Args:
        fit: finds the words for a population's potentials; None if they have no potentials: their spikes come from the
            host, and they take no place on the chip.
        own_process: whether each population is a process of Lava's own model, whose neurons cannot be made to spike.
    """

    fit: Callable[..., Word] | None
    own_process: bool = False


NEURON_KINDS = ByKind(
    BACKEND,
    {GLM: NeuronKind(fit_potential), LIF: NeuronKind(fit_leak, own_process=True), Source: NeuronKind(None)},
)


def words(net: Network, units: Arithmetic) -> Words:
    """Of every population that has potentials. ``net`` is the description: what is rounded later does not count.

    Raises:
        EngineLimit: something does not fit, which lowering has refused before.
    """
    return {p.name: fitted for p in net.populations if (fitted := word(net, p, units))}


def word(net: Network, population: Population, units: Arithmetic) -> Word | None:
    """How the potentials of a population lie in words; None if it has none.

    Raises:
        EngineLimit: they do not fit, or the threshold is no more than a few steps high.
    """
    fit = NEURON_KINDS[population.neuron].fit
    if fit is None:
        return None
    inputs = reach(net, population.name, units) if units.fixed else None
    return fit(population.neuron, net.dt, units, inputs)


def shorter_psps(net: Network, population: Population, units: Arithmetic) -> tuple[str, str]:
    """For a refusal: up to which tau_syn of the projection that adds most a population's potentials fit, and where;
    nothing if it is as short as can be."""
    inputs = [p for p in net.projections if p.post == population.name and p.kernel.tau_syn > net.dt]
    if not inputs:
        return "", ""
    worst = max(inputs, key=lambda p: of_projection(net, p, units).most)

    def fits(steps: int) -> bool:
        kernel = worst.kernel.replace(tau_syn=steps * net.dt)
        others = [p if p.name != worst.name else p.replace(kernel=kernel) for p in net.projections]
        try:
            word(net.replace(projections=others), population, units)
        except EngineLimit as limit:
            return bool(limit.at)  # another field stands in the way, and has a fix of its own
        return True

    low, high = 1, max(1, round(worst.kernel.tau_syn / net.dt))
    if low == high:
        return "", ""
    while high - low > 1 and fits(low):  # if none fits, the others' have to be shorter, too
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return f"projections.{worst.name}.kernel.tau_syn", f"tau_syn <= {low * net.dt:.12g} ms"
