"""By how much what the analog chip does differs from a network's description: each approximation with its size.

Rates in networks are simulated (``estimate``), spike-timing differences interpolated from a table that was measured,
all other sizes calculated.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, sqrt

import numpy as np

from salhw.description.connectivity import count
from salhw.description.kernels import Kernel
from salhw.description.network import Network
from salhw.description.parts import Projection
from salhw.description.plasticity import PairSTDP
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.substrate.target import Target
from salhw_brainscales2.cell import Cell
from salhw_brainscales2.codes import largest
from salhw_brainscales2.estimate import rate_errors
from salhw_brainscales2.hardware.program import PlasticitySetting
from salhw_brainscales2.neurons import cells
from salhw_brainscales2.plasticity import setting
from salhw_brainscales2.rules import amplitudes, fastest, hosted, plastic, processed, rule_path
from salhw_brainscales2.sources import driven_rate

ALONE = 0.02
"""Relative error of the rates of sampling neurons without input on the ideal chip, over all biases (docs, fit.py)."""
STDD_ERROR = ((0.0, 0.5, 1.0, 1.5, 2.0, 2.52, 4.0, 10.0, 20.16), (0.08, 0.15, 0.36, 0.56, 0.67, 0.75, 0.77, 0.8, 0.9))
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
    driven, circuits = rate_errors(net), cells(net)
    for p in net.populations:
        if p.name in circuits and circuits[p.name].sampling:
            rates = f"at most {ALONE:.0%} (no input)"
            if p.name in driven:
                e = driven[p.name]
                rates = (
                    f"{e.lowest:+.0%}..{e.highest:+.0%}, {e.mean:+.0%} on average (simulated with weights as described)"
                )
            stdd = np.interp(_coupling(net, p.name), *STDD_ERROR)
            size = (
                f"a noisy LIF neuron: on the ideal chip rates are off by {rates}, spike-timing differences by a total "
                f"variation of up to {stdd:.2g}; spikes fall between steps"
            )
            fix = "run it on nest for the exact law"
            yield different("SAL331", f"populations.{p.name}.neuron", p.neuron.kind, size, fix)


def _coupling(net: Network, population: str) -> float:
    """The largest weight, without its sign, between sampling neurons of which some are of a population."""
    sampling = {name for name, cell in cells(net).items() if cell.sampling}
    between = [p for p in net.projections if population in (p.pre, p.post) and {p.pre, p.post} <= sampling]
    return max((largest(p) for p in between), default=0.0)


def _shapes(net: Network, tick: float) -> Iterator[Diagnostic]:
    circuits = cells(net)
    for p in net.projections:
        if p.post in circuits and (error := psp_error(circuits[p.post], p.kernel, net.dt, tick)) > 1e-4:
            tau = number(circuits[p.post].current_tau(p.kernel))
            size = f"an exponential current of {tau} ms with its area, of which {error:.2g} lies elsewhere"
            asked = f"{p.kernel.kind}, {number(p.kernel.tau_syn)} ms"
            fix = "an exponential PSP of many time steps"
            if circuits[p.post].sampling:
                fix = "accept it: no other PSP keeps LIF sampling near the theory"
            yield different("SAL332", f"projections.{p.name}.kernel", asked, size, fix)


def psp_error(cell: Cell, kernel: Kernel, dt: float, tick: float) -> float:
    """Total variation distance between a PSP and the one realised, both normalised to their areas: the first is
    constant over each step of ``dt``, the second begins a tick later; a sampling neuron's membrane is in it."""
    tau = cell.current_tau(kernel)
    step = 0.01 * min(tau, kernel.tau_syn, dt)
    t = (np.arange(ceil(12.0 * (max(tau, kernel.tau_syn) + dt) / step)) + 0.5) * step
    described = kernel.shape(np.ceil(t / dt) * dt * (1 - 1e-12))
    made = cell.psp(tau, np.maximum(t - tick, 0.0)) * (t > tick)
    return 0.5 * float(np.abs(described / described.sum() - made / made.sum()).sum())


def _intervals(net: Network, tick: float) -> Iterator[Diagnostic]:
    """Neurons of the chip cross their thresholds at any tick, the description's at the end of a step."""
    for name, cell in cells(net).items():
        onto = (p for p in net.projections if p.post == name)
        driven = any(count(p.weights, *net.ends(p.name)) for p in onto)
        if (error := cell.interval_error(net.dt, tick, driven)) > 1e-9:
            size = f"{cell.off_grid}, intervals are off by up to {error:.3g} of their length"
            asked = f"a grid of {number(net.dt)} ms"
            yield different("SAL336", f"populations.{name}.neuron", asked, size, "a smaller dt, or no GLM neurons")


def _learned(net: Network, target: Target) -> Iterator[Diagnostic]:
    """What reads and rounding add to weights at each update, and what a full sensor leaves out."""
    for name, rule in plastic(net, target).items():
        p, held, path = net.projection(name), setting(target.scaled_for(name)), rule_path(net, target, name)
        assert rule.period is not None
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
    rate, sides = fastest(rule), sqrt(sum(amplitude**2 for amplitude in amplitudes(rule)))
    return float(np.hypot(rate * sides * read, 0.5 * held.code * 0.5**held.kept_bits)) if rate else 0.0


def _most_pairs(net: Network, p: Projection, period: float) -> float:
    """The most pairs of a synapse in a period: a spike of either neuron makes one at most, and shortest intervals are
    refractory periods, of driven sources what their rates allow."""
    circuits, spikes = cells(net), []
    for end in (p.pre, p.post):
        if end in circuits:
            per_ms = 1.0 / circuits[end].tau_ref
        else:
            per_ms = min(1.0 / net.dt, float(driven_rate(net, end, np.max).max(initial=0.0)) / 1000.0)
        spikes.append(period * per_ms)
    return min(spikes)


def _kept(net: Network, target: Target) -> Iterator[Diagnostic]:
    """A spike's current has the weight that the synapse had then."""
    circuits = cells(net)
    for p in net.projections:
        if p.post not in circuits or not count(p.weights, *net.ends(p.name)):
            continue
        size = "off by what session.set changes, until they end; as described if weights are not written"
        if hosted(p, target):
            size = "off by what session.set and the host's updates change, until they end"
        if own := processed(p, target):
            rule = own[1]
            held = setting(target.scaled_for(p.name))
            pairs = min(_most_pairs(net, p, rule.period or 0.0), held.capacity / held.amplitude)
            change = fastest(rule) * max(amplitudes(rule)) * pairs
            size = f"off by what an update changes, {change:.2g} at most, until they end"
        asked = "PSPs under way have the present weight"
        yield different("SAL313", f"projections.{p.name}", asked, size, "accept it, or write weights between spikes")
