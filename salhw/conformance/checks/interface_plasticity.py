"""When weights change, and how far they may."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

from salhw.conformance import rigs
from salhw.conformance.checks.interface_capabilities import tally
from salhw.conformance.lab import Lab, settled
from salhw.conformance.model import Evidence, check
from salhw.description.plasticity import PairSTDP
from salhw.description.probes import Weights
from salhw.diagnostics.wording import number
from salhw.substrate.capabilities import Capability

WEIGHTS = "projections.p.weights"
PERIOD = 20  # steps of `every T ms`, where the target declares such periods


def _schedules(capability: Capability) -> tuple[str, ...]:
    entry = capability.get("update", ())
    return entry if isinstance(entry, tuple) else ()


def _wanted(lab: Lab, schedule: str) -> PairSTDP:
    """A rule with a schedule that the target declares, or its host.

    Raises:
        Undeclared: neither does.
    """
    chip, host = (_schedules(have.get("PairSTDP", {})) for have in (lab.target.plasticity, lab.target.host))
    if schedule not in chip + host:
        raise rigs.missing("plasticity.PairSTDP.update", schedule, chip)
    update = f"every {number(lab.period(PERIOD) * lab.dt)} ms" if schedule == "every" else schedule
    rule = rigs.rule(lab, update=update, host=schedule not in chip)
    # A target may hold some periods only, by the network: the host is allowed to help where it can.
    return rule.replace(execution="host") if schedule in host else rule


def _changes(lab: Lab, rule: PairSTDP, pairs: list[int], runs: list[int]) -> list[bool]:
    """Whether the weight that is read after each of the runs differs from the one before."""
    with lab.open(rigs.pairing(lab, [rule], pairs)) as session:
        read = [float(session.get(WEIGHTS).max())]
        for steps in runs:
            session.run(steps * lab.dt)
            read.append(float(session.get(WEIGHTS).max()))
    return [abs(b - a) > 1e-12 for a, b in pairwise(read)]


def _changes_within(lab: Lab, rule: PairSTDP) -> bool:
    """Whether the weights probe sees a change before a run ends."""
    every = rigs.within(lab.target.probes["Weights"]["every"], 10 * lab.dt, lab.dt)
    net = rigs.pairing(lab, [rule], [1], wanted=[Weights("p", every=every)])
    with lab.open(net) as session:
        samples = session.run(3 * every + lab.dt).weight_traces["p"].values
    return bool((samples[0, 1:] != samples[0, 0]).any())


def _verdict(expected: list[bool], changed: list[bool], when: list[str]) -> Evidence:
    wrong = [
        f"{'no ' if e else 'a '}change {text}" for e, f, text in zip(expected, changed, when, strict=True) if e != f
    ]
    right = [f"{'changes' if e else 'does not change'} {text}" for e, text in zip(expected, when, strict=True)]
    return tally(wrong, len(when), "moments are wrong", "; ".join(right))


@check("update-on-spike", group="interface")
def update_on_spike(lab: Lab) -> Evidence:
    """``update = "spike"``: the weight has changed in the step after the pair, not earlier, and without waiting for the
    end of a period or of the run."""
    rule = _wanted(lab, "spike")
    changed = _changes(lab, rule, [4], [4, 2, 1, 30])
    expected, when = [False, False, True, False], ["before the pair", "between its spikes", "with it", "later"]
    if "Weights" in lab.target.probes:
        changed.append(_changes_within(lab, rule))
        expected.append(True)
        when.append("within a run")
    return _verdict(expected, changed, when)


@check("update-every-period", group="interface")
def update_every_period(lab: Lab) -> Evidence:
    """``update = "every T ms"``: the weight changes at the whole multiples of T of the session's time, and neither with
    the pair nor at the end of a run. The noise of plasticity circuits, which moves weights without pairs, is off."""
    lab = lab.without("plasticity")
    period = lab.period(PERIOD)
    changed = _changes(lab, _wanted(lab, "every"), [4, period + 4], [period - 1, 1, period - 1, 1, period])
    when = ["before the first T", "at T", "between T and 2 T", "at 2 T", "without pairs"]
    return _verdict([False, True, False, True, False], changed, when)


@check("update-at-run-end", group="interface")
def update_at_run_end(lab: Lab) -> Evidence:
    """``update = "run end"``: the weight changes after the run in which the pair was, and not within it."""
    rule = _wanted(lab, "run end")
    changed = _changes(lab, rule, [4, 24], [20, 40, 20])
    when = ["after the run with the first pair", "after the run with the second", "after a run without"]
    expected = [True, True, False]
    if "Weights" in lab.target.probes:
        changed.append(_changes_within(lab, rule))
        expected.append(False)
        when.append("within a run")
    return _verdict(expected, changed, when)


@check("bounds-clip", group="interface")
def bounds_clip(lab: Lab) -> Evidence:
    """Weights driven far beyond either bound end exactly at it; the bounds are not symmetric about zero. The noise of
    plasticity circuits, which leads away from a bound, is off."""
    chip, host = (have.get("PairSTDP", {}) for have in (lab.target.plasticity, lab.target.host))
    if "bounds" not in {**chip, **host}:
        raise rigs.missing("plasticity.PairSTDP.bounds", "any", [*chip])
    lab = lab.without("plasticity")
    top = 0.5 * min(rigs.strong(lab), 4.0)
    low = max(rigs.weight_range(lab).min, -0.25 * top)
    worst, said = 0.0, []
    for sign in (1.0, -1.0):
        rule = rigs.rule(
            lab, learning_rate=0.7 * top, causal=sign, anticausal=sign, bounds=(low, top), host="bounds" not in chip
        )
        if rule.causal.amplitude * sign <= 0 or rule.bounds is None:
            continue  # the target's windows have one sign only
        count = max(4, ceil(2.0 * max(top, -low) / rigs.per_pair(lab, rule)))
        executable = lab.compile(rigs.pairing(lab, [rule], [10 + 20 * k for k in range(count)]))
        with executable.open(seed=lab.seed) as session:
            session.run(settled(executable, 20 + 20 * count) * lab.dt)
            reached = float(session.get(WEIGHTS).max())
        bound = rule.bounds[1 if sign > 0 else 0]
        worst = max(worst, abs(reached - bound))
        said.append(f"{reached:g} at the bound {bound:g}")
    limit = 2 * rigs.resolution(lab)
    return Evidence(worst <= limit, f"distance from the bound that it was driven to: {', '.join(said)}", worst, limit)
