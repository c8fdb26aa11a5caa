"""Random networks over what a target declares: every kind, field and range of its TOML takes part.

``random_network(target, rng)`` draws one. With ``beyond`` > 0 each choice falls, with that probability, on something
that the target does not declare, so that ``check`` has to refuse it and its fixes can be followed.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, log10
from typing import Any

import numpy as np

import salhw
from salhw import (
    GLM,
    LIF,
    AllToAll,
    Alpha,
    Clamp,
    Current,
    Dense,
    DescriptionError,
    Exponential,
    ExponentialWindow,
    Membrane,
    Network,
    OneToOne,
    PairSTDP,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
    StateOccupancy,
    Target,
    TriangularWindow,
    Weights,
)
from salhw.substrate.capabilities import Capability, Range

EVERYTHING = salhw.target("reference")
"""The target that declares every kind."""
STEPS = (0.004, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 1.0, 2.0, 2.5, 5.0, 0.119, 0.57, 25.0)
LONGEST = 200_000  # steps: longer times take minutes, which is a matter of its own


class Draw:
    """What a target declares, as random values."""

    def __init__(self, target: Target, rng: np.random.Generator, beyond: float) -> None:
        self.target, self.rng, self.beyond = target, rng, beyond
        self.dt = 1.0
        self.alike = bool(rng.random() < 0.6)
        """Whether the projections of the network have one kernel, and its rules one window: simulators share traces."""
        self.drawn: dict[str, Any] = {}

    def once(self, what: str, drawn: Callable[[], Any]) -> Any:
        """A new value, or the network's one where things are alike."""
        if not self.alike:
            return drawn()
        if what not in self.drawn:
            self.drawn[what] = drawn()
        return self.drawn[what]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def one(self, choices: Any) -> Any:
        choices = list(choices)
        return choices[self.rng.integers(len(choices))]

    def kind(self, group: str) -> tuple[str, Capability]:
        """A kind of ``neurons``, ``kernels`` ..., with what the target says of it (or the reference, beyond)."""
        own, every = getattr(self.target, group), getattr(EVERYTHING, group)
        chosen = self.one(every if self.chance(self.beyond) or not own else own)
        return chosen, own.get(chosen, every[chosen])

    def choice(self, capability: Capability, field: str, default: str, every: Capability) -> str:
        """One of the names that a field may have."""
        names = (every if self.chance(self.beyond) else capability).get(field, (default,))
        return self.one(names) if isinstance(names, tuple) else default

    def number(self, capability: Capability, field: str, usual: tuple[float, float], default: float) -> float:
        """Mostly a usual value, sometimes any in the range, an end of it, or the default."""
        entry = capability.get(field)
        if not isinstance(entry, Range):
            return self.usual(*usual) if self.chance(self.beyond) else default
        if self.chance(self.beyond):
            return float(self.one([entry.max * 1.7 + 1.0, entry.min - 1.0, entry.max * 3 + 10.0]))
        how = self.rng.random()
        if how < 0.6:
            return float(np.clip(self.usual(*usual), entry.min, entry.max))
        return float(self.one([entry.min, entry.max])) if how < 0.7 else self.anywhere(entry)

    def usual(self, low: float, high: float) -> float:
        return float(np.round(self.rng.uniform(low, high), 4))

    def anywhere(self, entry: Range) -> float:
        """Uniform in the logarithm on either side of zero: a range of many decades is seen in all of them."""
        sides = [s for s in (-1.0, 1.0) if s * (entry.max if s > 0 else entry.min) > 0]
        if not sides:
            return 0.0
        side = self.one(sides)
        ends = sorted(abs(e) for e in (entry.min, entry.max) if e * side > 0)
        low = ends[0] if len(ends) > 1 else ends[-1] * 1e-9
        drawn = side * 10 ** self.rng.uniform(log10(max(low, 1e-9)), log10(ends[-1]))
        return float(np.clip(float(f"{drawn:.6g}"), entry.min, entry.max))

    def time(self, capability: Capability, field: str, usual: tuple[int, int], default: float, least: int = 1) -> float:
        """A whole number of steps in the range."""
        entry = capability.get(field)
        if self.chance(self.beyond):
            return self.steps(int(self.rng.integers(least, 3 * usual[1] + 1)))
        if not isinstance(entry, Range):
            return default
        low = max(least, ceil(entry.min / self.dt - 1e-9))
        high = floor(min(entry.max / self.dt, LONGEST) + 1e-9)
        if high < low:
            return default
        how = self.rng.random()
        if how < 0.7:
            return self.steps(int(np.clip(self.rng.integers(usual[0], usual[1] + 1), low, high)))
        if how < 0.85:
            return self.steps(int(self.one([low, high])))
        return self.steps(round(10 ** self.rng.uniform(log10(max(low, 1)), log10(max(high, 1)))) if high else 0)

    def steps(self, count: int) -> float:
        return float(f"{count * self.dt:.12g}")

    def per_place(
        self, capability: Capability, field: str, shape: tuple[int, ...], usual: tuple[float, float], default: float
    ) -> Any:
        """One number, or an array where the target takes one."""
        arrays = capability.get("arrays", ())
        many = isinstance(arrays, tuple) and field in arrays
        if self.chance(self.beyond) or (many and self.chance(0.5)):
            values = [self.number(capability, field, usual, default) for _ in range(int(np.prod(shape)))]
            return np.array(values, dtype=float).reshape(shape)
        return self.number(capability, field, usual, default)


def random_network(target: Target, rng: np.random.Generator, *, beyond: float = 0.0, largest: int = 5) -> Network:
    """A valid network of one to three populations of up to ``largest`` neurons; see the module."""
    while True:
        try:
            return _network(Draw(target, rng, beyond), largest)
        except DescriptionError:  # what a chip holds and what means something are two things: draw again
            continue


def _network(draw: Draw, largest: int) -> Network:
    target = draw.target
    dts = target.network.get("dt")
    assert isinstance(dts, Range)
    draw.dt = draw.one([s for s in STEPS if dts.min <= s <= dts.max] if not draw.chance(draw.beyond) else [*STEPS, 1e4])
    populations = [_population(draw, f"p{k}", largest) for k in range(draw.rng.integers(1, 4))]
    projections = [_projection(draw, f"q{k}", populations) for k in range(draw.rng.integers(0, 4))]
    return Network(
        name="random",
        dt=draw.dt,
        populations=populations,
        projections=projections,
        stimuli=[s for p in populations for s in _stimuli(draw, p)],
        probes=[*_probes(draw, populations), *_samples(draw, projections)],
    )


def _population(draw: Draw, name: str, largest: int) -> Population:
    size = int(draw.rng.integers(1, largest + 1))
    kind, capability = draw.kind("neurons")
    if kind == "GLM":
        bias = draw.per_place(capability, "bias", (size,), (-3.0, 3.0), 0.0)
        tau_ref = draw.time(capability, "tau_ref", (1, 30), 10.0)
        link = draw.choice(capability, "discretisation", "logistic", EVERYTHING.neurons["GLM"])
        return Population(name, size, GLM(bias=bias, tau_ref=tau_ref, discretisation=link))
    if kind == "LIF":
        v_reset = min(draw.number(capability, "v_reset", (-1.0, 0.5), 0.0), _highest(capability) - 0.1)
        neuron = LIF(
            bias=draw.per_place(capability, "bias", (size,), (-1.0, 3.0), 0.0),
            tau_m=draw.number(capability, "tau_m", (2.0, 40.0), 10.0),
            tau_ref=draw.time(capability, "tau_ref", (1, 10), 1.0),
            v_rest=draw.number(capability, "v_rest", (-0.5, 0.5), 0.0),
            v_reset=v_reset,
            v_thresh=max(draw.number(capability, "v_thresh", (0.6, 2.0), 1.0), v_reset + 0.1),
        )
        return Population(name, size, neuron)
    return Population(name, size, Source())


def _highest(capability: Capability) -> float:
    entry = capability.get("v_thresh")
    return entry.max if isinstance(entry, Range) else 1.0


def _projection(draw: Draw, name: str, populations: list[Population]) -> Projection:
    pre, post = draw.one(populations), draw.one(populations)
    capability = draw.target.projections
    weights, shape = _weights(draw, post.size, pre.size, pre.name == post.name)
    rules = draw.one([0, 0, 1, 1, 1, 2]) if draw.target.plasticity else 0
    return Projection(
        name=name,
        pre=pre.name,
        post=post.name,
        weights=weights,
        kernel=draw.once("kernel", lambda: _kernel(draw)),
        delay=draw.time(capability, "delay", (0, 12), 0.0, least=0) if draw.chance(0.5) else 0.0,
        plasticity=[_rule(draw, shape) for _ in range(rules)],
    )


def _weights(draw: Draw, n_post: int, n_pre: int, recurrent: bool) -> tuple[Any, tuple[int, ...]]:
    capability = draw.target.projections
    kinds = [
        k for k in (capability.get("connectivity") or ()) if k != "OneToOne" or (n_post == n_pre and not recurrent)
    ]
    kind = draw.one(kinds) if not draw.chance(draw.beyond) else "Sparse"

    def values(*shape: int) -> Any:
        drawn = [draw.number(capability, "weights", (-2.0, 2.0), 0.5) for _ in range(int(np.prod(shape)))]
        return np.array(drawn, dtype=float).reshape(shape)

    if kind == "AllToAll":
        return AllToAll(float(values())), (n_post, n_pre)
    if kind == "OneToOne":
        return OneToOne(values(n_post) if draw.chance(0.5) else float(values())), (n_post,)
    if kind == "Dense":
        matrix = values(n_post, n_pre)
        if recurrent:
            np.fill_diagonal(matrix, 0.0)
        return Dense(matrix), (n_post, n_pre)
    pairs = [(i, j) for i in range(n_post) for j in range(n_pre) if not (recurrent and i == j)]
    some = [pairs[k] for k in draw.rng.permutation(len(pairs))[: draw.rng.integers(0, len(pairs) + 1)]]
    return Sparse([i for i, _ in some], [j for _, j in some], values(len(some))), (len(some),)


def _kernel(draw: Draw) -> Any:
    kind, capability = draw.kind("kernels")
    if kind == "Rectangular":
        tau = draw.time(capability, "tau_syn", (1, 30), 10.0)
    else:
        tau = draw.number(capability, "tau_syn", (1.0, 20.0), 10.0)
    area = draw.number(capability, "area", (1.0, 20.0), 10.0) if "area" in capability and draw.chance(0.3) else None
    how = draw.choice(capability, "superposition", "sum", EVERYTHING.kernels[kind])
    return {"Rectangular": Rectangular, "Exponential": Exponential, "Alpha": Alpha}[kind](
        tau_syn=tau, area=area, superposition=how
    )


def _rule(draw: Draw, shape: tuple[int, ...]) -> PairSTDP:
    target = draw.target
    host = bool(target.host) and draw.chance(0.3)
    rules, windows = (target.host, target.host) if host else (target.plasticity, target.windows)
    capability = rules["PairSTDP"]

    def window() -> Any:
        kinds = [k for k in windows if k in ("Exponential", "Triangular")]
        kind = draw.one(kinds) if not draw.chance(draw.beyond) else "Triangular"
        of_kind = windows.get(kind, EVERYTHING.windows[kind])
        amplitude = draw.per_place(of_kind, "amplitude", shape, (-1.0, 1.0), 1.0)
        made = ExponentialWindow if kind == "Exponential" else TriangularWindow
        tau = draw.once(f"tau {kind}", lambda: draw.number(of_kind, "tau", (2.0, 30.0), 10.0))
        return made(amplitude=amplitude, tau=tau)

    schedule = draw.choice(capability, "update", "spike", EVERYTHING.plasticity["PairSTDP"])
    if schedule == "every":
        periods = {"every": capability.get("every", Range(min=0.0, max=1e9))}
        schedule = f"every {draw.time(periods, 'every', (1, 100), 100.0)!r} ms"
    causal = window()
    return PairSTDP(
        causal=causal,
        anticausal=causal if draw.chance(0.3) else window(),
        pairing=draw.choice(capability, "pairing", "nearest_restricted", EVERYTHING.plasticity["PairSTDP"]),
        learning_rate=draw.per_place(capability, "learning_rate", shape, (-0.05, 0.05), 0.01),
        update=schedule,
        bounds=_bounds(draw, capability),
        execution="host" if host else "chip",
    )


def _bounds(draw: Draw, capability: Capability) -> tuple[float, float] | None:
    entry = capability.get("bounds")
    if not isinstance(entry, Range) or draw.chance(0.5):
        return (-7.0, 7.0) if draw.chance(draw.beyond) else None
    return (max(entry.min, -2.5), min(entry.max, 2.5)) if draw.chance(0.5) else (entry.min, entry.max)


def _stimuli(draw: Draw, p: Population) -> list[Any]:
    known = (EVERYTHING if draw.chance(draw.beyond) else draw.target).stimuli.keys() - {"Teacher"}
    kinds = [k for k in EVERYTHING.stimuli if k in known and draw.chance(0.5)]
    made: list[Any] = []
    for kind in kinds:
        capability = draw.target.stimuli.get(kind, EVERYTHING.stimuli[kind])
        start = draw.steps(int(draw.rng.integers(0, 8))) if draw.chance(0.5) else 0.0
        window = {"start": start, "stop": draw.one([None, start + draw.steps(int(draw.rng.integers(1, 9)))])}
        if kind == "SpikeTimes":
            trains = [np.unique(draw.rng.integers(0, 25, draw.rng.integers(0, 5))) for _ in range(p.size)]
            made.append(SpikeTimes(p.name, [[draw.steps(int(t)) for t in train] for train in trains]))
        elif kind == "Poisson" and isinstance(p.neuron, Source):
            made.append(Poisson(p.name, draw.per_place(capability, "rate", (p.size,), (0.0, 100.0), 10.0), **window))
        elif kind == "Current" and not isinstance(p.neuron, Source):
            amplitude = draw.per_place(capability, "amplitude", (p.size,), (-2.0, 2.0), 0.0)
            made.append(Current(p.name, amplitude, **window))
        elif kind == "Clamp" and isinstance(p.neuron, GLM):
            some = sorted(draw.rng.permutation(p.size)[: draw.rng.integers(1, p.size + 1)].tolist())
            state = draw.rng.integers(0, 2, len(some)) if draw.chance(0.5) else int(draw.rng.integers(0, 2))
            made.append(Clamp(p.name, state, neurons=some, **window))
    return made


def _probes(draw: Draw, populations: list[Population]) -> list[Any]:
    own = (EVERYTHING if draw.chance(draw.beyond) else draw.target).probes
    made: list[Any] = []
    for p in populations:
        if "Spikes" in own and draw.chance(0.7):
            made.append(Spikes(p.name))
        if isinstance(p.neuron, Source):
            continue
        if "Membrane" in own and draw.chance(0.5):
            every = draw.time(own["Membrane"], "every", (1, 9), 1.0) if draw.chance(0.6) else None
            made.append(Membrane(p.name, every=every))
        if "StateOccupancy" in own and draw.chance(0.3):
            made.append(StateOccupancy(p.name))
    return made


def _samples(draw: Draw, projections: list[Projection]) -> list[Any]:
    own = draw.target.probes.get("Weights")
    if own is None:
        return []
    return [Weights(q.name, every=draw.time(own, "every", (1, 9), 1.0)) for q in projections if draw.chance(0.5)]
