"""A network as Loihi 2 will run it: what is rounded, with its size, and what the chip cannot do. Imports no Lava."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import log2

import numpy as np

from salhw.description.network import Network
from salhw.description.parts import Population, Projection, rule_name
from salhw.diagnostics import Diagnostic
from salhw.session.lowering import Lowering
from salhw.substrate.target import Target
from salhw_lava.arithmetic import LARGEST_WEIGHT, LOIHI_1_INPUT, Arithmetic, arithmetic, with_weight_exponent
from salhw_lava.cores import occupied
from salhw_lava.hosted import OR_HOST, host_could, hosted, hosted_findings, suits_the_engine
from salhw_lava.kinds import unknown
from salhw_lava.learning import EngineLimit, rounded_up
from salhw_lava.psps import psp
from salhw_lava.reach import at_once, own_weights
from salhw_lava.rules import (
    code_for,
    epoch,
    epoch_of,
    learning_rule,
    learning_size,
    longest_epoch,
    lowered_rule,
    rounded_learning,
    wanted_changes,
)
from salhw_lava.stimuli import STIMULI
from salhw_lava.words import NEURON_KINDS, Word, shorter_psps, word

EXECUTIONS = ("runtime", "in-process")
LONGEST_DELAY = 62  # steps


def lower(net: Network, target: Target) -> Lowering:
    """See Backend.lower. A pure function."""
    if refused := unknown(net, target):
        return Lowering(net, tuple(refused))
    target = chosen(net, target)
    units = arithmetic(target)
    if not log2(units.unit).is_integer():
        asked, fix = f"a step of 1/{units.unit:.4g}", "salhw_lava.with_weight_exponent(target, exponent)"
        path, supported = "target.projections.weights", "steps that are powers of two"
        return Lowering(net, (Diagnostic("SAL121", path, asked, supported, fix),))
    findings, by_host = [*_forced_membranes(net)], hosted(net, target)
    rounding: dict[str, float] = {}
    populations, projections, fitted = [], [], {}
    for population in net.populations:
        lowered, more, fitted[population.name] = _population(net, population, units)
        populations.append(lowered)
        findings += more
    for projection in net.projections:
        lowered_projection, more = _projection(net, projection, units, fitted[projection.post])
        projections.append(lowered_projection)
        findings += more
        if projection.name in by_host:
            findings += hosted_findings(net, projection, units)
        elif projection.plasticity:
            projections[-1], more = _plastic(net, projection, units, target)
            findings += more
            if units.fixed and not any(finding.severity == "error" for finding in more):
                rounding |= rounded_learning(net, projection, units)
    lowered_net = net if not findings else net.replace(populations=populations, projections=projections)
    cores, too_many = occupied(lowered_net, by_host)
    where = "under Lava's runtime" if target.option("execution") == "runtime" else "in one process, without the runtime"
    model = "fixed point" if units.fixed else "floating point"
    widths = (*_steps(units, target), *_widths(net, units))
    notes = (
        f"Lava's {model} models, {where}",
        *widths,
        cores,
        *_microcodes(lowered_net, units, by_host, epoch(target)),
    )
    rounding |= {
        f"populations.{p.name}": _rounded(net, p, units, word) for p in net.populations if (word := fitted[p.name])
    }
    return Lowering(lowered_net, (*findings, *too_many), notes, target, rounding)


def chosen(net: Network, target: Target) -> Target:
    """The target with the weight exponent and the learning epoch for this network, where its options say ``auto``.

    The exponent: the smallest, and so the finest steps, with which weights may still double or reach the bounds of
    their rules, and every learning rate can be had; from 0 on the smallest that holds the weights and the bounds. The
    epoch: the longest in which no neuron of a projection that learns with the spike can spike twice.
    """
    learning = [p for p in net.projections if p.plasticity and suits_the_engine(p, target)]
    if target.option("epoch") == "auto":
        spike = [p for p in learning if learning_rule(p).period is None]
        target = target.with_options(epoch=min((longest_epoch(net, p) for p in spike), default=1))
    if target.option("weight_exponent") != "auto" or not arithmetic(target).fixed:
        return target
    largest = max((_largest(p, 1.0) for p in net.projections), default=0.0)
    roomy = max((_largest(p, 2.0) for p in net.projections), default=0.0)
    by_host = hosted(net, with_weight_exponent(target, 0))
    learning = [p for p in learning if p.name not in by_host]
    for exponent in range(-4, 0) if roomy else ():
        finer = with_weight_exponent(target, exponent)
        units = arithmetic(finer)
        if roomy <= LARGEST_WEIGHT / units.unit and all(_learns(net, p, units) for p in learning):
            return finer
    exponents = [with_weight_exponent(target, exponent) for exponent in range(5)]
    wide = (coarser for coarser in exponents if largest <= LARGEST_WEIGHT / arithmetic(coarser).unit)
    return next(wide, exponents[-1])  # gains may take weights or bounds beyond the widest: a finding of what follows


def _largest(projection: Projection, room: float) -> float:
    """The largest weight of a projection, ``room`` times as large unless rules have bounds, which it may reach."""
    bounds = [abs(end) for rule in projection.plasticity for end in rule.bounds or ()]
    return max(bounds) if bounds else room * float(np.abs(own_weights(projection)).max(initial=0.0))


def _learns(net: Network, projection: Projection, units: Arithmetic) -> bool:
    try:
        lowered_rule(net, projection, units, 1)
    except EngineLimit:
        return False
    return True


def _steps(units: Arithmetic, target: Target) -> Iterator[str]:
    """The steps of the weights, for the report."""
    if units.fixed:
        largest = LARGEST_WEIGHT / units.unit
        yield f"weights: up to {largest:.3g} in steps of 1/{units.unit / 2:g}; learning epoch: {epoch(target)} steps"
        for name, bits in units.finer.items():
            yield f"{name}: up to {largest / 2**bits:.3g} in steps of 1/{units.unit * 2**bits / 2:g}"


def _widths(net: Network, units: Arithmetic) -> Iterator[str]:
    """Where more may arrive in a step than Loihi 1 adds up, for the report."""
    most = max((at_once(net, p.name, units) for p in net.populations), default=0.0) if units.fixed else 0.0
    if most > LOIHI_1_INPUT:
        unit = units.unit * 2.0**units.arriving
        yield (
            f"up to {most / unit:.4g} may arrive at a neuron in one step: words of 24 bits hold it, Loihi 1 adds "
            f"up to {LOIHI_1_INPUT / unit:.4g} (unverified: Loihi 2's limit is not public)"
        )


def _approximation(code: str, path: str, asked: str, size: str, fix: str = "") -> Diagnostic:
    return Diagnostic(code, path, asked, size, fix, severity="approximation")


# ---------------------------------------------------------------- neurons


def _population(
    net: Network, population: Population, units: Arithmetic
) -> tuple[Population, list[Diagnostic], Word | None]:
    """A population with the biases that the chip holds, what that costs, and how its potentials lie in words: None in
    floating point, and of neurons without potentials."""
    path = f"populations.{population.name}"
    try:
        fitted = word(net, population, units) if units.fixed else None
    except EngineLimit as limit:
        if not limit.at:
            limit.at, shorter = shorter_psps(net, population, units)
            limit.fix = f"{shorter}, or {limit.fix}" if shorter else limit.fix
        return population, [limit.finding("SAL104", path)], None
    if fitted is None:
        return population, [], None
    neuron, findings = fitted.neuron, []
    exact = np.asarray(neuron.bias, dtype=np.float64)
    biases = fitted.bias(fitted.current(exact))
    if (off := float(np.abs(biases - exact).max())) > 1e-12:
        steps, fix = f"steps of 1/{fitted.gain:g}", "use multiples of it, or accept it"
        findings.append(_approximation("SAL311", f"{path}.bias", steps, fitted.moved(off), fix))
        neuron = neuron.replace(bias=biases if biases.ndim else float(biases))
    findings.append(_approximation("SAL314", path, *fitted.approximation()))
    return population.replace(neuron=neuron), findings, fitted


def _rounded(net: Network, population: Population, units: Arithmetic, fitted: Word) -> float:
    """How far the potentials of a population may be off, at most, by the steps of words: what each exponential PSP
    loses besides arrives in one word for each neuron and projection."""
    kernels = [(p.name, psp(p.kernel, net.dt).error()) for p in net.projections if p.post == population.name]
    lost = [error[1] / units.of(name).unit for name, error in kernels if error is not None]
    return fitted.rounding + sum(lost)


def _forced_membranes(net: Network) -> Iterator[Diagnostic]:
    """Lava's LIF cannot be made to spike."""
    for k, stimulus in enumerate(net.stimuli):
        neuron = net.population(stimulus.population).neuron
        if STIMULI[stimulus](stimulus, net.dt).trains and NEURON_KINDS[neuron].own_process:
            asked = f"{stimulus.kind} of {neuron.kind} neurons"
            fix = "leave it out, or force spikes of GLM neurons or sources"
            yield Diagnostic("SAL101", f"stimuli[{k}]", asked, "supported of GLM, Source", fix)


# ---------------------------------------------------------------- projections


def _projection(
    net: Network, projection: Projection, units: Arithmetic, fitted: Word | None
) -> tuple[Projection, list[Diagnostic]]:
    """A projection, and what differs from the description but for learning.

    Args:
        fitted: how the potentials lie that its PSPs add up in; None where nothing of them is rounded.
    """
    path, findings = f"projections.{projection.name}", []
    delay = projection.longest_delay(net.dt)
    if delay > LONGEST_DELAY:
        fix = f"delay <= {LONGEST_DELAY * net.dt:g} ms"
        findings.append(Diagnostic("SAL104", f"{path}.delay", f"{delay} steps", f"at most {LONGEST_DELAY} steps", fix))
    if fitted is not None and (decay := psp(projection.kernel, net.dt).error()) is not None:
        size = _psp_size(net, projection, units, fitted, decay)
        findings.append(_approximation("SAL314", f"{path}.kernel", "exponential PSP", size))
    if not projection.plasticity:
        lasts = "off by what session.set changes, until they end; as described if weights are not written"
        findings.append(_approximation("SAL313", path, "PSPs under way have the present weight", lasts))
    return projection, findings


def _plastic(
    net: Network, projection: Projection, units: Arithmetic, target: Target
) -> tuple[Projection, list[Diagnostic]]:
    """A projection with the learning rate that the engine achieves, and how its learning differs."""
    path, findings, steps = f"projections.{projection.name}", [], epoch(target)
    try:
        rule, code = lowered_rule(net, projection, units, steps)
    except EngineLimit as limit:
        place = path if limit.at == "delay" or len(projection.plasticity) > 1 else f"{path}.{rule_name(projection, 0)}"
        limit.fix += OR_HOST if host_could(net, projection, target) else ""
        return projection, [limit.finding("SAL121", place)]
    asked, at = learning_rule(projection), f"{path}.{rule_name(projection, 0)}"
    error = max(_relative(code.achieved(p), wanted) for p, wanted in wanted_changes(asked).items())
    if error > 1e-12:
        achieved = f"{rule.learning_rate:.4g}, off by at most {error:.2%}: impulses of 7 bits times factors of up to 6"
        findings.append(_approximation("SAL312", at, f"learning rate {asked.learning_rate:g}", achieved))
    if units.fixed:
        findings.append(_approximation("SAL314", at, "weight changes", learning_size(rule, net.dt, code, units)))
    per_pair = max(map(abs, wanted_changes(asked).values()))
    size = f"off by the changes since it arrived, {per_pair:.2g} per pair"
    findings.append(_approximation("SAL313", path, "PSPs under way have the present weight", size))
    if rule.bounds and units.fixed:
        size = f"where spikes coincide, the engine clips after each branch: up to {per_pair:.2g} per pair"
        findings.append(_approximation("SAL327", f"{at}.bounds", "clipped once a step", size, "a lower learning rate"))
    if steps > 1 and rule.period is None:
        late = f"at the end of each learning epoch, up to {steps - 1} steps late"
        findings.append(_approximation("SAL315", f"{at}.update", "with the spike", late, "epoch='1'"))
    return projection.replace(plasticity=(rule,)), findings


def _psp_size(net: Network, projection: Projection, units: Arithmetic, fitted: Word, error: tuple[float, float]) -> str:
    """How far PSPs are from their kernel: by the ``error`` of their decay, and by what potentials have behind the
    point. The latter counts most for the smallest weight; of a LIF neuron the PSP in its membrane is meant."""
    (share, lost), units = error, units.of(projection.name)
    weights = np.abs(units.held(own_weights(projection), 2))
    least = 1.0 if projection.plasticity else float(weights[weights > 0].min(initial=LARGEST_WEIGHT))
    least /= units.unit
    peak, bits, rounding, gain = fitted.psp(projection.kernel.tau_syn / net.dt)
    off = share * gain + (rounding + lost / units.unit) / least
    return (
        f"off by at most {rounded_up(off / peak) if off < peak else '1'} of the peak of the smallest weight, "
        f"{least:.3g} (decay of 15 bits, PSPs in steps of 2^-{bits})"
    )


def _relative(value: float, wanted: float) -> float:
    return abs(value - wanted) / abs(wanted) if wanted else abs(value)


def _microcodes(net: Network, units: Arithmetic, by_host: Collection[str], steps: int) -> Iterator[str]:
    """How plastic projections learn on the chip, for the report; ``steps`` of an epoch but for rules with a period."""
    on_chip = [p for p in net.projections if p.plasticity and p.name not in by_host]
    epochs = sorted({epoch_of(net, p, steps) for p in on_chip})
    if len(epochs) > 1:
        several = ", ".join(map(str, epochs))
        yield f"learning epochs of {several} steps: one for each rule in Lava (unverified: a chip may have one for all)"
    for projection in on_chip:
        if len(projection.plasticity) == 1 and not projection.longest_delay(net.dt):
            try:
                code = code_for(net, projection, units, wanted_changes(learning_rule(projection)))
            except EngineLimit:
                continue
            impulses = f"impulses x1 {code.impulse('y0*x1'):g}, y1 {code.impulse('x0*y1'):g}"
            yield f"projections.{projection.name}: dw = {code.dw}; {impulses}"
