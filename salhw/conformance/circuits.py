"""What checks are built from: small networks within a target's declared capabilities, and how their spikes are read.

Times are in steps of ``lab.dt`` here. Copies of a circuit lie side by side in one network, because most targets pay for
a step, not for a neuron.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, isqrt
from typing import Any

import numpy as np

from salhw.conformance.lab import CHIPS, Lab, Undeclared, settled
from salhw.conformance.statistics import REPLICATES
from salhw.description.connectivity import AllToAll, Connector, Dense, OneToOne, Sparse
from salhw.description.fields import FloatArray, IntArray
from salhw.description.kernels import Alpha, Exponential, Kernel, Rectangular
from salhw.description.network import Network
from salhw.description.neurons import GLM, Discretisation, Source
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import Pairing, PairSTDP
from salhw.description.probes import Spikes
from salhw.description.stimuli import SpikeTimes
from salhw.description.windows import Window
from salhw.session.recorder import ascending
from salhw.session.recording import Recording
from salhw.substrate.capabilities import Capability, Range

NEURONS = 1024  # in one network, at most
UNCONNECTED = 4096  # of neurons without synapses


# ---------------------------------------------------------------- what the target declares


def declared_range(capability: Capability, name: str, low: float, high: float) -> tuple[float, float]:
    """``low`` and ``high``, or the nearest that the target declares."""
    entry = capability.get(name)
    return (max(low, entry.min), min(high, entry.max)) if isinstance(entry, Range) else (low, high)


def declared_choice(capability: Capability, name: str, default: str) -> tuple[str, ...]:
    """The choices that the target declares, ``default`` first if it is one."""
    entry = capability.get(name)
    if not isinstance(entry, tuple):
        return (default,)
    return tuple(sorted(entry, key=lambda choice: choice != default))


def discretisations(lab: Lab) -> tuple[Discretisation, ...]:
    """Those of GLM neurons, the target's own first."""
    entry = lab.target.neurons.get("GLM", {}).get("discretisation")
    return entry if isinstance(entry, tuple) else ("logistic",)  # type: ignore[return-value]


def alternatives(lab: Lab, candidates: Mapping[str, Network]) -> dict[str, Network]:
    """The candidates that the target declares.

    Raises:
        Undeclared: none of them; with the findings of the first.
    """
    chosen = {name: net for name, net in candidates.items() if not lab.undeclared(net)}
    if not chosen:
        raise Undeclared(lab.undeclared(next(iter(candidates.values()))))
    return chosen


def copies(lab: Lab, neurons: int, synapses: int = 0, most: int = NEURONS) -> int:
    """How many copies of a circuit fit one network, beside one source."""
    room = [most // neurons]
    for name, each in (("neurons", neurons), ("synapses", synapses)):
        if each and name in lab.target.resources:
            room.append((lab.target.resources[name] - 1) // each)
    return max(1, min(room))


def apportioned(lab: Lab, need: FloatArray) -> IntArray:
    """The sizes of populations without synapses in one network, so that each has observed ``need`` neuron steps after
    about the same time: multiples of REPLICATES, or equal where the target is too small for that."""
    room = copies(lab, 1, most=UNCONNECTED)
    if room < len(need) * REPLICATES:
        return np.full(len(need), max(1, room // len(need)))
    spare = room // REPLICATES - len(need)
    return np.asarray(REPLICATES * (1 + np.floor(spare * need / need.sum())), dtype=np.int64)


def instances(size: int, wanted: int = REPLICATES) -> int:
    """How many instances make up for too few copies in a network."""
    return -(-max(wanted, REPLICATES) // size)


def on_chips(lab: Lab, most: int) -> tuple[int, int]:
    """(copies of something per network at most, instances at least) where ``most`` copies are enough: where chips
    differ, the copies lie on many chips."""
    return (max(1, 4 * most // CHIPS), CHIPS) if lab.varies else (most, 1)


def partners(lab: Lab, projections: int, most: int) -> int:
    """How many neurons fit on either side of that many ``one_to_one`` projections; as matrices they take a synapse for
    every pair."""
    forms = lab.target.projections.get("connectivity", ())
    if not isinstance(forms, tuple) or {"OneToOne", "Sparse"} & {*forms}:
        return copies(lab, 2, projections, 2 * most)
    room = lab.target.resources.get("synapses", projections * most**2) // projections
    return max(1, min(copies(lab, 2, 0, 2 * most), isqrt(room)))


# ---------------------------------------------------------------- populations and projections


def glm(lab: Lab, bias: float | FloatArray, tau_ref: int = 10, discretisation: Discretisation | None = None) -> GLM:
    """A GLM neuron with ``tau_ref`` in steps."""
    return GLM(bias=bias, tau_ref=tau_ref * lab.dt, discretisation=discretisation or discretisations(lab)[0])


def shortest_refractory(lab: Lab) -> int:
    """The shortest refractory period of a GLM neuron, in steps: with one step, its steps are independent."""
    return max(1, ceil(declared_range(lab.target.neurons.get("GLM", {}), "tau_ref", lab.dt, np.inf)[0] / lab.dt - 1e-6))


def one_to_one(lab: Lab, weight: float | FloatArray, size: int) -> Connector:
    """Neuron k to neuron k, in the first form that the target declares."""
    forms = lab.target.projections.get("connectivity", ())
    vector = np.broadcast_to(np.asarray(weight, dtype=np.float64), (size,)).copy()
    if not isinstance(forms, tuple) or "OneToOne" in forms:
        return OneToOne(weight=weight if np.ndim(weight) == 0 else vector)
    if "Sparse" in forms:
        return Sparse(post=np.arange(size), pre=np.arange(size), weight=vector)
    return Dense(values=np.diag(vector))


def one_to_all(lab: Lab, weight: float, size: int) -> Connector:
    """One neuron to ``size``, in the first form that the target declares."""
    forms = lab.target.projections.get("connectivity", ())
    if not isinstance(forms, tuple) or "AllToAll" in forms:
        return AllToAll(weight=weight)
    if "Dense" in forms:
        return Dense(values=np.full((size, 1), weight))
    return Sparse(post=np.arange(size), pre=np.zeros(size, np.int64), weight=np.full(size, weight))


def side_by_side(weights: FloatArray, size: int) -> Sparse:
    """``size`` copies of a circuit in which every neuron has a synapse from every other, weights (post, pre): each
    copy's neurons come after those of the copy before."""
    n = len(weights)
    post, pre = np.nonzero(~np.eye(n, dtype=np.bool_))
    shift = n * np.arange(size)[:, None]
    weight = np.tile(weights[post, pre], size)
    return Sparse(post=(post + shift).ravel(), pre=(pre + shift).ravel(), weight=weight)


def on_diagonal(weights: FloatArray, size: int) -> FloatArray:
    """The weights of ``one_to_one`` synapses as ``get`` returns them -> (instance, size)."""
    return weights if weights.ndim == 2 else np.asarray(weights[:, np.arange(size), np.arange(size)])


def reciprocal_pairs(
    lab: Lab,
    size: int,
    weights: tuple[float | FloatArray, float | FloatArray],
    bias: tuple[float, float],
    kernel: Kernel,
    *,
    rules: tuple[tuple[PairSTDP, ...], tuple[PairSTDP, ...]] = ((), ()),
    discretisation: Discretisation | None = None,
    record: bool = True,
) -> Network:
    """Copies of a pair: neuron k of ``first`` and of ``second``. ``weights`` are W[second, first] (projection
    ``forward``) and W[first, second] (``backward``), one number or one per copy; ``rules`` likewise."""
    names = ("first", "second")
    ends = (("forward", "first", "second"), ("backward", "second", "first"))
    return Network(
        name="pairs",
        dt=lab.dt,
        populations=[
            Population(name=name, size=size, neuron=glm(lab, b, discretisation=discretisation))
            for name, b in zip(names, bias, strict=True)
        ],
        projections=[
            Projection(name=name, pre=pre, post=post, weights=one_to_one(lab, w, size), kernel=kernel, plasticity=rule)
            for (name, pre, post), w, rule in zip(ends, weights, rules, strict=True)
        ],
        probes=[Spikes(name) for name in names] if record else [],
    )


# ---------------------------------------------------------------- spikes


def trains(lab: Lab, recording: Recording, population: str) -> list[IntArray]:
    """The spikes of each neuron of a population in steps since the run began; instance after instance."""
    step, neuron = merged(lab, recording, population)
    order = ascending(neuron, step)
    return np.split(step[order], np.searchsorted(neuron[order], np.arange(1, recording.counts[population].size)))


def merged(lab: Lab, recording: Recording, population: str) -> tuple[IntArray, IntArray]:
    """(step since the run began, neuron) of all spikes of a population; neurons count on over the instances."""
    spikes = recording.spikes[population]
    step = np.rint((spikes.time - spikes.start) / lab.dt).astype(np.int64)
    return step, spikes.instance * spikes.size + spikes.neuron


# ---------------------------------------------------------------- PSPs, seen through firing probabilities

OFF, ON = 0.01, 0.25  # spike probability per step at rest, and with one PSP
FIRES = 0.12  # what tells them apart
WATCHED = 1000  # decisions at every step: ON below FIRES, or half a PSP (.055) above, happens with less than 1e-15


def potential(lab: Lab, probability: float, discretisation: Discretisation, tau_ref: int) -> float:
    """The potential at which a neuron spikes with this probability per step."""
    x = probability / (1 - probability) if discretisation == "logistic" else -np.log1p(-probability)
    return float(np.log(x * tau_ref))


def drive(
    lab: Lab,
    weights: Mapping[str, float],
    kernel: Kernel,
    arrivals: Sequence[int],
    *,
    bias: float,
    tau_ref: int,
    size: int,
    period: int,
    repeats: int,
    delays: Mapping[str, int] | None = None,
) -> Network:
    """A source that spikes ``arrivals`` steps into each period, on populations that listen with the named weights."""
    times = [(period * k + a) * lab.dt for k in range(repeats) for a in arrivals]
    return Network(
        name="psp",
        dt=lab.dt,
        populations=[
            Population(name="source", size=1, neuron=Source()),
            *(Population(name=name, size=size, neuron=glm(lab, bias, tau_ref)) for name in weights),
        ],
        projections=[
            Projection(
                name=f"to_{name}",
                pre="source",
                post=name,
                weights=one_to_all(lab, w, size),
                kernel=kernel,
                delay=(delays or {}).get(name, 0) * lab.dt,
            )
            for name, w in weights.items()
        ],
        stimuli=[SpikeTimes("source", [np.array(times)])],
        probes=[Spikes(name) for name in weights],
    )


def firing(
    lab: Lab, recording: Recording, population: str, tau_ref: int, period: int, repeats: int
) -> tuple[FloatArray, FloatArray]:
    """(spikes, decisions) of each neuron at each step of the period, (neuron, period): a neuron decides where it is not
    refractory. The first period is left out, so that the beginning is forgotten."""
    step, neuron = merged(lab, recording, population)
    size, last = recording.counts[population].size, period * repeats

    def folded(at: IntArray) -> FloatArray:
        seen = (at >= period) & (at < last)
        place = neuron[seen] * period + at[seen] % period
        return np.bincount(place, minlength=size * period).reshape(size, period).astype(np.float64)

    busy = sum((folded(step + gap) for gap in range(1, tau_ref)), np.zeros((size, period)))
    return folded(step), repeats - 1 - busy


def kernels(lab: Lab, tau_syn: int, **fields: Any) -> dict[str, Kernel]:
    """One of each kind that the target declares (all, if none), ``tau_syn`` in steps."""
    kinds: tuple[type[Kernel], ...] = (Rectangular, Exponential, Alpha)
    known = {kind.__name__: kind for kind in kinds}
    chosen = {name: kind for name, kind in known.items() if name in lab.target.kernels} or known
    return {name: kind(tau_syn=tau_syn * lab.dt, **fields) for name, kind in chosen.items()}


# ---------------------------------------------------------------- plasticity by forced spikes


def forced_pairs(
    lab: Lab, pre: Sequence[Iterable[int]], post: Sequence[Iterable[int]], rule: PairSTDP, weight: float = 0.0
) -> tuple[Network, int]:
    """Sources whose spikes are given in steps, synapse k from ``pre[k]`` to ``post[k]``; and how many steps that
    takes."""
    trains_of = {"pre": [np.array([*t]) for t in pre], "post": [np.array([*t]) for t in post]}
    last = max((int(t[-1]) for side in trains_of.values() for t in side if len(t)), default=0)
    size = len(trains_of["pre"])
    net = Network(
        name="forced_pairs",
        dt=lab.dt,
        populations=[Population(name=name, size=size, neuron=Source()) for name in trains_of],
        projections=[
            Projection(
                name="synapses",
                pre="pre",
                post="post",
                weights=one_to_one(lab, weight, size),
                kernel=next(iter(kernels(lab, 10).values())),
                plasticity=rule,
            )
        ],
        stimuli=[SpikeTimes(name, [t * lab.dt for t in each]) for name, each in trains_of.items()],
    )
    return net, last + 2


def schedule(lab: Lab) -> str:
    """An update schedule that the target declares; the weights are read after the run, so any will do."""
    allowed = declared_choice(lab.target.plasticity.get("PairSTDP", {}), "update", "spike")
    return f"every {lab.period(10) * lab.dt:g} ms" if allowed[0] == "every" else allowed[0]


def pairing(lab: Lab) -> Pairing:
    """The pairing scheme of rules where it does not matter: the target's own, which it names first."""
    entry = lab.target.plasticity.get("PairSTDP", {}).get("pairing")
    return entry[0] if isinstance(entry, tuple) else "nearest_restricted"  # type: ignore[return-value]


def change(lab: Lab, net: Network, steps: int) -> FloatArray:
    """What a run of that many steps adds to the weights of ``synapses``, one number per synapse."""
    size = net.population("pre").size
    executable = lab.compile(net)
    with executable.open(seed=lab.seed) as session:
        before = on_diagonal(session.get("projections.synapses.weights"), size)
        session.run(settled(executable, steps) * lab.dt)
        after = on_diagonal(session.get("projections.synapses.weights"), size)
    return np.asarray(after[0] - before[0], dtype=np.float64)


def pairing_sum(
    pre: Iterable[int], post: Iterable[int], causal: Window, anticausal: Window, scheme: str, dt: float
) -> float:
    """What the pairs of two spike trains (steps) add up to: docs/semantics.md, "Pairs", word for word."""
    s_all, t_all = sorted(set(pre)), sorted(set(post))
    both = set(s_all) & set(t_all)
    total = 0.0

    def half(step: int) -> float:
        return 0.5 if step in both else 1.0

    for s in s_all:
        for t in t_all:
            early, late = min(s, t), max(s, t)
            if s == t or scheme == "all":
                weight = 1.0
            elif scheme == "nearest_restricted":
                between = any(early < other < late for other in (*s_all, *t_all))
                weight = 0.0 if between else half(s) * half(t)
            else:  # the later spike pairs with the latest earlier one of its partner
                partner = s_all if s < t else t_all
                weight = 0.0 if any(early < other < late for other in partner) else half(late)
            window = causal if s < t else anticausal
            size = np.array([(late - early) * dt])
            if s == t:
                value = sum(float(np.asarray(w.amplitude)) * float(w.shape(size)[0]) for w in (causal, anticausal)) / 2
            else:
                value = float(np.asarray(window.amplitude)) * float(window.shape(size)[0])
            total += weight * value
    return total
