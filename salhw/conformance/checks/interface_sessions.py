"""A session holds its own state, keeps it, and refuses what makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.lab import Lab, settled
from salhw.conformance.model import Evidence, check
from salhw.description.fields import FloatArray, IntArray
from salhw.diagnostics import BackendError, SalhwError, SessionError
from salhw.session.backend import Session
from salhw.session.paths import addresses
from salhw.session.recording import Recording

WEIGHTS = "projections.p.weights"


def answered(recording: Recording) -> FloatArray:
    """The share of a relay's volleys to which its neurons spiked, (instance, neuron)."""
    return np.asarray(np.minimum(recording.counts["y"] / rigs.VOLLEYS, 1.0), dtype=np.float64)


@check("weights-persist", group="interface")
def weights_persist(lab: Lab) -> Evidence:
    """Weights that were written, and weights that were learned, are the same after a run in which nothing changes
    them. The noise of plasticity circuits is off."""
    lab = lab.without("plasticity")
    quiet = rigs.relay(lab, runs=3)
    with lab.open(quiet, instances=2) as session:
        session.set(WEIGHTS, rigs.per_instance([0.5 * rigs.strong(lab), rigs.strong(lab)], session.get(WEIGHTS)))
        written = [session.get(WEIGHTS)]
        for _ in range(2):
            session.run(rigs.RUN * lab.dt)
            written.append(session.get(WEIGHTS))
    lost = float(max(np.abs(w - written[0]).max() for w in written))
    if "PairSTDP" in lab.target.plasticity:
        executable = lab.compile(rigs.pairing(lab, [rigs.rule(lab)], [10, 30]))
        with executable.open(seed=lab.seed) as session:
            learned = []
            for _ in range(3):
                session.run(settled(executable, 60) * lab.dt)
                learned.append(session.get(WEIGHTS))
        lost = max(lost, *(float(np.abs(w - learned[0]).max()) for w in learned))
    limit = 2 * rigs.resolution(lab)
    return Evidence(
        lost <= limit, "largest change of a weight over runs in which nothing should change it", lost, limit
    )


@check("get-set-round-trip", group="interface")
def get_set_round_trip(lab: Lab) -> Evidence:
    """Every path reads back what was written, per instance and broadcast, to the resolution of the target's weights and
    to what it declares for the rest (held); a fresh session reads the compiled network. A field that the target
    declares to be one number for all is written as one."""
    rules = [rigs.rule(lab)] if "PairSTDP" in lab.target.plasticity else []
    net = rigs.relay(lab, rules=rules)
    executable = lab.compile(net)
    worst, where = 0.0, "every path"
    with executable.open(instances=2, seed=lab.seed) as session:
        for path, address in addresses(executable.network, lab.target).items():
            before = session.get(path)
            if before.shape != (2, *address.shape):
                return Evidence(False, f"{path} reads shape {before.shape} instead of {(2, *address.shape)}")
            scale = 0.25 * min(abs(rigs.weight_range(lab).max), 4.0) if address.field == "weights" else 0.5
            if (entry := rigs.capability_of(lab, net, address).get(address.field)) is not None:
                scale = rigs.within(entry, scale)
            ramp = scale * (np.arange(before.size, dtype=np.float64).reshape(before.shape) + 1.0) / before.size
            if rigs.one_for_all(lab, net, address):
                ramp[:] = 0.5 * scale
            limit = rigs.resolution(lab) if address.field == "weights" else lab.target.accuracy.get("held", 1e-6)
            values = (before + lab.dt, before[0], before) if address.trains else (ramp, ramp[0], 0.25 * scale, before)
            for value in values:
                session.set(path, value)
                off = float(np.max(np.nan_to_num(np.abs(session.get(path) - value)), initial=0.0)) / limit
                if off > worst:
                    worst, where = off, path
    reason = f"largest difference between written and read values, in units of the resolution; at {where}"
    return Evidence(worst <= 1.0, reason, worst, 1.0, "resolution")


@check("set-weights-act", group="interface")
def set_weights_act(lab: Lab) -> Evidence:
    """What ``set`` writes and ``get`` reads is what acts: with strong weights a forced presynaptic volley makes the
    silent neurons spike, with zero weights it does not, in each instance by its own weights. Neurons that spike by
    themselves because of mismatch would hide that: it is off."""
    lab = lab.without("mismatch", "trial")
    with lab.open(rigs.relay(lab, runs=3), instances=2) as session:
        shares = [answered(session.run(rigs.RUN * lab.dt))]
        for values in ([rigs.strong(lab), 0.0], [0.0, rigs.strong(lab)]):
            session.set(WEIGHTS, rigs.per_instance(values, session.get(WEIGHTS)))
            shares.append(answered(session.run(rigs.RUN * lab.dt)))
    expected = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[..., None]
    off = float(np.abs(np.stack(shares) - expected).max())
    return Evidence(off <= 0.4, "share of volleys answered against the weights: none, first, second instance", off, 0.4)


@check("set-bias-acts", group="interface")
def set_bias_acts(lab: Lab) -> Evidence:
    """A high bias makes a neuron spike as fast as its refractory period allows, a low one silences it: each neuron and
    each instance by its own."""
    net = rigs.relay(lab, runs=2)
    kind = net.population("y").neuron.kind
    declared = lab.target.neurons[kind].get("bias")
    if declared is None or isinstance(declared, tuple):
        raise rigs.missing(f"neurons.{kind}.bias", "a range", ())
    low, high = rigs.within(declared, rigs.LOW), rigs.within(declared, rigs.HIGH)
    counts = []
    with lab.open(net, instances=2) as session:
        for bias in ([[high, low], [low, low]], [[low, low], [low, high]]):
            session.set("populations.y.bias", bias)
            counts.append(session.run(rigs.RUN * lab.dt).counts["y"])
    fast = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]]], dtype=np.bool_)
    share = np.stack(counts) / max(float(np.stack(counts)[fast].min()), 1.0)
    silent = float(share[~fast].max())
    passed = bool(np.stack(counts)[fast].min() >= rigs.VOLLEYS) and silent <= 0.3
    return Evidence(passed, "spikes of the neurons with a low bias over those with a high one", silent, 0.3)


@check("read-back-is-what-acts", group="interface")
def read_back_is_what_acts(lab: Lab) -> Evidence:
    """Learned weights are read back as they act: forced pairs raise the weight from zero until a presynaptic spike
    alone makes the neuron spike, and ``get`` reads that weight."""
    top = rigs.strong(lab)
    rule = rigs.rule(lab, learning_rate=top, bounds=(0.0, top))
    runs = ceil(1.5 * top / rigs.per_pair(lab, rule) / rigs.VOLLEYS)
    plain = rigs.relay(lab, runs=runs, rules=[rule])
    first = settled(lab.compile(plain), rigs.RUN)
    last = settled(lab.compile(plain), first + runs * rigs.RUN)  # the pairs are in between
    volleys = 10.0 + rigs.APART * np.arange((last + rigs.RUN) // rigs.APART)
    paired = volleys[(volleys > first) & (volleys < first + runs * rigs.RUN)] + 2
    net = rigs.relay(lab, runs=ceil(last / rigs.RUN) + 1, rules=[rule])
    net = net.replace(stimuli=[*net.stimuli, rigs.forced("y", [paired] * 2, lab.dt)])
    with lab.open(net) as session:
        before = answered(session.run(rigs.RUN * lab.dt))
        session.run((last - rigs.RUN) * lab.dt)
        read = float(session.get(WEIGHTS).min())
        session.set("projections.p.plasticity.learning_rate", 0.0)
        after = answered(session.run(rigs.RUN * lab.dt))
    acts = float(after.min()) >= 0.6 and float(before.max()) <= 0.4
    reason = (
        f"learned weight as read, over the one that acts (volleys answered: {before.max():.0%}, then {after.min():.0%})"
    )
    return Evidence(acts and read >= 0.5 * top, reason, read / top, 1.0)


@check("learning-rate-acts", group="interface")
def learning_rate_acts(lab: Lab) -> Evidence:
    """A learning rate that is written is the one that acts, in each instance by its own: zero learns nothing."""
    net = rigs.pairing(lab, [rigs.rule(lab)], [10, 30])
    path = "projections.p.plasticity.learning_rate"
    with lab.open(net, instances=2) as session:
        rate = session.get(path)
        session.set(path, rigs.per_instance([0.0, 1.0], rate) * rate)
        session.run(60 * lab.dt)
        change = session.get(WEIGHTS).reshape(2, -1)[:, 0]
    share = float(abs(change[0]) / max(abs(change[1]), 1e-12))
    passed = abs(change[1]) > rigs.resolution(lab) and share <= 0.01
    return Evidence(passed, "weight change at learning rate zero over that at the described rate", share, 0.01)


@check("amplitude-acts", group="interface")
def amplitude_acts(lab: Lab) -> Evidence:
    """The amplitude of a window that is written is the one that acts, in each instance by its own: a branch at zero
    learns nothing. The noise of plasticity circuits is off."""
    lab = lab.without("plasticity")
    executable = lab.compile(rigs.pairing(lab, [rigs.rule(lab, anticausal=0.0)], [10, 30]))
    path = "projections.p.plasticity.causal.amplitude"
    if path not in addresses(executable.network, lab.target):
        raise rigs.missing("windows.settable", "amplitude", ())
    with executable.open(instances=2, seed=lab.seed) as session:
        amplitude = session.get(path)
        session.set(path, rigs.per_instance([0.0, 1.0], amplitude) * amplitude)
        session.run(settled(executable, 60) * lab.dt)
        change = session.get(WEIGHTS).reshape(2, -1)[:, 0]
    share = float(abs(change[0]) / max(abs(change[1]), 1e-12))
    passed = abs(change[1]) > rigs.resolution(lab) and share <= 0.01
    return Evidence(passed, "weight change at amplitude zero over that at the described one", share, 0.01)


@check("same-seed-repeats", group="interface")
def same_seed_repeats(lab: Lab) -> Evidence:
    """Two sessions with the same seed give the same spikes."""
    different = _different(lab, lab.seed + 1, lab.seed + 1)
    return Evidence(
        different == 0.0, "share of differing spike counts between two sessions of one seed", different, 0.0
    )


@check("other-seed-differs", group="interface")
def other_seed_differs(lab: Lab) -> Evidence:
    """Sessions with different seeds give different spikes."""
    different = _different(lab, lab.seed + 1, lab.seed + 2)
    return Evidence(different > 0.2, "share of differing spike counts between two seeds", different, 0.2, "(at least)")


def _different(lab: Lab, one: int, two: int) -> float:
    executable = lab.compile(rigs.crowd(lab))
    counts = []
    for seed in (one, two):
        with executable.open(instances=2, seed=seed) as session:
            counts.append(np.stack([session.run(100 * lab.dt).counts["a"] for _ in range(10)]))
    return float(np.mean(counts[0] != counts[1]))


@check("instances-have-own-noise", group="interface")
def instances_have_own_noise(lab: Lab) -> Evidence:
    """No two instances of a batch have the same random numbers."""
    with lab.open(rigs.crowd(lab), instances=4) as session:
        counts = np.stack([session.run(100 * lab.dt).counts["a"] for _ in range(10)])
    pairs = [np.mean(counts[:, i] != counts[:, k]) for i in range(4) for k in range(i)]
    least = float(min(pairs))
    return Evidence(
        least > 0.2, "least share of differing spike counts between two instances", least, 0.2, "(at least)"
    )


@check("batch-equals-loop", group="interface")
def batch_equals_loop(lab: Lab) -> Evidence:
    """An instance does in a batch, whatever its place there, what it does alone: bit for bit where the target declares
    ``accuracy.batch = 0`` (the share of spike counts that may differ); otherwise the mean counts agree within eight
    standard errors (p < 1e-5)."""
    ids, declared = (4, 1, 9, 0, 7, 2), lab.target.accuracy.get("batch")
    if declared is not None:  # of more neurons, too: simulators have ways of their own for few
        pairs = [_in_batch_and_alone(lab, 4, ids), _in_batch_and_alone(lab, 9, ids[:2])]
        different = max(float(np.mean(batch != loop)) for batch, loop in pairs)
        reason = "share of spike counts that differ between an instance of a batch and the same instance alone"
        return Evidence(different <= declared, reason, different, declared)
    batch, loop = _in_batch_and_alone(lab, 4, ids)
    totals = [counts.sum(axis=(1, 2)).astype(np.float64) for counts in (batch, loop)]
    error = np.sqrt(sum(total.var(ddof=1) / len(ids) for total in totals)) + 1e-9
    off = float(abs(totals[0].mean() - totals[1].mean()) / error)
    return Evidence(off <= 8.0, "difference of the mean counts of batch and loop", off, 8.0, "standard errors")


def _in_batch_and_alone(lab: Lab, size: int, ids: tuple[int, ...]) -> tuple[IntArray, IntArray]:
    """The spike counts of a crowd of ``size`` neurons in ten runs, (instance, run, neuron): of all ids at once, and of
    each alone."""
    executable, each = lab.compile(rigs.crowd(lab, size, weight=0.5)), []
    for together in (ids, *((identity,) for identity in ids)):
        with executable.open(instances=together, seed=lab.seed) as session:
            each.append(np.stack([session.run(100 * lab.dt).counts["a"] for _ in range(10)], axis=1))
    return each[0], np.concatenate(each[1:])


@check("instances-keep-their-order", group="interface")
def instances_keep_their_order(lab: Lab) -> Evidence:
    """Everything that is returned is in the order of the ids that were opened, whatever these are."""
    ids = (5, 2, 9)
    with lab.open(rigs.relay(lab, runs=len(ids)), instances=ids) as session:
        wrong = 0
        for k in range(len(ids)):
            values = [rigs.strong(lab) * (position == k) for position in range(len(ids))]
            session.set(WEIGHTS, rigs.per_instance(values, session.get(WEIGHTS)))
            recording = session.run(rigs.RUN * lab.dt)
            counts = answered(recording).mean(axis=1)
            held = session.get(WEIGHTS).reshape(len(ids), -1).max(axis=1)
            wrong += tuple(recording.ids) != ids
            wrong += int(counts.argmax()) != k or int(held.argmax()) != k
            if "y" in recording.spikes:
                train = recording.spikes["y"]
                wrong += len(train.instance) > 0 and int(np.bincount(train.instance).argmax()) != k
    return Evidence(wrong == 0, "answers given for the wrong instance", float(wrong), 0.0, "flaws")


@check("input-not-mutated", group="interface")
def input_not_mutated(lab: Lab) -> Evidence:
    """Compiling, opening, writing and running leave the network and the target as they were."""
    rules = [rigs.rule(lab)] if "PairSTDP" in lab.target.plasticity else []
    net = rigs.relay(lab, rules=rules)
    before = net.content_hash, lab.target.replace().content_hash  # a new one: a target keeps its hash
    executable = lab.compile(net)
    compiled = executable.network.content_hash
    with executable.open(instances=2, seed=lab.seed) as session:
        session.set(WEIGHTS, rigs.strong(lab))
        read = session.get(WEIGHTS)
        read[:] = -7.0  # a caller may do what it likes with its copy
        session.run(rigs.RUN * lab.dt)
        leaked = bool((session.get(WEIGHTS) == -7.0).any())
    after = net.content_hash, lab.target.replace().content_hash
    changed = [name for name, a, b in zip(("network", "target"), before, after, strict=True) if a != b]
    changed += ["compiled network"] * (executable.network.content_hash != compiled)
    changed += ["session, through the array that get returned"] * leaked
    reason = f"changed: {', '.join(changed)}" if changed else "network, target and compiled network are as they were"
    return Evidence(not changed, reason, float(len(changed)), 0.0, "flaws")


@check("sessions-independent", group="interface")
def sessions_independent(lab: Lab) -> Evidence:
    """Two open sessions of one executable do not disturb each other: neither's writes, noise nor time reach the other.
    Or the second is refused."""
    executable = lab.compile(rigs.crowd(lab, weight=0.5))
    duration = 200 * lab.dt

    def alone() -> list[IntArray]:
        with executable.open(seed=lab.seed) as session:
            return [session.run(duration).counts["a"], session.run(duration).counts["a"]]

    expected = alone()
    flaws = []
    with executable.open(seed=lab.seed) as first:
        try:
            second = executable.open(seed=lab.seed)
        except (SessionError, BackendError) as refusal:
            return Evidence(True, f"a second session is refused: {refusal.headline}", 0.0, 0.0, "flaws")
        with second:
            paths = [*addresses(executable.network, lab.target)]
            held = {path: first.get(path) for path in paths}
            for path in paths:
                second.set(path, second.get(path) + lab.dt if path.endswith(".times") else 0.125)
            second.run(duration)
            if any(not np.array_equal(first.get(path), held[path], equal_nan=True) for path in paths):
                flaws.append("what is written into one session is read from the other")
            observed = [first.run(duration)]
            second.run(duration)
        try:
            observed.append(first.run(duration))
        except SessionError:
            flaws.append("closing one session closes the other")
        if any(recording.start != k * duration for k, recording in enumerate(observed)):
            flaws.append("one session's runs move the other's time")
    if any(not np.array_equal(r.counts["a"], e) for r, e in zip(observed, expected, strict=False)):
        flaws.append("one session's spikes depend on the other")
    return Evidence(not flaws, "; ".join(flaws) or "each is as it is alone", float(len(flaws)), 0.0, "flaws")


@check("closed-session-refuses", group="interface")
def closed_session_refuses(lab: Lab) -> Evidence:
    """A closed session refuses to run, read and write, with SAL405; closing it again does no harm."""
    session = lab.open(rigs.relay(lab))
    with session:
        session.run(10 * lab.dt)
    session.close()
    acts: dict[str, Callable[[], object]] = {
        "run": lambda: session.run(10 * lab.dt), "get": lambda: session.get(WEIGHTS),
        "set": lambda: session.set(WEIGHTS, 0.0),
    }  # fmt: skip
    flaws = [f"{name}: {said}" for name, act in acts.items() if (said := refusal(act, "SAL405"))]
    return Evidence(not flaws, "; ".join(flaws) or "run, get and set are refused", float(len(flaws)), 0.0, "flaws")


@check("wrong-access-refused", group="interface")
def wrong_access_refused(lab: Lab) -> Evidence:
    """Unknown paths (SAL402), wrong shapes and NaN (SAL403), and durations that are no whole number of steps (SAL404)
    are refused, and change nothing."""
    with lab.open(rigs.relay(lab), instances=2) as session:
        before = session.get(WEIGHTS)
        acts: dict[str, tuple[str, Callable[[], object]]] = {
            "get of an unknown path": ("SAL402", lambda: session.get("projections.q.weights")),
            "set of an unknown path": ("SAL402", lambda: session.set("populations.z.bias", 0.0)),
            "a wrong shape": ("SAL403", lambda: session.set(WEIGHTS, np.zeros((2, 7, 7)))),
            "NaN": ("SAL403", lambda: session.set(WEIGHTS, np.nan)),
            "no duration": ("SAL404", lambda: session.run(0.0)),
            "a negative duration": ("SAL404", lambda: session.run(-lab.dt)),
            "half a step": ("SAL404", lambda: session.run(1.5 * lab.dt)),
        }
        flaws = [f"{name}: {said}" for name, (code, act) in acts.items() if (said := refusal(act, code))]
        if not np.array_equal(before, session.get(WEIGHTS)):
            flaws.append("a refused write changed the weights")
        if session.run(10 * lab.dt).start != 0.0:
            flaws.append("a refused run moved the time")
    return Evidence(not flaws, "; ".join(flaws) or f"all {len(acts)} are refused", float(len(flaws)), 0.0, "flaws")


def refusal(act: Callable[[], object], code: str) -> str:
    """What is wrong with a refusal; empty if it is as it should be."""
    try:
        act()
    except SessionError as error:
        codes = {finding.code for finding in error.diagnostics}
        return "" if code in codes else f"{', '.join(sorted(codes)) or 'no code'} instead of {code}"
    except SalhwError as error:
        return f"{type(error).__name__} instead of SessionError"
    except Exception as error:
        return f"{type(error).__name__} instead of a SessionError with {code}"
    return "accepted"


def time_of(session: Session) -> float | None:
    """A session's own clock in ms, where it has one."""
    clock = getattr(session, "time", None)
    return float(clock) if isinstance(clock, int | float) else None
