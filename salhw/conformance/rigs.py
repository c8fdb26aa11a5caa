"""Small networks that the interface checks share, moved into what a target declares.

Sizes are in steps of ``lab.dt``. Where a target declares no way to build one, compiling it says so (``Undeclared``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from salhw.conformance.lab import Lab, Undeclared
from salhw.description.connectivity import AllToAll, Connector, Dense, OneToOne, Sparse, shape_of
from salhw.description.fields import FloatArray, Model
from salhw.description.kernels import Kernel
from salhw.description.markers import marks
from salhw.description.network import Network
from salhw.description.neurons import Neuron, Source
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import PairSTDP, PlasticityRule
from salhw.description.probes import Probe, Spikes
from salhw.description.stimuli import Poisson, SpikeTimes, Stimulus
from salhw.description.windows import Window
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import number
from salhw.session.paths import Address, item_at
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import names_in, on_chip

LOW, HIGH = -12.0, 20.0  # a bias that silences a neuron, and an input that makes it spike
VOLLEYS, APART = 5, 40  # forced spikes per run of a relay, and the steps between them
RUN = VOLLEYS * APART

M = TypeVar("M", bound=Model)


def within(entry: Range | tuple[str, ...], wish: Any, dt: float | None = None) -> Any:
    """The allowed value nearest to ``wish``; with ``dt``, on the grid."""
    if isinstance(entry, tuple):
        return wish if wish in entry else entry[0]
    value = np.clip(wish, entry.min, entry.max)
    if dt is not None:
        steps = np.clip(round(float(value) / dt), math.ceil(entry.min / dt - 1e-9), math.floor(entry.max / dt + 1e-9))
        value = steps * dt
    return value if np.ndim(value) else float(value)


def fitted(model: type[M], capability: Capability, dt: float, wishes: Mapping[str, Any], **fixed: Any) -> M:
    """A model as near to the wishes as the capability allows; what it does not declare stays at its default."""
    given, known = dict(fixed), dict(marks(model))
    for name, entry in capability.items():
        if name in given or name not in known:
            continue
        wish = wishes[name] if name in wishes else model.model_fields[name].get_default()
        if wish is None and name in names_in(capability, "required"):
            wish = known[name].at(known[name].other, dt)
        if wish is None:
            continue
        if name == "update":
            given[name] = _update(wish, entry, capability.get("every"), dt)
        elif known[name].per == "input":
            given[name] = {group: within(entry, gain) for group, gain in wish.items()}
        elif name == "bounds":
            given[name] = tuple(within(entry, bound) for bound in wish)
        else:
            given[name] = within(entry, wish, dt if known[name].grid is not None else None)
    required = {name for name, info in model.model_fields.items() if info.is_required()} - given.keys()
    return model(**given, **{name: wishes[name] for name in required if name in wishes})


def schedule(update: str) -> str:
    """``every`` for ``every T ms``: the name of a schedule in a target file."""
    return "every" if update.startswith("every") else update


def _update(wish: str, entry: Range | tuple[str, ...], periods: Range | tuple[str, ...] | None, dt: float) -> str:
    """The schedule wished for, or the first that is allowed; its period within what is declared."""
    if not isinstance(entry, Range) and schedule(wish) not in entry:
        wish = f"every {20 * dt!r} ms" if entry[0] == "every" else entry[0]
    if schedule(wish) == "every" and isinstance(periods, Range):
        period = within(periods, float(wish.split()[1]), dt)
        return f"every {number(period)} ms"
    return wish


def missing(path: str, wanted: str, declared: Sequence[str]) -> Undeclared:
    """The target lacks every kind that a check could use."""
    supported = f"supported {', '.join(declared) or 'none'}"
    return Undeclared([Diagnostic("SAL101", path, wanted, supported)])


def neuron(lab: Lab, kinds: Sequence[str] = ("GLM", "LIF"), **wishes: Any) -> Neuron:
    """The first of ``kinds`` that the target has. By default neutral, and refractory for 10 steps.

    Raises:
        Undeclared: it has none of them.
    """
    for kind in kinds:
        if kind in lab.target.neurons:
            wishes = {"tau_ref": 10 * lab.dt, "bias": 0.0, "tau_m": 10 * lab.dt} | wishes
            made: Neuron = fitted(Neuron.members[kind], lab.target.neurons[kind], lab.dt, wishes)
            return made
    raise missing("neurons", " or ".join(kinds), [*lab.target.neurons])


def kernel(lab: Lab) -> Kernel:
    """The first PSP of 10 steps that the target has.

    Raises:
        Undeclared: it has none.
    """
    for name, tau in {"Rectangular": 10, "Exponential": 3, "Alpha": 3}.items():
        if name in lab.target.kernels:
            wishes = {"tau_syn": tau * lab.dt, "area": None}
            made: Kernel = fitted(Kernel.members[name], lab.target.kernels[name], lab.dt, wishes)
            return made
    raise missing("kernels", "any", [*lab.target.kernels])


def rule(
    lab: Lab,
    *,
    learning_rate: float = 0.1,
    causal: float = 1.0,
    anticausal: float = 1.0,
    host: bool = False,
    **wishes: Any,
) -> PairSTDP:
    """A plasticity rule with windows 10 steps wide; of the target's ``host`` if that is wished for.

    Raises:
        Undeclared: the target has no rule, or no window.
    """  # fmt: skip
    target = lab.target
    rules, of_rules = (target.host, target.host) if host else (target.plasticity, target.windows)
    if "PairSTDP" not in rules:
        raise missing("plasticity", "PairSTDP", [*rules])
    windows = ("Exponential", "Triangular")
    for kind in windows:
        if kind in of_rules:
            branches = {
                name: fitted(Window.members[kind], of_rules[kind], lab.dt, {"amplitude": amplitude, "tau": 10 * lab.dt})
                for name, amplitude in (("causal", causal), ("anticausal", anticausal))
            }
            wishes = {"learning_rate": learning_rate, "pairing": "nearest_restricted", "update": "spike"} | wishes
            made: PairSTDP = fitted(PairSTDP, rules["PairSTDP"], lab.dt, wishes, **branches)
            return made.replace(execution="host") if host else made
    raise missing("windows", " or ".join(windows), [*of_rules])


def described_range(lab: Lab) -> Range:
    """What weights may be described as."""
    declared = lab.target.projections.get("weights")
    return declared if isinstance(declared, Range) else Range(min=-1e6, max=1e6)


def weight_range(lab: Lab) -> Range:
    """What weights may be in every session: where several synapses of the hardware may make a weight together, the
    share of one of them, which every network has."""
    described, share = described_range(lab), 1.0 / lab.target.max_synapses_per_weight
    return Range(min=share * described.min, max=share * described.max)


def forms(lab: Lab) -> tuple[str, ...]:
    """The kinds of connectivity that the target declares."""
    allowed = lab.target.projections.get("connectivity")
    return allowed if isinstance(allowed, tuple) else ()


def connected(lab: Lab, matrix: FloatArray, *, recurrent: bool = False) -> Connector:
    """Weights W[post, pre] in the first form that the target declares, moved into its range.

    Raises:
        Undeclared: no form holds them.
    """
    allowed = forms(lab)
    matrix = np.asarray(within(described_range(lab), matrix), dtype=np.float64)
    if recurrent:
        matrix = np.where(np.eye(len(matrix), dtype=np.bool_), 0.0, matrix)
    synapses = matrix[~np.eye(len(matrix), dtype=np.bool_)] if recurrent else matrix
    if "Dense" in allowed:
        return Dense(values=matrix)
    if "Sparse" in allowed:
        post, pre = np.nonzero(~np.eye(len(matrix), dtype=np.bool_) if recurrent else np.ones(matrix.shape))
        return Sparse(post=post, pre=pre, weight=matrix[post, pre])
    if "AllToAll" in allowed and np.ptp(synapses) == 0.0:
        return AllToAll(weight=float(synapses.flat[0]))
    if "OneToOne" in allowed and matrix.shape == (1, 1):
        return OneToOne(weight=float(matrix[0, 0]))
    raise missing("projections.connectivity", "Dense or Sparse", allowed)


def probes(lab: Lab, *wanted: Probe) -> tuple[Probe, ...]:
    """Those of the probes that the target has."""
    return tuple(probe for probe in wanted if probe.kind in lab.target.probes)


def forced(population: str, trains: Sequence[npt.ArrayLike], dt: float) -> SpikeTimes:
    """Forced spikes, in steps."""
    return SpikeTimes(population, times=[np.asarray(train, dtype=np.float64) * dt for train in trains])


def relay(
    lab: Lab, *, runs: int = 1, weight: float = 0.0, rules: Sequence[PairSTDP] = (), bias: float = LOW
) -> Network:
    """Sources ``x`` that all spike in volleys, and two neurons ``y`` that spike only if the weights make them.

    Every RUN steps there are VOLLEYS. There are as many sources as it takes to reach the input HIGH - LOW.
    """
    strongest = max(abs(weight_range(lab).max), 1e-9)
    sources = int(np.clip(np.ceil((HIGH - LOW) / strongest), 1, 64))
    volleys = 10.0 + APART * np.arange(VOLLEYS * runs)
    return Network(
        name="relay",
        dt=lab.dt,
        populations=[
            Population(name="x", size=sources, neuron=Source()),
            Population(name="y", size=2, neuron=neuron(lab, bias=bias)),
        ],
        projections=[
            Projection(
                name="p", pre="x", post="y", weights=connected(lab, np.full((2, sources), weight)),
                kernel=kernel(lab), plasticity=tuple(rules),
            )
        ],
        stimuli=[forced("x", [volleys] * sources, lab.dt)],
        probes=probes(lab, Spikes("x"), Spikes("y")),
    )  # fmt: skip


def strong(lab: Lab) -> float:
    """A weight that makes a relay's neurons spike."""
    return float(min(weight_range(lab).max, HIGH - LOW))


def pairing(
    lab: Lab, rules: Sequence[PairSTDP], pairs: Sequence[int], *, lag: int = 2, weight: float = 0.0,
    wanted: Sequence[Probe] = (),
) -> Network:  # fmt: skip
    """One source ``x`` and one silent neuron ``y``, forced to spike ``lag`` steps after it; pairs at these steps."""
    x = np.asarray(pairs, dtype=np.float64)
    return Network(
        name="pairing",
        dt=lab.dt,
        populations=[
            Population(name="x", size=1, neuron=Source()),
            Population(name="y", size=1, neuron=neuron(lab, bias=LOW)),
        ],
        projections=[
            Projection(
                name="p", pre="x", post="y", weights=connected(lab, np.full((1, 1), weight)), kernel=kernel(lab),
                plasticity=tuple(rules),
            )
        ],
        stimuli=[forced("x", [x], lab.dt), forced("y", [x + lag], lab.dt)],
        probes=probes(lab, Spikes("x"), Spikes("y"), *wanted),
    )  # fmt: skip


def crowd(
    lab: Lab, size: int = 4, *, weight: float = 0.0, rules: Sequence[PairSTDP] = (), first: Sequence[Population] = (),
    then: Sequence[Population] = (), bias: float = 0.0, wanted: Sequence[Probe] = (),
) -> Network:  # fmt: skip
    """``size`` noisy neurons ``a``, all alike, each connected to all others; for targets without stochastic neurons,
    Poisson sources.

    Raises:
        Undeclared: nothing on the target is random.
    """
    stimuli: tuple[Stimulus, ...] = ()
    projections: tuple[Projection, ...] = ()
    if "GLM" in lab.target.neurons:
        population = Population(name="a", size=size, neuron=neuron(lab, ("GLM",), bias=bias))
        if lab.target.kernels:
            matrix = np.where(np.eye(size, dtype=np.bool_), 0.0, weight)
            weights = connected(lab, matrix, recurrent=True)
            projections = (
                Projection(name="p", pre="a", post="a", weights=weights, kernel=kernel(lab), plasticity=tuple(rules)),
            )
    elif "Poisson" in lab.target.stimuli and "Source" in lab.target.neurons:
        population = Population(name="a", size=size, neuron=Source())
        stimuli = (fitted(Poisson, lab.target.stimuli["Poisson"], lab.dt, {"rate": 50.0 / lab.dt}, population="a"),)
    else:
        raise missing("neurons", "GLM, or Source with Poisson", [*lab.target.neurons])
    return Network(
        name="crowd", dt=lab.dt, populations=[*first, population, *then], projections=projections, stimuli=stimuli,
        probes=probes(lab, Spikes("a"), *wanted),
    )  # fmt: skip


def per_pair(lab: Lab, rule: PairSTDP) -> float:
    """How far one pair of ``pairing`` moves a weight, by the causal branch."""
    window = rule.causal
    size = np.abs(np.asarray(rule.learning_rate) * np.asarray(window.amplitude) * window.shape(np.array([2 * lab.dt])))
    return max(float(size.min()), 1e-12)


def per_instance(values: Sequence[float], like: FloatArray) -> FloatArray:
    """One number per instance in the shape that a session reads and writes."""
    column = np.asarray(values, dtype=np.float64).reshape((-1,) + (1,) * (like.ndim - 1))
    return np.broadcast_to(column, like.shape).copy()


def weight_shape(net: Network, name: str = "p") -> tuple[int, ...]:
    """The shape of a projection's weights, without the instance."""
    return shape_of(net.projection(name).weights, *net.ends(name)[:2])


def resolution(lab: Lab) -> float:
    """How far a weight may be from the one that was written: half a step where the target has weight bits."""
    if lab.target.weight_bits is None:
        return 1e-9
    from salhw.compiler.quantise import weight_levels

    return 0.5 * weight_levels(lab.target)[0] * (1 + 1e-9)


def written_by_host(lab: Lab, rule: PlasticityRule) -> float:
    """How far a weight may be from what a rule makes of it because the host writes it: half a step of the weight bits,
    where it does and the target has them; 0 where the target itself learns."""
    return 0.0 if on_chip(rule, lab.target) or lab.target.weight_bits is None else resolution(lab)


def capability_of(lab: Lab, net: Network, address: Address) -> Capability:
    """What the target declares for the model that holds an address's field."""
    item = item_at(net, address)
    return (
        lab.target.projections if isinstance(item, Projection) else getattr(lab.target, item.section).get(item.kind, {})
    )


def one_for_all(lab: Lab, net: Network, address: Address) -> bool:
    """Whether the target holds a single value for all neurons, or synapses, at an address."""
    arrays = capability_of(lab, net, address).get("arrays", ())
    return address.field != "weights" and isinstance(arrays, tuple) and address.field not in arrays
