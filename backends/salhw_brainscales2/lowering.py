"""What the analog chip makes of a network: what it refuses, what it approximates, and what is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil, floor, sqrt
from typing import Any

import numpy as np

from salhw.compiler.place import place
from salhw.description.connectivity import synapses
from salhw.description.kinds import ByKind
from salhw.description.network import Network, takes_step
from salhw.description.parts import Projection, rule_name
from salhw.description.plasticity import PairSTDP
from salhw.description.plasticity.pair_stdp import BRANCHES
from salhw.description.probes import Rates, Spikes, StateOccupancy, Weights
from salhw.diagnostics import Approximations, Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.lowering import Lowering, unknown_kinds
from salhw.substrate.capabilities import Range
from salhw.substrate.target import Target
from salhw_brainscales2.circuit import ticks_per_step
from salhw_brainscales2.codes import Grid, code, largest, rows_per_weight
from salhw_brainscales2.hardware import program
from salhw_brainscales2.hardware.program import PlasticityProgram
from salhw_brainscales2.hardware.rows import shortest_period
from salhw_brainscales2.membrane import realised
from salhw_brainscales2.neurons import CELLS, cells
from salhw_brainscales2.phase import with_phase
from salhw_brainscales2.placement import GENERATED_EVENTS, ROW_PAIRS, Rows, rows
from salhw_brainscales2.plasticity import nominal_program, setting, too_large
from salhw_brainscales2.psp import CHIP, PSPS
from salhw_brainscales2.rules import (
    HOST_WINDOWS,
    RULES,
    amplitudes,
    fastest,
    hosted,
    plastic,
    processed,
    rule_path,
)
from salhw_brainscales2.short_term import DRIVERS, as_held, rounded, several_rows
from salhw_brainscales2.sizes import different, sizes
from salhw_brainscales2.sources import DRIVES

FINER = (8.0, 4.0, 2.0)  # by which a code may be finer than the target's own
STEPS = (1.25, 1.0, 0.8, 0.625, 0.5, 0.4, 0.25, 0.2, 0.125, 0.1, 0.08, 0.05, 0.04, 0.025, 0.02)
"""Time steps in ms that are proposed: whole ones fit into 10 ms."""
PROBES: ByKind[None] = ByKind(CHIP, {Spikes: None, Rates: None, Weights: None, StateOccupancy: None})
"""What can be seen of the chip."""

KNOWN: dict[str, ByKind[Any]] = {
    "neurons": CELLS, "kernels": PSPS, "plasticity": RULES, "windows": HOST_WINDOWS, "stimuli": DRIVES,
    "probes": PROBES, "short_term": DRIVERS,
}  # fmt: skip
"""The kinds that stand for something on the chip; connectors of any kind list their synapses."""


def lower(net: Network, target: Target) -> Lowering:
    """The network as the chip can learn it; what does not go together is refused, what differs is named."""
    if unknown := unknown_kinds(net, KNOWN):
        return Lowering(net, tuple(unknown))
    refused = [*_mixtures(net), *_rules(net, target), *_potentials(net), *_grid(net)]
    if refused:
        return Lowering(net, tuple(refused))
    asked, target = target, scaled(net, target)
    target = target.replace(synapses_per_weight=rows_per_weight(net, target))
    if several := [*several_rows(net, target)]:
        return Lowering(net, tuple(several))
    described, net = net, as_held(net, target)
    placement, _ = place(net, target)
    placed = rows(net, target, placement)
    lowered, changed = _learnable(net, target, max(placed.learning))
    refused = [*_array(net, target, placed), *_programs(lowered, target, max(placed.learning))]
    if refused:
        return Lowering(net, tuple(refused))
    tick = net.dt / (ticks_per_step(net) or 1)
    programs = {name: nominal_program(lowered, target, placement, name, [0]) for name in plastic(lowered, target)}
    named = Approximations(lambda: [
        *(different("SAL339", *each, "accept it, or a setting that they have") for each in rounded(described, net)),
        *changed, *sizes(net, lowered, target, tick), *_shared(net, placed), *_losses(net), *_memory(programs),
        *_hosted(net, target),
    ])  # fmt: skip
    kept, said = with_phase(lowered, target, placement, placed, programs)
    notes = (*_notes(lowered, target, placed), *said)
    return Lowering(realised(kept), named, notes, None if target == asked else target)


def scaled(net: Network, target: Target) -> Target:
    """The target with the weight of a code chosen for each projection, where its options say ``auto``: the finest of
    .04, .02, .01 and .005 with which 63 codes hold all weights and bounds, and one code per LSB all learning rates. A
    rule without bounds keeps the whole range of a row.

    Projections onto one population share it: on the chip it is the bias of the converters that the synapses of a
    neuron have in common.
    """
    if target.option("weight_scale") != "auto" or target.weight_bits is None:
        return target
    scales: dict[str, float] = {}
    for population in net.populations:
        onto = [p for p in net.projections if p.post == population.name]
        names = [p.name for p in onto]
        for finer in FINER:
            narrow = target.replace(
                weight_scales=dict.fromkeys(names, 1.0 / finer), synapses_per_weight=dict.fromkeys(names, 1)
            )
            if all(_fits(p, processed(p, target), narrow.scaled_for(p.name)) for p in onto):
                scales |= narrow.weight_scales
                break
    return target.replace(weight_scales=scales)


def _fits(p: Projection, own: tuple[int, PairSTDP] | None, target: Target) -> bool:
    """Whether the ranges hold a projection's weights, bounds, and the learning rates of its ``own`` rule, which the
    processor works out."""
    limits, rates = target.projections["weights"], target.plasticity["PairSTDP"]["learning_rate"]
    assert isinstance(limits, Range)
    assert isinstance(rates, Range)
    reach, change = largest(p), 0.0
    for rule in p.plasticity:
        reach = max(reach, *(abs(bound) for bound in rule.bounds or (np.inf,)))
    if own is not None:
        change = max(amplitudes(own[1])) * fastest(own[1])
    return reach <= limits.max * (1 + 1e-9) and change <= rates.max * (1 + 1e-9)


def _together(path: str, asked: str, supported: str, fix: str) -> Diagnostic:
    return Diagnostic("SAL107", path, asked, supported, fix)


def _mixtures(net: Network) -> Iterator[Diagnostic]:
    """The synaptic inputs of a neuron have one time constant."""
    for name, cell in cells(net).items():
        onto = [p for p in net.projections if p.post == name]
        taus = [cell.current_tau(p.kernel) for p in onto]
        if len(set(taus)) > 1:
            other = next(p for p, tau in zip(onto, taus, strict=True) if tau != taus[0])
            asked = ", ".join(f"{number(tau)} ms" for tau in sorted(set(taus)))
            supported = "synaptic currents of one time constant on one population (a rectangular PSP: half its length)"
            first = onto[0].kernel
            fix = f"kernel = {first.kind}(tau_syn={first.tau_syn!r}), or a population of their own"
            yield _together(f"projections.{other.name}.kernel", asked, supported, fix)


def _rules(net: Network, target: Target) -> Iterator[Diagnostic]:
    """A projection has one rule of the processor; the host works out others, where they allow it."""
    for p in net.projections:
        for k, rule in hosted(p, target).items():
            if rule.execution == "chip":
                path, asked = f"projections.{p.name}.{rule_name(p, k)}", f"{len(p.plasticity)} rules"
                fix = 'leave it out, or execution="host"'
                yield _together(path, asked, "one rule on a projection, beside those of the host", fix)


def _potentials(net: Network) -> Iterator[Diagnostic]:
    for name, cell in cells(net).items():
        yield from cell.findings(f"populations.{name}")


def _grid(net: Network) -> Iterator[Diagnostic]:
    if ticks_per_step(net) is None:
        supported = "whole multiples of NEST's 0.001 ms that can be divided into short enough ticks"
        good = [dt for dt in (*STEPS, floor(net.dt * 1000) / 1000) if dt < net.dt and ticks_per_step(net, dt)]
        chosen = next((dt for dt in good if takes_step(net, dt)), good[-1])
        yield _together("dt", f"{number(net.dt)} ms", supported, f"dt = {chosen!r} ms")


def _array(net: Network, target: Target, placed: Rows) -> Iterator[Diagnostic]:
    most = max(placed.used)
    if most > ROW_PAIRS:
        taken = {p.name: target.synapses_per_weight[p.name] * _fan_in(net, p) for p in net.projections}
        path = max(taken, key=lambda name: taken[name], default="")
        asked = f"{2 * most} rows in one hemisphere ({2 * max(placed.background)} of them for the background)"
        fix = "fewer inputs per neuron: each takes an excitatory and an inhibitory row"
        if (several := target.synapses_per_weight.get(path, 1)) > 1:
            one = number(63 * code(target.scaled_for(path)))
            fix = f"fewer inputs per neuron, or weights and bounds within {one}: each takes {several} row pairs now"
        yield Diagnostic("SAL201", f"projections.{path}", asked, f"{2 * ROW_PAIRS} available", fix)


def _fan_in(net: Network, p: Projection) -> int:
    post, _, _ = synapses(p.weights, *net.ends(p.name))
    return int(np.bincount(post).max(initial=0))


def _learnable(net: Network, target: Target, row_pairs: int) -> tuple[Network, list[Diagnostic]]:
    """Rules of the processor with one time constant for both branches, and periods that leave it its time."""
    findings, projections = [], []
    for p in net.projections:
        if own := processed(p, target):
            path, (k, rule) = rule_path(net, target, p.name), own
            rule, equal = _equal_branches(rule, path)
            rule, slower = _slower(rule, path, row_pairs)
            findings += [*equal, *slower]
            p = p.replace(plasticity=(*p.plasticity[:k], rule, *p.plasticity[k + 1 :]))
        projections.append(p)
    return (net.replace(projections=projections) if findings else net), findings


def _hosted(net: Network, target: Target) -> Iterator[Diagnostic]:
    """What the host does beside the chip, and what that leaves out."""
    for p in net.projections:
        step = f"written in codes of {number(Grid.of(target, p.name).step)}, " if target.weight_bits is not None else ""
        for k, rule in hosted(p, target).items():
            when = f"{rule.update}, between two runs on the chip" if rule.period is not None else "after each run"
            size = f"the host forms the pairs, to the step, and writes the weights {when}; {step}it keeps the rest"
            fix = "a rule that the plasticity processor has, where speed counts"
            yield different("SAL322", f"projections.{p.name}.{rule_name(p, k)}.execution", "host", size, fix)


def _equal_branches(rule: PairSTDP, path: str) -> tuple[PairSTDP, list[Diagnostic]]:
    a, b = rule.causal, rule.anticausal
    if a.tau == b.tau:
        return rule, []
    tau = sqrt(a.tau * b.tau)
    size = f"both branches have {number(tau)} ms: a factor of {max(a.tau, b.tau) / tau:.3g} off"
    asked = f"{number(a.tau)} and {number(b.tau)} ms"
    named = [different("SAL335", f"{path}.{side}.tau", asked, size, "make them equal") for side in BRANCHES]
    return rule.replace(causal=a.replace(tau=tau), anticausal=b.replace(tau=tau)), named


def _slower(rule: PairSTDP, path: str, row_pairs: int) -> tuple[PairSTDP, list[Diagnostic]]:
    least = shortest_period(row_pairs)
    if rule.period is None or rule.period >= least * (1 - 1e-9):
        return rule, []
    every = f"every {number(rule.period * ceil(least / rule.period - 1e-9))} ms"
    size = f"{every}: the processor needs {least / 1000:.3g} ms of hardware time for {2 * row_pairs} rows"
    named = different("SAL334", f"{path}.update", rule.update, size, f'update = "{every}"')
    return rule.replace(update=every), [named]


def _programs(net: Network, target: Target, row_pairs: int) -> Iterator[Diagnostic]:
    for name, rule in plastic(net, target).items():
        held = setting(target.scaled_for(name))
        yield from program.findings(rule, rule_path(net, target, name), held, row_pairs)


def _memory(programs: Mapping[str, PlasticityProgram]) -> list[Diagnostic]:
    """An emulated processor takes what a real one could not; an export refuses it."""
    return [replace(finding, severity="approximation") for finding in too_large(programs)]


def _shared(net: Network, placed: Rows) -> Iterator[Diagnostic]:
    if placed.events > GENERATED_EVENTS:
        first = next(name for name, cell in cells(net).items() if cell.sampling)
        asked = f"{placed.events / 1000:.3g} million background events per s"
        size = f"the chip generates {GENERATED_EVENTS / 1000:g}: on it neurons share events, here they do not"
        yield different("SAL333", f"populations.{first}", asked, size, "fewer neurons")


def _losses(net: Network) -> Iterator[Diagnostic]:
    circuits = cells(net)
    for k, stimulus in enumerate(net.stimuli):
        if stimulus.population in circuits:
            size = "one that falls into a refractory period is lost; the chip itself needs a strong synapse for it"
            fix = "drive a Source population"
            yield different("SAL324", f"stimuli[{k}].times", "forced whatever the state", size, fix)


def _notes(net: Network, target: Target, placed: Rows) -> Iterator[str]:
    speed = target.speed_up or 1.0
    if target.weight_bits is not None and target.option("weight_scale") == "auto":
        for p in net.projections:
            grid = Grid.of(target, p.name)
            yield f"{p.name}: a weight code is {number(grid.step)}, the range ends at {number(grid.reach)}"
    for p in net.projections:
        if (several := target.synapses_per_weight[p.name]) > 1:
            yield f"projection {p.name}: {several} rows per weight, up to {number(Grid.of(target, p.name).reach)}"
    yield f"rows in use: {2 * placed.used[0]} and {2 * placed.used[1]} of {2 * ROW_PAIRS} per hemisphere"
    yield f"hardware time: 1 s of biological time takes {1000.0 / speed:g} ms"
    for name, rule in plastic(net, target).items():
        assert rule.period is not None
        busy = shortest_period(max(placed.learning)) / rule.period
        yield (
            f"{name}: {1000.0 / rule.period:.3g} updates per s of biological time, {speed / rule.period:.3g} thousand "
            f"per s of hardware time; the processor is busy for {busy:.0%} of it"
        )
