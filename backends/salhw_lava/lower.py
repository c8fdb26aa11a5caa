"""A network as Loihi 2 will run it: what is rounded, with its size, and what the chip cannot do. Imports no Lava."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, exp, floor, log2, log10

import numpy as np

from salhw.description.grid import in_steps
from salhw.description.kernels import Exponential
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.parts import Population, Projection, rule_name
from salhw.description.stimuli import SpikeTimes
from salhw.diagnostics import Diagnostic
from salhw.session.lowering import Lowering
from salhw.substrate.target import Target
from salhw_lava.arithmetic import (
    ENTRIES,
    LARGEST_WEIGHT,
    LOIHI_1_INPUT,
    Arithmetic,
    arithmetic,
    psp_error,
    table_error,
    with_weight_exponent,
)
from salhw_lava.cores import occupied
from salhw_lava.learning import (
    LONGEST_EPOCH,
    EngineLimit,
)
from salhw_lava.reach import at_once, own_weights
from salhw_lava.rules import code_for, learning_size, lowered_rule, shortest_interval, wanted_changes
from salhw_lava.words import Leak, Potential, shorter_psps, word

LONGEST_DELAY = 62  # steps


def lower(net: Network, target: Target) -> Lowering:
    """See Backend.lower. A pure function."""
    target = chosen(net, target)
    how = arithmetic(target)
    if not log2(how.unit).is_integer():
        asked, fix = f"a step of 1/{how.unit:.4g}", "salhw_lava.with_weight_exponent(target, exponent)"
        path, supported = "target.projections.weights", "steps that are powers of two"
        return Lowering(net, (Diagnostic("SAL121", path, asked, supported, fix),))
    findings = [*_forced_membranes(net)]
    populations, projections, held = [], [], {}
    for population in net.populations:
        lowered, found, held[population.name] = _population(net, population, how)
        populations.append(lowered)
        findings += found
    for projection in net.projections:
        plastic, found = _projection(net, projection, how, epoch(target), held[projection.post])
        projections.append(plastic)
        findings += found
    lowered_net = net if not findings else net.replace(populations=populations, projections=projections)
    cores, too_many = occupied(lowered_net)
    where = "under Lava's runtime" if target.option("execution") == "runtime" else "in one process, without the runtime"
    arith = "fixed point" if how.fixed else "floating point"
    held_in = (*_steps(how, target), *_widths(net, how))
    notes = (f"Lava's {arith} models, {where}", *held_in, cores, *_microcodes(lowered_net, how))
    return Lowering(lowered_net, (*findings, *too_many), notes, target)


def chosen(net: Network, target: Target) -> Target:
    """The target with the weight exponent and the learning epoch for this network, where its options say ``auto``.

    The exponent: the smallest, and so the finest steps, with which weights may still double by learning and every
    learning rate can be had. The epoch: the longest in which no neuron of a plastic projection can spike twice.
    """
    learning = [p for p in net.projections if p.plasticity]
    if target.option("epoch") == "auto":
        gaps = [shortest_interval(net, name) for p in learning for name in (p.pre, p.post)]
        taus = [floor(w.tau / net.dt) for p in learning for w in (p.plasticity[0].causal, p.plasticity[0].anticausal)]
        target = target.with_options(epoch=max(1, min([LONGEST_EPOCH, *gaps, *taus]) if learning else 1))
    if target.option("weight_exponent") != "auto" or not arithmetic(target).fixed:
        return target
    largest = max((float(np.abs(own_weights(p)).max(initial=0.0)) for p in net.projections), default=0.0)
    for exponent in range(-4, 0) if largest else ():
        finer = with_weight_exponent(target, exponent)
        how = arithmetic(finer)
        if 2.0 * largest <= LARGEST_WEIGHT / how.unit and all(_learns(net, p, how) for p in learning):
            return finer
    return with_weight_exponent(target, 0)


def _learns(net: Network, projection: Projection, how: Arithmetic) -> bool:
    try:
        lowered_rule(net, projection, how, 1)
    except EngineLimit:
        return False
    return True


def _steps(how: Arithmetic, target: Target) -> Iterator[str]:
    """The steps of the weights, for the report."""
    if how.fixed:
        largest = LARGEST_WEIGHT / how.unit
        yield f"weights: up to {largest:.3g} in steps of 1/{how.unit / 2:g}; learning epoch: {epoch(target)} steps"


def _widths(net: Network, how: Arithmetic) -> Iterator[str]:
    """Where more may arrive in a step than Loihi 1 adds up, for the report."""
    most = max((at_once(net, p.name, how) for p in net.populations), default=0.0) if how.fixed else 0.0
    if most > LOIHI_1_INPUT:
        yield (
            f"up to {most / how.unit:.4g} may arrive at a neuron in one step: words of 24 bits hold it, Loihi 1 adds "
            f"up to {LOIHI_1_INPUT / how.unit:.4g} (unverified: Loihi 2's limit is not public)"
        )


def epoch(target: Target) -> int:
    """Steps per learning epoch, of a target for which ``auto`` has been ``chosen``."""
    return int(target.option("epoch"))


def _approximation(code: str, path: str, asked: str, size: str, fix: str = "") -> Diagnostic:
    return Diagnostic(code, path, asked, size, fix, severity="approximation")


# ---------------------------------------------------------------- neurons


def _population(
    net: Network, population: Population, how: Arithmetic
) -> tuple[Population, list[Diagnostic], Potential | Leak | None]:
    """A population with the biases that the chip holds, what that costs, and how its potentials lie in words."""
    neuron, path = population.neuron, f"populations.{population.name}"
    if not how.fixed or isinstance(neuron, Source):
        return population, [], None
    try:
        held = word(net, population, how)
    except EngineLimit as beyond:
        if not beyond.at:
            beyond.at, limit = shorter_psps(net, population, how)
            beyond.fix = f"{limit}, or {beyond.fix}" if limit else beyond.fix
        return population, [beyond.found("SAL104", path)], None
    exact, found = np.asarray(neuron.bias, dtype=np.float64), []
    if isinstance(held, Leak):
        step, biases = 1.0 / held.gain, held.bias(held.current(exact))
    else:
        step, biases = 1.0 / how.per_bias, how.biases(exact) / how.per_bias
    if (off := float(np.abs(biases - exact).max())) > 1e-12:
        fix = "use multiples of it, or accept it"
        size = f"moved by at most {_up(off)}" + (
            f" (a rate by {_up(100.0 * off)} %)" if isinstance(neuron, GLM) else ""
        )
        found.append(_approximation("SAL311", f"{path}.bias", f"steps of 1/{1.0 / step:g}", size, fix))
        neuron = neuron.replace(bias=biases if biases.ndim else float(biases))
    if isinstance(neuron, GLM):
        off, lowest = table_error(neuron, net.dt)
        size = f"{ENTRIES} entries of 48 bits: off by at most {_up(off)} of itself, none below {_up(lowest)}"
        found.append(_approximation("SAL314", path, "spike probability per step", size))
    elif isinstance(held, Leak):
        found.append(_approximation("SAL314", path, f"tau_m = {neuron.tau_m:g} ms", _leak_size(neuron, net.dt, held)))
    return population.replace(neuron=neuron), found, held


def _leak_size(neuron: LIF, dt: float, held: Leak) -> str:
    """What fixed point makes of a LIF population."""
    share = held.dv / 2.0**held.leak_bits
    tau = -dt / float(np.log1p(-share))
    off = held.threshold - neuron.v_thresh
    moved = max(0.5 * 2.0**held.vth_shift, abs(off * held.scale)) / held.scale
    return (
        f"{tau:.6g} ms (a leak of 12 bits), v_thresh off by {_up(moved)}, drive in steps of {_up(1.0 / held.gain)}, of "
        f"which up to one is lost (a membrane of 24 bits, rounded toward v_reset at every step)"
    )


def _forced_membranes(net: Network) -> Iterator[Diagnostic]:
    """Lava's LIF cannot be made to spike."""
    for k, stimulus in enumerate(net.stimuli):
        if isinstance(stimulus, SpikeTimes) and isinstance(net.population(stimulus.population).neuron, LIF):
            fix = "leave it out, or force spikes of GLM neurons or sources"
            yield Diagnostic("SAL101", f"stimuli[{k}]", "SpikeTimes of LIF neurons", "supported of GLM, Source", fix)


# ---------------------------------------------------------------- projections


def _projection(
    net: Network, projection: Projection, how: Arithmetic, steps: int, held: Potential | Leak | None
) -> tuple[Projection, list[Diagnostic]]:
    path, found = f"projections.{projection.name}", []
    delay = in_steps(projection.delay, net.dt) or 0
    if delay > LONGEST_DELAY:
        fix = f"delay <= {LONGEST_DELAY * net.dt:g} ms"
        found.append(Diagnostic("SAL104", f"{path}.delay", f"{delay} steps", f"at most {LONGEST_DELAY} steps", fix))
    if held is not None and isinstance(projection.kernel, Exponential):
        size = _psp_size(net, projection, how, held)
        found.append(_approximation("SAL314", f"{path}.kernel", "exponential PSP", size))
    if not projection.plasticity:
        lasts = "off by what session.set changes, until they end; as described if weights are not written"
        found.append(_approximation("SAL313", path, "PSPs under way have the present weight", lasts))
        return projection, found
    try:
        rule, code = lowered_rule(net, projection, how, steps)
    except EngineLimit as beyond:
        place = path if beyond.at == "delay" or len(projection.plasticity) > 1 else f"{path}.{rule_name(projection, 0)}"
        return projection, [*found, beyond.found("SAL121", place)]
    asked = projection.plasticity[0]
    at = f"{path}.{rule_name(projection, 0)}"
    error = max(_relative(code.achieved(p), wanted) for p, wanted in wanted_changes(asked).items())
    if error > 1e-12:
        achieved = f"{rule.learning_rate:.4g}, off by at most {error:.2%}: impulses of 7 bits times factors of up to 6"
        found.append(_approximation("SAL312", at, f"learning rate {asked.learning_rate:g}", achieved))
    if how.fixed:
        found.append(_approximation("SAL314", at, "weight changes", learning_size(rule, net.dt, code, how)))
    size = f"off by the changes since it arrived, {max(map(abs, wanted_changes(asked).values())):.2g} per pair"
    found.append(_approximation("SAL313", path, "PSPs under way have the present weight", size))
    if steps > 1:
        late = f"at the end of each learning epoch, up to {steps - 1} steps late"
        found.append(_approximation("SAL315", f"{at}.update", "with the spike", late, "epoch='1'"))
    return projection.replace(plasticity=(rule,)), found


def _psp_size(net: Network, projection: Projection, how: Arithmetic, held: Potential | Leak) -> str:
    """How far exponential PSPs are from their kernel: by the decay, and by what potentials have behind the point. The
    latter counts most for the smallest weight; of a LIF neuron the PSP in its membrane is meant."""
    tau = projection.kernel.tau_syn / net.dt
    share, lost = psp_error(tau)
    weights = np.abs(how.held(own_weights(projection), 2))
    least = 1.0 if projection.plasticity else float(weights[weights > 0].min(initial=LARGEST_WEIGHT))
    least /= how.unit
    if isinstance(held, Potential):
        peak, bits, rounding = exp(-1.0 / tau), held.bits, 2.0 ** -(held.bits + 1)
    else:
        peak, bits, rounding = held.psp_peak(tau), round(log2(held.gain)), 1.5 / held.gain + 1.0 / held.scale
        share *= held.gain / held.scale * min(tau + 1.0, held.scale / held.gain)
    off = share + (rounding + lost / how.unit) / least
    return (
        f"off by at most {_up(off / peak) if off < peak else '1'} of the peak of the smallest weight, {least:.3g} "
        f"(decay of 15 bits, PSPs in steps of 2^-{bits})"
    )


def _up(value: float) -> str:
    """Two digits, rounded up: a size that is reported is not exceeded."""
    digits = 1 - floor(log10(value)) if value > 0 else 0
    return f"{ceil(value * 10.0**digits) / 10.0**digits:.2g}"


def _relative(value: float, wanted: float) -> float:
    return abs(value - wanted) / abs(wanted) if wanted else abs(value)


def _microcodes(net: Network, how: Arithmetic) -> Iterator[str]:
    """How plastic projections learn, for the report."""
    for projection in net.projections:
        if len(projection.plasticity) == 1 and not projection.delay:
            try:
                code = code_for(net, projection, how, wanted_changes(projection.plasticity[0]))
            except EngineLimit:
                continue
            impulses = f"impulses x1 {code.impulse('y0*x1'):g}, y1 {code.impulse('x0*y1'):g}"
            yield f"projections.{projection.name}: dw = {code.dw}; {impulses}"
