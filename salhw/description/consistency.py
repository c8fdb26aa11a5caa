"""What makes a network as a whole consistent: names, shapes, the time grid, and what goes with what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from salhw.description.connectivity import Dense, OneToOne, Sparse, shape_of
from salhw.description.fields import FloatArray, in_steps
from salhw.description.kernels import Rectangular
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.probes import Membrane, StateOccupancy, Weights
from salhw.description.stimuli import Clamp, Current, Poisson, SpikeTimes
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import nearest, number, one_of, shown

if TYPE_CHECKING:
    from salhw.description.connectivity import Connectivity
    from salhw.description.network import Network, Population, Projection

MAX_STATE_NEURONS = 16
MOST_STEPS = 2.0**53  # beyond, every number is a whole one


def problems(net: Network) -> list[Diagnostic]:
    """Every contradiction in the network, with its path."""
    return [*_names(net), *_populations(net), *_projections(net), *_stimuli(net), *_probes(net)]


def _names(net: Network) -> Iterator[Diagnostic]:
    for group, items in (("populations", net.populations), ("projections", net.projections)):
        for name, count in Counter(item.name for item in items).items():
            if count > 1:
                yield Diagnostic("SAL006", f"{group}.{name}", f"{count} times", "every name once", "rename the others")


def _on_grid(path: str, time: float | None, net: Network, least: int = 1) -> Iterator[Diagnostic]:
    """``time`` must be a whole number of steps, ``least`` of them or more; None is no time at all."""
    if time is None:
        return
    steps = in_steps(time, net.dt)
    if steps is None or steps < least:
        there = min(time / net.dt, MOST_STEPS)
        near = sorted({max(least, floor(there)), max(least, ceil(there))})
        fix = f"choose {' or '.join(number(k * net.dt) for k in near)} ms, or another dt"
        supported = f"whole multiples of dt = {number(net.dt)} ms"
        yield Diagnostic("SAL008", path, f"{number(time)} ms", supported, fix)


def _whole_steps(times: FloatArray, dt: float) -> npt.NDArray[np.bool_]:
    """``in_steps`` of many."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = times / dt
        return np.asarray((np.abs(steps - np.rint(steps)) < 1e-6) & (steps <= MOST_STEPS))


def _known(path: str, name: str, names: list[str]) -> Iterator[Diagnostic]:
    if name not in names:
        fix = nearest(name, names, "check the spelling, or add it")
        yield Diagnostic("SAL009", path, shown(name), one_of(names), fix)


def _shape(path: str, value: Any, shape: tuple[int, ...]) -> Iterator[Diagnostic]:
    if isinstance(value, np.ndarray) and value.shape != shape:
        expected = f"one number or shape {shape}"
        each = "neuron" if len(shape) == 1 else "synapse, [post, pre]"
        yield Diagnostic("SAL003", path, f"shape {value.shape}", expected, f"give one for all, or one per {each}")


def _populations(net: Network) -> Iterator[Diagnostic]:
    for population in net.populations:
        path, neuron = f"populations.{population.name}", population.neuron
        if isinstance(neuron, GLM | LIF):
            yield from _shape(f"{path}.bias", neuron.bias, (population.size,))
            yield from _on_grid(f"{path}.tau_ref", neuron.tau_ref, net)


def _projections(net: Network) -> Iterator[Diagnostic]:
    sizes = {p.name: p.size for p in net.populations}
    for projection in net.projections:
        path = f"projections.{projection.name}"
        ends = [*_known(f"{path}.pre", projection.pre, [*sizes]), *_known(f"{path}.post", projection.post, [*sizes])]
        yield from ends
        yield from _on_grid(f"{path}.delay", projection.delay, net, least=0)
        if isinstance(projection.kernel, Rectangular):
            yield from _on_grid(f"{path}.kernel.tau_syn", projection.kernel.tau_syn, net)
        for k, rule in enumerate(projection.plasticity):
            yield from _on_grid(f"{path}.{rule_name(projection, k)}.update", rule.period, net)
        if not ends:
            yield from _synapses(path, projection, sizes[projection.post], sizes[projection.pre])


def rule_name(projection: Projection, index: int) -> str:
    """``plasticity``, or ``plasticity[1]`` where a projection has several rules."""
    return "plasticity" if len(projection.plasticity) == 1 else f"plasticity[{index}]"


def _synapses(path: str, projection: Projection, n_post: int, n_pre: int) -> Iterator[Diagnostic]:
    weights, recurrent = projection.weights, projection.pre == projection.post
    shape = shape_of(weights, n_post, n_pre)
    if isinstance(weights, Dense):
        if weights.values.shape != shape:
            fix = (
                "weights are [post, pre]: transpose them" if weights.values.shape == shape[::-1] else "one row per post"
            )
            yield Diagnostic("SAL003", f"{path}.weights", f"shape {weights.values.shape}", f"shape {shape}", fix)
        elif recurrent:
            for i in np.flatnonzero(np.diag(weights.values)):
                value = f"{weights.values[i, i]:g}"
                fix = "set the diagonal to zero"
                yield Diagnostic("SAL010", f"{path}.weights[{i}][{i}]", value, "no self-connections", fix)
    elif isinstance(weights, Sparse):
        for end, index, size in (("post", weights.post, n_post), ("pre", weights.pre, n_pre)):
            for k in np.flatnonzero(index >= size)[:1]:
                fix = f"the {end}synaptic population has {size} neurons, counted from 0"
                yield Diagnostic("SAL003", f"{path}.weights.{end}[{k}]", str(index[k]), f"0..{size - 1}", fix)
        if recurrent:
            for k in np.flatnonzero(weights.post == weights.pre)[:1]:
                asked = f"{weights.pre[k]} -> {weights.post[k]}"
                yield Diagnostic("SAL010", f"{path}.weights[{k}]", asked, "no self-connections", "leave it out")
    elif isinstance(weights, OneToOne):
        if n_post != n_pre:
            asked, fix = f"{n_pre} -> {n_post} neurons", "use Sparse, or a matrix"
            yield Diagnostic("SAL003", f"{path}.weights", asked, "equal sizes for OneToOne", fix)
        if recurrent:
            fix = "use two populations"
            yield Diagnostic("SAL010", f"{path}.weights", "OneToOne within a population", "no self-connections", fix)
        yield from _shape(f"{path}.weights.weight", weights.weight, shape)
    for k, rule in enumerate(projection.plasticity):
        at = f"{path}.{rule_name(projection, k)}"
        yield from _shape(f"{at}.learning_rate", rule.learning_rate, shape)
        yield from _shape(f"{at}.causal.amplitude", rule.causal.amplitude, shape)
        yield from _shape(f"{at}.anticausal.amplitude", rule.anticausal.amplitude, shape)
        if rule.bounds is not None:
            yield from _within(f"{path}.weights", weights, rule.bounds, recurrent)


def _within(path: str, weights: Connectivity, bounds: tuple[float, float], recurrent: bool) -> Iterator[Diagnostic]:
    """The weights must start inside the bounds: the first update would otherwise move them there."""
    given = np.array(weights.values if isinstance(weights, Dense) else weights.weight, dtype=np.float64)
    if recurrent and given.ndim == 2:
        np.fill_diagonal(given, bounds[0])  # no synapses
    for place in np.argwhere((given < bounds[0]) | (given > bounds[1]))[:1]:
        at = f"{path}{''.join(f'[{k}]' for k in place)}"
        asked, supported = f"{given[tuple(place)]:g}", f"{bounds[0]:g}..{bounds[1]:g}, the rule's bounds"
        yield Diagnostic("SAL005", at, asked, supported, "start inside the bounds, or widen them")


def _wrong_model(path: str, population: Population, allowed: tuple[type, ...]) -> Iterator[Diagnostic]:
    if not isinstance(population.neuron, allowed):
        names = " or ".join(a.__name__ for a in allowed)
        fix = "drive a Source population and project from it" if Source in allowed else "choose another population"
        yield Diagnostic("SAL011", path, f"{population.name} of {population.neuron.kind} neurons", names, fix)


_DRIVEN = {Poisson: (Source,), SpikeTimes: (GLM, LIF, Source), Clamp: (GLM,), Current: (GLM, LIF)}


def _stimuli(net: Network) -> Iterator[Diagnostic]:
    populations = {p.name: p for p in net.populations}
    for k, stimulus in enumerate(net.stimuli):
        path = f"stimuli[{k}]"
        unknown = list(_known(f"{path}.population", stimulus.population, [*populations]))
        yield from unknown
        if unknown:
            continue
        population = populations[stimulus.population]
        yield from _wrong_model(f"{path}.population", population, _DRIVEN[type(stimulus)])
        if isinstance(stimulus, SpikeTimes):
            if len(stimulus.times) != population.size:
                asked, expected = f"{len(stimulus.times)} lists", f"{population.size}, one per neuron"
                yield Diagnostic(
                    "SAL003", f"{path}.times", asked, expected, "an empty list for a neuron without spikes"
                )
            for i, train in enumerate(stimulus.times):
                for k in np.flatnonzero(~_whole_steps(train, net.dt))[:1]:
                    yield from _on_grid(f"{path}.times[{i}][{k}]", float(train[k]), net, least=0)
            continue
        yield from _on_grid(f"{path}.start", stimulus.start, net, least=0)
        yield from _on_grid(f"{path}.stop", stimulus.stop, net)
        if isinstance(stimulus, Poisson):
            yield from _shape(f"{path}.rate", stimulus.rate, (population.size,))
        elif isinstance(stimulus, Current):
            yield from _shape(f"{path}.amplitude", stimulus.amplitude, (population.size,))
        else:
            neurons = np.zeros(0, dtype=np.int64) if stimulus.neurons is None else stimulus.neurons
            for k in np.flatnonzero((neurons < 0) | (neurons >= population.size))[:1]:
                fix = f"{population.name} has {population.size} neurons, counted from 0"
                supported = f"0..{population.size - 1}"
                yield Diagnostic("SAL003", f"{path}.neurons[{k}]", str(neurons[k]), supported, fix)
            held = population.size if stimulus.neurons is None else len(neurons)
            yield from _shape(f"{path}.state", stimulus.state, (held,))


def _probes(net: Network) -> Iterator[Diagnostic]:
    populations = {p.name: p for p in net.populations}
    for k, probe in enumerate(net.probes):
        path = f"probes[{k}]"
        if isinstance(probe, Weights):
            yield from _known(f"{path}.projection", probe.projection, [p.name for p in net.projections])
            yield from _on_grid(f"{path}.every", probe.every, net)
            continue
        unknown = list(_known(f"{path}.population", probe.population, [*populations]))
        yield from unknown
        if unknown:
            continue
        population = populations[probe.population]
        if isinstance(probe, Membrane):
            yield from _wrong_model(f"{path}.population", population, (GLM, LIF))
            yield from _on_grid(f"{path}.every", probe.every, net)
        elif isinstance(probe, StateOccupancy):
            yield from _wrong_model(f"{path}.population", population, (GLM, LIF))
            if population.size > MAX_STATE_NEURONS:
                limit = f"at most {MAX_STATE_NEURONS} neurons (2**n states)"
                yield Diagnostic("SAL005", f"{path}.population", f"{population.size} neurons", limit, "split it")
    seen = Counter((p.kind, p.projection if isinstance(p, Weights) else p.population) for p in net.probes)
    for (kind, name), count in seen.items():
        if count > 1:
            yield Diagnostic("SAL006", "probes", f"{count} {kind} probes of {name}", "one of a kind", "keep one")
