"""By how much what the analog chip does differs from a network's description: each approximation with its size.

Rates in networks are simulated (``estimate``), spike-timing differences interpolated from a table that was measured,
all other sizes calculated.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, sqrt

import numpy as np

from salhw.description.connectivity import Dense, count
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import PairSTDP
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.target import Target
from salhw_brainscales2.estimate import driven_rate, rate_errors
from salhw_brainscales2.hardware.program import PlasticitySetting
from salhw_brainscales2.membrane import TAU_M, current_tau, lif_refractory
from salhw_brainscales2.plasticity import plastic, setting

ALONE = 0.02
"""Relative error of the rates of sampling neurons without input on the ideal chip, over all biases (docs, fit.py)."""
STDD_ERROR = ((0.0, 0.5, 1.0, 1.5, 2.0, 2.52), (0.08, 0.15, 0.36, 0.56, 0.67, 0.75))
"""Largest |W| between sampling neurons, and the largest total variation of the spike-timing differences of pairs and
networks with it: measured on the ideal chip (docs)."""


def sizes(net: Network, lowered: Network, target: Target, tick: float) -> Iterator[Diagnostic]:
    """What differs, with its size; ``lowered`` has the rules that the chip learns, ``tick`` is NEST's in ms."""
    yield from _sampled(net)
    yield from _intervals(net, tick)
    yield from _shapes(net, tick)
    yield from _learned(lowered, target)
    yield from _kept(lowered, target)


def different(code: str, path: str, asked: str, size: str, fix: str) -> Diagnostic:
    """A finding that something is approximated."""
    return Diagnostic(code, path, asked, size, fix, severity="approximation")


def _sampled(net: Network) -> Iterator[Diagnostic]:
    driven = rate_errors(net)
    for p in net.populations:
        if isinstance(p.neuron, GLM):
            rates = f"at most {ALONE:.0%} (no input)"
            if p.name in driven:
                e = driven[p.name]
                rates = (
                    f"{e.lowest:+.0%}..{e.highest:+.0%}, {e.mean:+.0%} on average (simulated with weights as described)"
                )
            stdd = np.interp(_coupling(net, p), *STDD_ERROR)
            size = (
                f"a noisy LIF neuron: on the ideal chip rates are off by {rates}, spike-timing differences by a total "
                f"variation of up to {stdd:.2g}; spikes fall between steps"
            )
            fix = "run it on nest for the exact law"
            yield different("SAL331", f"populations.{p.name}.neuron", "GLM", size, fix)


def _coupling(net: Network, population: Population) -> float:
    """The largest weight, without its sign, between neurons of a population and sampling ones."""
    return max(
        (
            float(np.abs(p.weights.values if isinstance(p.weights, Dense) else p.weights.weight).max(initial=0.0))
            for p in net.projections
            if population.name in (p.pre, p.post)
            and all(isinstance(net.population(end).neuron, GLM) for end in (p.pre, p.post))
        ),
        default=0.0,
    )


def _shapes(net: Network, tick: float) -> Iterator[Diagnostic]:
    for p in net.projections:
        post = net.population(p.post)
        error = 0.0 if isinstance(post.neuron, Source) else psp_error(post, p, net.dt, tick)
        if error > 1e-4:
            tau = number(current_tau(post.neuron, p.kernel))
            size = f"an exponential current of {tau} ms with its area, of which {error:.2g} lies elsewhere"
            asked = f"{p.kernel.kind}, {number(p.kernel.tau_syn)} ms"
            fix = "accept it: no other PSP keeps LIF sampling near the theory"
            if isinstance(post.neuron, LIF):
                fix = "an exponential PSP of many time steps"
            yield different("SAL332", f"projections.{p.name}.kernel", asked, size, fix)


def psp_error(population: Population, p: Projection, dt: float, tick: float) -> float:
    """Total variation distance between a PSP and the one realised, both normalised to their areas: the first is
    constant over each step of ``dt``, the second begins a tick later; a sampling neuron's membrane is in it."""
    neuron = population.neuron
    tau = current_tau(neuron, p.kernel)
    step = 0.01 * min(tau, p.kernel.tau_syn, dt)
    t = (np.arange(ceil(12.0 * (max(tau, p.kernel.tau_syn) + dt) / step)) + 0.5) * step
    wanted = p.kernel.shape(np.ceil(t / dt) * dt * (1 - 1e-12))
    late = np.maximum(t - tick, 0.0)
    made: FloatArray = np.exp(-late / tau) * (t > tick)
    if isinstance(neuron, GLM):
        made = made - np.exp(-late / (TAU_M * neuron.tau_ref)) * (t > tick)
    return 0.5 * float(np.abs(wanted / wanted.sum() - made / made.sum()).sum())


def _intervals(net: Network, tick: float) -> Iterator[Diagnostic]:
    """LIF neurons cross their thresholds at any tick, the description's at the end of a step."""
    for p in net.populations:
        if isinstance(p.neuron, LIF) and (error := interval_error(net, p, p.neuron, tick)) > 1e-9:
            size = f"spikes wait for no step's end, intervals are off by up to {error:.3g} of their length"
            asked = f"a grid of {number(net.dt)} ms"
            yield different("SAL336", f"populations.{p.name}.neuron", asked, size, "a smaller dt, or no GLM neurons")


def interval_error(net: Network, population: Population, neuron: LIF, tick: float) -> float:
    """Largest relative error of the intervals of LIF neurons: exact for a constant drive (neurons without input); with
    input what a grid of ticks can do to the shortest interval."""
    refractory, dt = lif_refractory(neuron, net.dt, tick), net.dt
    if any(p.post == population.name and count(p.weights, *net.ends(p.name)) for p in net.projections):
        off = abs(refractory - neuron.tau_ref + 0.5 * (dt - tick)) + 0.5 * (dt - tick)
        return off / neuron.tau_ref
    aim = neuron.v_rest + np.asarray(neuron.bias, dtype=np.float64).ravel()
    aim = aim[aim > neuron.v_thresh]
    crossing = neuron.tau_m * np.log((aim - neuron.v_reset) / (aim - neuron.v_thresh))
    wanted, found = (
        lasts - step + np.maximum(1.0, np.ceil(crossing / step - 1e-9)) * step
        for lasts, step in ((neuron.tau_ref, dt), (refractory, tick))
    )
    return float(np.abs(found / wanted - 1.0).max(initial=0.0))


def _learned(net: Network, target: Target) -> Iterator[Diagnostic]:
    """What reads and rounding add to weights at each update, and what a full sensor leaves out."""
    for p in (net.projection(name) for name in plastic(net)):
        (rule,), held = p.plasticity, setting(target.scaled_for(p.name))
        assert rule.period is not None
        path = f"projections.{p.name}.plasticity"
        if target.weight_bits is not None and (noise := _scatter(rule, held, target)):
            size = (
                f"each update adds a scatter of up to {noise:.2g} to a weight (reads of whole LSB with their noise, "
                f"rounding), {noise * sqrt(1000.0 / rule.period):.2g} per square root of a second"
            )
            asked, fix = f"exact, every {number(rule.period)} ms", "a lower learning rate, or a longer period"
            yield different("SAL337", f"{path}.learning_rate", asked, size, fix)
        most, room = _most_pairs(net, p, rule.period), held.capacity / held.amplitude
        if most > room:
            size = (
                f"a branch of a sensor counts up to {room:.0f} pairs at distance 0 per update, up to {most:.0f} can "
                f"fall into one: up to {1.0 - room / most:.0%} of a change is lost"
            )
            longest = rule.period * room / most
            fix = f'update = "every {number(net.dt * int(longest / net.dt))} ms"'
            yield different("SAL338", f"{path}.update", rule.update, size, fix)


def _scatter(rule: PairSTDP, held: PlasticitySetting, target: Target) -> float:
    """Standard deviation of what an update adds beside the pairs, in units of the weights: two reads, each with noise
    and rounded to whole LSB, and the rounding of the change to the finest bit that is kept."""
    noise = target.variability.get("read_noise")
    read = sqrt((noise.sd if noise else 0.0) ** 2 + 1.0 / 12.0) / held.amplitude
    rate = np.abs(np.asarray(rule.learning_rate)).max(initial=0.0)
    sides = sqrt(sum(float(np.abs(w.amplitude).max(initial=0.0)) ** 2 for w in (rule.causal, rule.anticausal)))
    return float(np.hypot(rate * sides * read, 0.5 * held.code * 0.5**held.hidden_bits)) if rate else 0.0


def _most_pairs(net: Network, p: Projection, period: float) -> float:
    """The most pairs of a synapse in a period: a spike of either neuron makes one at most, and shortest intervals are
    refractory periods, of driven sources what their rates allow."""
    spikes = []
    for end in (p.pre, p.post):
        population = net.population(end)
        if isinstance(population.neuron, Source):
            per_ms = min(1.0 / net.dt, float(driven_rate(net, population).max(initial=0.0)) / 1000.0)
        else:
            per_ms = 1.0 / population.neuron.tau_ref
        spikes.append(period * per_ms)
    return min(spikes)


def _kept(net: Network, target: Target) -> Iterator[Diagnostic]:
    """A spike's current has the weight that the synapse had then."""
    for p in net.projections:
        if isinstance(net.population(p.post).neuron, Source) or not count(p.weights, *net.ends(p.name)):
            continue
        size = "off by what session.set changes, until they end; as described if weights are not written"
        for rule in p.plasticity:
            held = setting(target.scaled_for(p.name))
            sides = max(float(np.abs(w.amplitude).max(initial=0.0)) for w in (rule.causal, rule.anticausal))
            rate = float(np.abs(np.asarray(rule.learning_rate)).max(initial=0.0))
            pairs = min(_most_pairs(net, p, rule.period or 0.0), held.capacity / held.amplitude)
            size = f"off by what an update changes, {rate * sides * pairs:.2g} at most, until they end"
        asked = "PSPs under way have the present weight"
        yield different("SAL313", f"projections.{p.name}", asked, size, "accept it, or write weights between spikes")
