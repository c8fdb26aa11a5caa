"""What the analog chip makes of a network: what it refuses, what it approximates, and what is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, floor, sqrt

import numpy as np

from salhw.arguments import MAX_THREADS, number_in
from salhw.compile.lower import Lowering
from salhw.compile.place import place
from salhw.connectivity import Dense
from salhw.consistency import rule_name
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.fields import FloatArray
from salhw.network import Network, Population, Projection
from salhw.neurons import GLM, LIF, Source
from salhw.plasticity import PairSTDP
from salhw.refusal import number
from salhw.stimuli import SpikeTimes
from salhw.target import Range, Target
from salhw_pynn.analog.circuit import ticks_per_step
from salhw_pynn.analog.estimate import driven_rate, rate_errors
from salhw_pynn.analog.hybrid import code, nominal_program, plastic, setting, too_large
from salhw_pynn.analog.membrane import LSB_PER_GAP, TAU_M, current_tau, exponential_of, lif_refractory, realised
from salhw_pynn.analog.placement import GENERATED_EVENTS, ROW_PAIRS, Rows, rows
from salhw_pynn.hardware import program
from salhw_pynn.hardware.rows import shortest_period

ALONE = 0.02
"""Relative error of the rates of sampling neurons without input on the ideal chip, over all biases (docs, fit.py)."""
STDD_ERROR = ((0.0, 0.5, 1.0, 1.5, 2.0, 2.52), (0.08, 0.15, 0.36, 0.56, 0.67, 0.75))
"""Largest |W| between sampling neurons, and the largest total variation of the spike-timing differences of pairs and
networks with it: measured on the ideal chip (docs)."""
FINER = (8.0, 4.0, 2.0)  # by which a code may be finer than the target's own
STEPS = (1.25, 1.0, 0.8, 0.625, 0.5, 0.4, 0.25, 0.2, 0.125, 0.1, 0.08, 0.05, 0.04, 0.025, 0.02)
"""Time steps in ms that are proposed: whole ones fit into 10 ms."""
LEAKS = 100.0  # LSB from the lowest to the highest potential that can be calibrated, less a margin


def lower(net: Network, target: Target) -> Lowering:
    """The network as the chip can learn it; what does not go together is refused, what differs is named."""
    refused = [*_options(target), *_mixtures(net), *_rules(net), *_potentials(net), *_grid(net)]
    if refused:
        return Lowering(net, tuple(refused))
    asked, target = target, scaled(net, target)
    placed = rows(net, place(net, target)[0])
    lowered, changed = _learnable(net, max(placed.learning))
    refused = [*_array(net, placed), *_programs(lowered, target, max(placed.learning))]
    if refused:
        return Lowering(net, tuple(refused))
    tick = net.dt / (ticks_per_step(net) or 1)
    named = [
        *changed, *_sampled(net), *_intervals(net, tick), *_shapes(net, tick), *_shared(net, placed), *_losses(net),
        *_memory(lowered, target), *_learned(lowered, target), *_kept(lowered, target),
    ]  # fmt: skip
    notes = tuple(_notes(lowered, target, placed))
    return Lowering(realised(lowered), tuple(named), notes, None if target == asked else target)


def scaled(net: Network, target: Target) -> Target:
    """The target with the weight of a code chosen for each projection, where its options say ``auto``: the finest of
    .04, .02, .01 and .005 with which 63 codes hold all weights and bounds, and one code per LSB all learning rates. A
    rule without bounds keeps the whole range.

    Projections onto one population share it: on the chip it is the bias of the converters that the synapses of a
    neuron have in common.
    """
    if target.options.get("weight_scale") != "auto" or target.weight_bits is None:
        return target
    scales: dict[str, float] = {}
    for population in net.populations:
        onto = [p for p in net.projections if p.post == population.name]
        names = [p.name for p in onto]
        for finer in FINER:
            narrow = target.replace(weight_scales=dict.fromkeys(names, 1.0 / finer))
            if all(_fits(p, narrow.on(p.name)) for p in onto):
                scales |= narrow.weight_scales
                break
    return target.replace(weight_scales=scales)


def _fits(p: Projection, target: Target) -> bool:
    """Whether the ranges hold the weights, bounds and learning rates of a projection."""
    limits, rates = target.projections["weights"], target.plasticity["PairSTDP"]["learning_rate"]
    assert isinstance(limits, Range)
    assert isinstance(rates, Range)
    given = np.asarray(p.weights.values if isinstance(p.weights, Dense) else p.weights.weight)
    largest, fastest = float(np.abs(given).max(initial=0.0)), 0.0
    for rule in p.plasticity:
        largest = max(largest, *(abs(bound) for bound in rule.bounds or (np.inf,)))
        sides = max(float(np.abs(w.amplitude).max(initial=0.0)) for w in (rule.causal, rule.anticausal))
        fastest = max(fastest, sides * float(np.abs(rule.learning_rate).max(initial=0.0)))
    return largest <= limits.max * (1 + 1e-9) and fastest <= rates.max * (1 + 1e-9)


def _together(path: str, asked: str, supported: str, fix: str) -> Diagnostic:
    return Diagnostic("SAL107", path, asked, supported, fix)


def _different(code: str, path: str, asked: str, size: str, fix: str) -> Diagnostic:
    return Diagnostic(code, path, asked, size, fix, severity="approximation")


def _options(target: Target) -> Iterator[Diagnostic]:
    for name in ("threads", "time_limit", "hidden_bits"):
        value = target.options.get(name, "")
        found = number_in(value, whole=name != "time_limit")
        most = {"hidden_bits": 8, "threads": MAX_THREADS}.get(name, np.inf)
        if not found <= most or (found <= 0 and name != "hidden_bits"):
            supported = "supported 0..8" if name == "hidden_bits" else "supported a number above 0"
            supported += f", at most {MAX_THREADS}" if name == "threads" else ""
            yield Diagnostic("SAL103", f"target.options.{name}", value, supported, "choose one")
    if (rounding := target.options.get("rounding", "")) not in ("stochastic", "symmetric", "half_up"):
        supported = "supported stochastic, symmetric, half_up"
        yield Diagnostic("SAL103", "target.options.rounding", rounding, supported, "choose one")
    if (scale := target.options.get("weight_scale", "fixed")) not in ("fixed", "auto"):
        yield Diagnostic("SAL103", "target.options.weight_scale", scale, "supported fixed, auto", "choose one")


def _mixtures(net: Network) -> Iterator[Diagnostic]:
    """The synaptic inputs of a LIF neuron have one time constant."""
    for population in net.populations:
        onto = [p for p in net.projections if p.post == population.name]
        taus = [exponential_of(p.kernel)[0] for p in onto]
        if isinstance(population.neuron, LIF) and len(set(taus)) > 1:
            other = next(p for p, tau in zip(onto, taus, strict=True) if tau != taus[0])
            asked = ", ".join(f"{number(tau)} ms" for tau in sorted(set(taus)))
            supported = "synaptic currents of one time constant on one population (a rectangular PSP: half its length)"
            first = onto[0].kernel
            fix = f"kernel = {first.kind}(tau_syn={first.tau_syn!r}), or a population of their own"
            yield _together(f"projections.{other.name}.kernel", asked, supported, fix)


def _rules(net: Network) -> Iterator[Diagnostic]:
    for p in net.projections:
        for k in range(1, len(p.plasticity)):
            path, asked = f"projections.{p.name}.{rule_name(p, k)}", f"{len(p.plasticity)} rules"
            yield _together(path, asked, "one rule on a projection", "leave it out")


def _potentials(net: Network) -> Iterator[Diagnostic]:
    """The potentials of LIF neurons within the range of the converter, threshold and reset LSB_PER_GAP apart."""
    for p in net.populations:
        if isinstance(p.neuron, LIF):
            lsb = (p.neuron.v_rest - p.neuron.v_reset) * LSB_PER_GAP / (p.neuron.v_thresh - p.neuron.v_reset)
            if not -(LEAKS - 20) <= lsb <= LEAKS:
                low, high = (
                    p.neuron.v_reset + x * (p.neuron.v_thresh - p.neuron.v_reset) / LSB_PER_GAP
                    for x in (-(LEAKS - 20) + 1e-3, LEAKS - 1e-3)
                )
                supported = f"supported {low:g}..{high:g} beside this reset and threshold"
                fix = f"v_rest >= {number(low)}" if lsb < 0 else f"v_rest <= {number(high)}"
                yield Diagnostic("SAL104", f"populations.{p.name}.v_rest", number(p.neuron.v_rest), supported, fix)


def _grid(net: Network) -> Iterator[Diagnostic]:
    if ticks_per_step(net) is None:
        supported = "whole multiples of NEST's 0.001 ms that can be divided into short enough ticks"
        good = [dt for dt in (*STEPS, floor(net.dt * 1000) / 1000) if dt < net.dt and ticks_per_step(net, dt)]
        chosen = next((dt for dt in good if _on_grid(net, dt)), good[-1])
        yield _together("dt", f"{number(net.dt)} ms", supported, f"dt = {chosen!r} ms")


def _on_grid(net: Network, dt: float) -> bool:
    """Whether all times of the description are whole multiples of ``dt``."""
    try:
        net.replace(dt=dt)
    except DescriptionError:
        return False
    return True


def _array(net: Network, placed: Rows) -> Iterator[Diagnostic]:
    most = max(placed.used)
    if most > ROW_PAIRS:
        fan = max(
            ((p.name, c) for p in net.projections for c in [_fan_in(net, p)]), key=lambda x: x[1], default=("", 0)
        )
        asked = f"{2 * most} rows in one hemisphere ({2 * max(placed.background)} of them for the background)"
        fix = "fewer inputs per neuron: each takes an excitatory and an inhibitory row"
        yield Diagnostic("SAL201", f"projections.{fan[0]}", asked, f"{2 * ROW_PAIRS} available", fix)


def _fan_in(net: Network, p: Projection) -> int:
    from salhw.connectivity import synapses

    post, _, _ = synapses(p.weights, *net.ends(p.name))
    return int(np.bincount(post).max(initial=0))


def _learnable(net: Network, row_pairs: int) -> tuple[Network, list[Diagnostic]]:
    """Rules with one time constant for both branches, and periods that leave the processor its time."""
    least, findings, projections = shortest_period(row_pairs), [], []
    for p in net.projections:
        rules = []
        for k, rule in enumerate(p.plasticity):
            path = f"projections.{p.name}.{rule_name(p, k)}"
            a, b = rule.causal, rule.anticausal
            if a.tau != b.tau:
                tau = sqrt(a.tau * b.tau)
                size = f"both branches have {number(tau)} ms: a factor of {max(a.tau, b.tau) / tau:.3g} off"
                asked = f"{number(a.tau)} and {number(b.tau)} ms"
                rule = rule.replace(causal=a.replace(tau=tau), anticausal=b.replace(tau=tau))
                findings += [_different("SAL335", f"{path}.{side}.tau", asked, size, "make them equal")
                             for side in ("causal", "anticausal")]  # fmt: skip
            if rule.period is not None and rule.period < least * (1 - 1e-9):
                every = f"every {number(rule.period * ceil(least / rule.period - 1e-9))} ms"
                size = f"{every}: the processor needs {least / 1000:.3g} ms of hardware time for {2 * row_pairs} rows"
                findings.append(_different("SAL334", f"{path}.update", rule.update, size, f'update = "{every}"'))
                rule = rule.replace(update=every)
            rules.append(rule)
        projections.append(p.replace(plasticity=tuple(rules)) if rules else p)
    return (net.replace(projections=projections) if findings else net), findings


def _programs(net: Network, target: Target, row_pairs: int) -> Iterator[Diagnostic]:
    for p in net.projections:
        for k, rule in enumerate(p.plasticity):
            yield from program.findings(
                rule, f"projections.{p.name}.{rule_name(p, k)}", setting(target.on(p.name)), row_pairs
            )


def _memory(net: Network, target: Target) -> list[Diagnostic]:
    """An emulated processor takes what a real one could not; an export refuses it."""
    programs = {name: nominal_program(net, target, place(net, target)[0], name, [0]) for name in plastic(net)}
    return [replace(finding, severity="approximation") for finding in too_large(programs)]


def _learned(net: Network, target: Target) -> Iterator[Diagnostic]:
    """What reads and rounding add to weights at each update, and what a full sensor leaves out."""
    for p in (net.projection(name) for name in plastic(net)):
        (rule,), held = p.plasticity, setting(target.on(p.name))
        assert rule.period is not None
        path = f"projections.{p.name}.plasticity"
        if target.weight_bits is not None and (noise := _scatter(rule, held, target)):
            size = (
                f"each update adds a scatter of up to {noise:.2g} to a weight (reads of whole LSB with their noise, "
                f"rounding), {noise * sqrt(1000.0 / rule.period):.2g} per square root of a second"
            )
            asked, fix = f"exact, every {number(rule.period)} ms", "a lower learning rate, or a longer period"
            yield _different("SAL337", f"{path}.learning_rate", asked, size, fix)
        most, room = _most_pairs(net, p, rule.period), held.capacity / held.amplitude
        if most > room:
            size = (
                f"a branch of a sensor counts up to {room:.0f} pairs at distance 0 per update, up to {most:.0f} can "
                f"fall into one: up to {1.0 - room / most:.0%} of a change is lost"
            )
            longest = rule.period * room / most
            fix = f'update = "every {number(net.dt * int(longest / net.dt))} ms"'
            yield _different("SAL338", f"{path}.update", rule.update, size, fix)


def _kept(net: Network, target: Target) -> Iterator[Diagnostic]:
    """A spike's current has the weight that the synapse had then."""
    for p in net.projections:
        if isinstance(net.population(p.post).neuron, Source) or not _fan_in(net, p):
            continue
        size = "off by what session.set changes, until they end; as described if weights are not written"
        for rule in p.plasticity:
            held = setting(target.on(p.name))
            sides = max(float(np.abs(w.amplitude).max(initial=0.0)) for w in (rule.causal, rule.anticausal))
            rate = float(np.abs(np.asarray(rule.learning_rate)).max(initial=0.0))
            pairs = min(_most_pairs(net, p, rule.period or 0.0), held.capacity / held.amplitude)
            size = f"off by what an update changes, {rate * sides * pairs:.2g} at most, until they end"
        asked = "PSPs under way have the present weight"
        yield _different("SAL313", f"projections.{p.name}", asked, size, "accept it, or write weights between spikes")


def _scatter(rule: PairSTDP, held: program.Setting, target: Target) -> float:
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
            yield _different("SAL332", f"projections.{p.name}.kernel", asked, size, fix)


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
            yield _different("SAL331", f"populations.{p.name}.neuron", "GLM", size, fix)


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


def _intervals(net: Network, tick: float) -> Iterator[Diagnostic]:
    """LIF neurons cross their thresholds at any tick, the description's at the end of a step."""
    for p in net.populations:
        if isinstance(p.neuron, LIF) and (error := interval_error(net, p, p.neuron, tick)) > 1e-9:
            size = f"spikes wait for no step's end, intervals are off by up to {error:.3g} of their length"
            asked = f"a grid of {number(net.dt)} ms"
            yield _different("SAL336", f"populations.{p.name}.neuron", asked, size, "a smaller dt, or no GLM neurons")


def interval_error(net: Network, population: Population, neuron: LIF, tick: float) -> float:
    """Largest relative error of the intervals of LIF neurons: exact for a constant drive (neurons without input); with
    input what a grid of ticks can do to the shortest interval."""
    refractory, dt = lif_refractory(neuron, net.dt, tick), net.dt
    if any(p.post == population.name and _fan_in(net, p) for p in net.projections):
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


def _shared(net: Network, placed: Rows) -> Iterator[Diagnostic]:
    if placed.events > GENERATED_EVENTS:
        noisy = next(p for p in net.populations if isinstance(p.neuron, GLM))
        asked = f"{placed.events / 1000:.3g} million background events per s"
        size = f"the chip generates {GENERATED_EVENTS / 1000:g}: on it neurons share events, here they do not"
        yield _different("SAL333", f"populations.{noisy.name}", asked, size, "fewer neurons")


def _losses(net: Network) -> Iterator[Diagnostic]:
    for k, s in enumerate(net.stimuli):
        if isinstance(s, SpikeTimes) and not isinstance(net.population(s.population).neuron, Source):
            size = "one that falls into a refractory period is lost; the chip itself needs a strong synapse for it"
            fix = "drive a Source population"
            yield _different("SAL324", f"stimuli[{k}].times", "forced whatever the state", size, fix)


def _notes(net: Network, target: Target, placed: Rows) -> Iterator[str]:
    speed = target.speed_up or 1.0
    if target.weight_bits is not None and target.options.get("weight_scale") == "auto":
        for p in net.projections:
            step = code(target.on(p.name))
            yield f"{p.name}: a weight code is {number(step)}, the range ends at {number(63 * step)}"
    yield f"rows in use: {2 * placed.used[0]} and {2 * placed.used[1]} of {2 * ROW_PAIRS} per hemisphere"
    yield f"hardware time: 1 s of biological time takes {1000.0 / speed:g} ms"
    for name in plastic(net):
        (rule,) = net.projection(name).plasticity
        assert rule.period is not None
        busy = shortest_period(max(placed.learning)) / rule.period
        yield (
            f"{name}: {1000.0 / rule.period:.3g} updates per s of biological time, {speed / rule.period:.3g} thousand "
            f"per s of hardware time; the processor is busy for {busy:.0%} of it"
        )
