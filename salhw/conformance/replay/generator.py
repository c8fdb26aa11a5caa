"""Random networks over what a target declares: its kinds, fields and ranges, as the markers of the description say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from salhw.compiler.check import check
from salhw.compiler.place import place
from salhw.conformance.replay.cells import gentle
from salhw.conformance.replay.connectors import CONNECTORS, extended, listed
from salhw.conformance.replay.deal import Deal, replayable
from salhw.conformance.replay.dice import Dice, Infeasible, number, per_place, steps
from salhw.conformance.replay.extent import extent
from salhw.conformance.replay.observing import probes_of
from salhw.conformance.replay.phased import has_phase, is_phased, narrowed, repeatable, with_phase
from salhw.conformance.replay.removal import accepted
from salhw.description.connectivity import Connector, Sparse
from salhw.description.kernels import Kernel
from salhw.description.kinds import parts_of
from salhw.description.markers import Structure, mark_of, marks, structure
from salhw.description.network import Network
from salhw.description.neurons import Neuron
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import narrowest_bounds
from salhw.description.short_term import ShortTerm
from salhw.description.stimuli import Stimulus
from salhw.description.ties import Tie
from salhw.description.traces import Average, Trace
from salhw.diagnostics import DescriptionError, Diagnostic
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import names_in
from salhw.substrate.target import Target

STEPS = (0.05, 0.1, 0.25, 0.4, 0.5, 1.0, 2.0, 5.0)
"""The time steps in ms that networks have, as far as the target declares them; or else the nearest that it does."""
LONGEST_STIMULUS = 60
"""Steps after which stimuli that end have ended, and forced spikes have happened."""
POINTS = 6
"""How often stimuli that change in time do so, and once more, at most."""


def random_network(target: Target, seed: int) -> Network:
    """A network of one to four populations of up to 20 neurons that ``target`` takes.

    The same seed gives the same network in every process and on every machine. Every population has a Spikes probe,
    from which all else is recomputed. Networks of some seeds have another ``extent``, or a reference phase
    (``phased.has_phase``).
    """
    for attempt in range(1000):
        dice = Dice(f"salhw.replay.network {seed} {attempt}")
        try:
            if has_phase(seed):
                drawn = with_phase(_network(narrowed(target), dice, seed), dice, again=repeatable(target))
            else:
                drawn = _network(extent(seed).narrowed(target), dice, seed)
            net = accepted(drawn, lambda each: refusals(each, target))
        except (DescriptionError, Infeasible):
            continue
        if net is not None and has_phase(seed) == is_phased(net):
            return net
    raise Infeasible


def refusals(net: Network, target: Target) -> list[Diagnostic]:
    """What a target does not declare, or has no room for."""
    return [*check(net, target), *place(net.explicit, target)[1]]


# ---------------------------------------------------------------- parts


def _network(target: Target, dice: Dice, seed: int) -> Network:
    entry = target.network.get("dt")
    allowed = [dt for dt in STEPS if not isinstance(entry, Range) or entry.min <= dt <= entry.max]
    dt = allowed[seed % len(allowed)] if allowed else float(np.clip(1.0, entry.min, entry.max))  # type: ignore[union-attr]
    deal = Deal(target, dice, dt, seed, dice.chance(0.6), {}, {}, extent(seed))
    populations: list[Population] = []
    for k in range(dice.whole(*deal.extent.populations)):
        p = _population(deal, f"p{k}", [other.size for other in populations])
        populations += [p] if p is not None else []
    if not populations:
        raise Infeasible
    traces = [t for p in populations for t in _traces(deal, p)]
    projections = _projections(deal, populations, traces)
    ties = _ties(deal, projections, populations)
    stimuli = [s for p in populations for s in _stimuli(deal, p, traces)]
    probes = probes_of(deal, populations, projections, traces)
    return Network(
        name="random", dt=dt, populations=populations, projections=projections,
        stimuli=stimuli, probes=probes, traces=traces, ties=ties,
    )  # fmt: skip


def _made(cls: Any, draw: Any, tries: int = 20) -> Any:
    """A part of drawn fields; those that contradict each other are drawn again."""
    for _ in range(tries - 1):
        try:
            return cls(**draw())
        except DescriptionError:
            continue
    return cls(**draw())


def _population(deal: Deal, name: str, sizes: list[int]) -> Population | None:
    """Of a size of its own, or one of those that there are: neurons can then be joined one to one."""
    kind = _model(deal)
    if kind is None:
        return None
    size = round(float(np.exp(deal.dice.uniform(*np.log(deal.extent.neurons)))))
    if sizes and deal.dice.chance(0.5):
        size = deal.dice.one(sizes)
    cls = Neuron.members[kind]
    neuron = _made(cls, lambda: deal.fields(cls, deal.target.neurons[kind], (size,)))
    positions = [[deal.dice.uniform(0.0, 1.0)] for _ in range(size)]
    return Population(name=name, size=size, neuron=neuron, positions=positions)


def _model(deal: Deal) -> str | None:
    """A kind of neuron for steps of this length: first whether it decides at random, by its potential or by stimuli
    alone, as rules need the first; then one that does."""
    known = {name: Neuron.members[name] for name in deal.target.neurons if replayable(Neuron, name)}
    able = [name for name, cls in known.items() if deal.dt <= cls.longest_dt]
    alike = {name: {"decision", "rate"} & known[name].offers for name in able}
    first = [name for k, name in enumerate(able) if alike[name] not in [alike[other] for other in able[:k]]]
    kind = deal.kind(Neuron, first)
    return None if kind is None else deal.kind(Neuron, [name for name in able if alike[name] == alike[kind]])


def _traces(deal: Deal, p: Population) -> list[Trace]:
    offers, made = p.neuron.offers, []
    quantities = ["spikes"]
    if "membrane" in offers:
        quantities += ["membrane", "inputs", *(f"inputs.{name}" for name in p.neuron.input_gains)]
    for k, of in enumerate(deal.dice.shuffled(quantities)[: deal.dice.whole(0, 3)]):
        if kind := deal.kind(Average, deal.target.averages):
            cls = Average.members[kind]
            window = cls(**deal.fields(cls, deal.target.averages[kind], ()))
            made.append(Trace(name=f"t{p.name}{k}", population=p.name, of=of, window=window))
    return made


def _projections(deal: Deal, populations: list[Population], traces: list[Trace]) -> list[Projection]:
    """Some between populations at random; and one or two more that are parallel to one of them, or lead back."""
    able = [p for p in populations if "membrane" in p.neuron.offers or "bias" in p.neuron.offers]
    ends = [
        (deal.dice.one(populations), deal.dice.one(able or populations))
        for _ in range(deal.dice.whole(*deal.extent.projections))
    ]
    made = [_projection(deal, f"q{k}", pre, post, traces) for k, (pre, post) in enumerate(ends)]
    for _ in range(deal.dice.whole(*deal.extent.parallel)):
        k = deal.dice.whole(0, len(ends) - 1)
        pre, post = ends[k]
        back = pre in able and deal.dice.chance(0.4)
        bare = _same_synapses(deal, made[k], pre, post, back) if deal.dice.chance(0.6) else None
        ends.append((post, pre) if back else (pre, post))
        made.append(_projection(deal, f"q{len(made)}", *ends[-1], traces, bare))
    return made


def _same_synapses(deal: Deal, p: Projection, pre: Population, post: Population, back: bool) -> Connector | None:
    """A list of the synapses of a projection, or of those ``back``, so that either can be the other's copy."""
    if "Sparse" not in names_in(deal.target.projections, "connectivity"):
        return None
    i, j, _ = listed(p.weights, p.name, pre, post).synapses(post.size, pre.size, p.recurrent)
    weight = _weight(deal)
    return Sparse(post=j if back else i, pre=i if back else j, weight=[weight() for _ in i], **p.weights.beyond)


def _weight(deal: Deal) -> Callable[[], Any]:
    mark, strength = dict(marks(Projection))["weights"], deal.extent.strength
    ordinary = partial(number, deal.dice, mark, deal.target.projections.get("weights"), deal.dt)
    return ordinary if strength == 1.0 else lambda: strength * ordinary()


def _projection(
    deal: Deal, name: str, pre: Population, post: Population, traces: list[Trace], bare: Connector | None = None
) -> Projection:
    target, dice, recurrent = deal.target, deal.dice, pre.name == post.name
    bare = _connector(deal, post.size, pre.size, recurrent) if bare is None else bare
    shape = listed(bare, name, pre, post).shape(post.size, pre.size)
    periods = [end.neuron.refractory_period or np.inf for end in (pre, post) if deal.extent.brief]
    kernel = deal.once("kernel", partial(_kernel, deal, min(periods, default=np.inf)))
    rules = [rule for _ in range(dice.one(deal.extent.rules)) for rule in _rules(deal, post, shape, traces)]
    rules = [] if recurrent and "autapses" in bare.beyond else rules
    e_rev, gains = _reversal(deal, post), list(post.neuron.input_gains)
    if e_rev is not None:
        rules, gains = [rule.replace(bounds=(0.0, (rule.bounds or (0.0, 1.0))[1])) for rule in rules], []
        bare = bare.clipped(0.0, np.inf, recurrent)
    delay: Any = 0.0
    mark, declared = mark_of(Projection, "delay"), target.projections
    if "delay" in names_in(declared, "arrays") and (not rules or dice.chance(0.3)):  # on some targets of static ones
        delay = per_place(dice, "delay", mark, declared, deal.dt, shape)
    elif "delay" in declared:
        delay = number(dice, mark, declared["delay"], deal.dt)
    return Projection(
        name=name, pre=pre.name, post=post.name, weights=bare.clipped(*narrowest_bounds(rules), recurrent),
        kernel=kernel, delay=delay if dice.chance(0.6) else 0.0, plasticity=rules, into=dice.one([*gains, None]),
        e_rev=e_rev, short_term=_short_term(deal, name, learns=bool(rules)),
    )  # fmt: skip


def _reversal(deal: Deal, post: Population) -> float | None:
    """The reversal potential of synapses onto a population, where they are conductances; in networks whose parts are
    alike all of them are, or none. Drawn by themselves, so that all else is what it is without."""
    entry, mark = deal.target.projections.get("e_rev"), mark_of(Projection, "e_rev")
    if entry is None or mark.needs not in post.neuron.offers:
        return None
    dice = Dice(f"{deal.dice.seed} conductances onto {post.name}")
    if not deal.once(f"conductances onto {post.name}", partial(dice.chance, 0.5)):
        return None
    value: float = deal.once("e_rev", partial(number, dice, mark, entry, deal.dt))
    return value


def _short_term(deal: Deal, name: str, learns: bool) -> ShortTerm | None:
    """That of a projection, seldom of one that learns, because some targets have not both. Drawn by itself, as reversal
    potentials are."""
    deal = replace(deal, dice=Dice(f"{deal.dice.seed} short-term plasticity of {name}"))
    kind = deal.kind(ShortTerm, deal.target.short_term)
    if kind is None or not deal.dice.chance(0.2 if learns else 0.6):
        return None
    cls = ShortTerm.members[kind]
    made: ShortTerm = _made(cls, lambda: deal.fields(cls, deal.target.short_term[kind], ()))
    return made


def _kernel(deal: Deal, longest: float) -> Kernel:
    """With a time constant of ``longest`` ms at most."""
    kind = deal.kind(Kernel, deal.target.kernels)
    if kind is None:
        raise Infeasible
    cls, declared = Kernel.members[kind], deal.target.kernels[kind]
    if isinstance(times := declared.get("tau_syn"), Range) and longest < times.max:
        if longest < times.min:
            raise Infeasible
        declared = declared | {"tau_syn": Range(min=times.min, max=longest)}
    made: Kernel = _made(cls, lambda: deal.fields(cls, declared, ()))
    return made


def _connector(deal: Deal, n_post: int, n_pre: int, recurrent: bool) -> Connector:
    declared = names_in(deal.target.projections, "connectivity")
    equal = n_post == n_pre and not recurrent
    fitting = [name for name in declared if name != "OneToOne" or equal]
    if equal and "OneToOne" in declared and deal.dice.chance(0.3):  # sizes are seldom equal
        fitting = ["OneToOne"]
    kind = deal.kind(Connector, declared, fitting)
    if kind is None:
        raise Infeasible
    draw = CONNECTORS.kinds[Connector.members[kind]]
    beyond, weight = names_in(deal.target.projections, "synapses"), _weight(deal)
    return extended(deal.dice, draw(deal.dice, n_post, n_pre, recurrent, weight), n_post, recurrent, weight, beyond)


def _rules(deal: Deal, post: Population, shape: tuple[int, ...], traces: list[Trace]) -> list[PlasticityRule]:
    """A rule of the target's, or of its host; none where no kind fits."""
    target, dice = deal.target, deal.dice
    mine = [t for t in traces if t.population == post.name]
    hosted = bool(target.host) and (not target.plasticity or dice.chance(0.4))
    declared, windows = (target.host, target.host) if hosted else (target.plasticity, target.windows)

    def nameable(cls: type[PlasticityRule], marker: Structure) -> list[str]:
        return [t.name for t in (traces if marker.whose == "any" else mine) if t.quantity in cls.reads]

    def fits(cls: type[PlasticityRule]) -> bool:
        named = [m for _, m in structure(cls) if m.names == "trace"]
        return cls.needs in post.neuron.offers and all(nameable(cls, marker) for marker in named)

    known = PlasticityRule.members
    kind = deal.kind(PlasticityRule, declared, [name for name in declared if name in known and fits(known[name])])
    if kind is None:
        return []
    cls, capability = PlasticityRule.members[kind], declared[kind]
    drawn = deal.fields(cls, capability, shape)
    for name, marker in structure(cls):
        if marker.names == "trace":
            drawn[name] = dice.one(nameable(cls, marker))
    for name, group in parts_of(cls):
        part = deal.kind(group, windows)
        if part is None:
            return []
        fields = deal.fields(group.members[part], windows[part], shape)
        shared = {
            each: deal.once(f"{name} {each} {hosted}", partial(fields.get, each)) for each in fields if each == "tau"
        }
        drawn[name] = group.members[part](**fields | shared)
    drawn["update"] = _schedule(deal, cls, capability)
    drawn["execution"] = "host" if hosted else "chip"
    bounds = capability.get("bounds")
    feeds_back = any(marker.names == "trace" for _, marker in structure(cls))  # and would carry weights ever further
    if isinstance(bounds, Range) and (feeds_back or dice.chance(0.5)):
        low, high = (float(f"{dice.uniform(0.3, 2.0):.4g}") for _ in range(2))
        drawn["bounds"] = (max(-low, bounds.min), min(high, bounds.max))
    return [cls(**drawn)]


def _schedule(deal: Deal, cls: type[PlasticityRule], capability: Capability) -> str:
    """When a rule changes weights."""
    update = deal.choice(f"{cls.__name__}.update", names_in(capability, "update") or ("spike",))[0]
    if update != "every":
        return update
    periods = capability.get("every")
    low = max(1, int(np.ceil(periods.min / deal.dt - 1e-9))) if isinstance(periods, Range) else 1
    high = max(low, min(40, int(periods.max / deal.dt + 1e-9)) if isinstance(periods, Range) else 40)
    return f"every {steps(deal.dice.whole(low, high), deal.dt)!r} ms"


def _ties(deal: Deal, projections: list[Projection], populations: list[Population]) -> list[Tie]:
    """Most of the projections without a rule that can be copies of one of the others; conductances are none."""
    capability, made = deal.target.ties, list[Tie]()
    if capability is None:
        return []
    fields, bare = dict(marks(Tie)), [p.replace(plasticity=()) for p in projections]
    projections = [p for p in projections if p.e_rev is None]
    for copy in [p for p in projections if not p.plasticity and deal.dice.chance(0.8)]:
        drawn = {
            name: number(deal.dice, mark, capability.get(name), deal.dt)
            for name, mark in fields.items()
            if name in capability and (name != "every" or deal.choice("Tie.every", (True, False))[0])
        }
        ways = deal.choice("transpose", (True, False)) if "transpose" in drawn else [False]
        for way, of in [(way, of) for way in ways for of in deal.dice.shuffled(projections)]:
            tie = Tie(projection=copy.name, to=of.name, **drawn | {"transpose": way})
            try:
                Network(
                    name="tied", dt=deal.dt, populations=populations, projections=bare,
                    ties=[*made, tie],
                )  # fmt: skip
            except DescriptionError:
                continue
            made.append(tie)
            break
    return made


def _stimuli(deal: Deal, p: Population, traces: list[Trace]) -> list[Stimulus]:
    """Of each kind that can act on a population none, one or two; Poisson or forced spikes where nothing else makes its
    neurons spike."""
    declared, made = deal.target.stimuli, []
    for name in declared:
        if name not in Stimulus.members or not replayable(Stimulus, name):
            continue
        cls = Stimulus.members[name]
        mine = [t.name for t in traces if t.population == p.name and t.quantity in cls.reads]
        named = any(marker.names == "trace" for _, marker in structure(cls))
        if cls.needs not in p.neuron.offers or (named and not mine):
            continue
        often = (1, 1, 2) if cls.needs == "rate" else (0, 0, 1, 1, 2)
        for _ in range(deal.dice.one(often)):
            made.append(_stimulus(deal, cls, declared[name], p, mine))
    return made


def _stimulus(deal: Deal, cls: type[Stimulus], capability: Capability, p: Population, traces: list[str]) -> Stimulus:
    dice, acts_on = deal.dice, p.size
    drawn: dict[str, Any] = {}
    for name, marker in structure(cls):
        if marker.names == "population":
            drawn[name] = p.name
        elif marker.names == "trace":
            drawn[name] = dice.one(traces)
        elif marker.index and dice.chance(0.7):
            drawn[name] = sorted(dice.subset(range(p.size), 1))
            acts_on = len(drawn[name])
        elif marker.unit == "ms":
            drawn[name] = [[steps(t, deal.dt) for t in _train(dice)] for _ in range(p.size)]
    marked = deal.fields(cls, capability, (acts_on,))
    if "stop" in capability and "start" in marked:
        marked["start"] = steps(dice.whole(0, LONGEST_STIMULUS), deal.dt) if dice.chance(0.7) else 0.0
        span = dice.whole(1, 2 * LONGEST_STIMULUS)
        marked["stop"] = steps(round(marked["start"] / deal.dt) + span, deal.dt) if dice.chance(0.7) else None
    if marked.get("every") is not None:
        for name, mark in ((name, mark) for name, mark in marks(cls) if mark.per == "point"):
            points = dice.whole(1, POINTS)
            shape = (points, acts_on) if dice.chance(0.5) else (points,)
            marked[name] = per_place(dice, name, mark, capability, deal.dt, shape)
    if "gain" in marked:
        marked["gain"] = gentle(p.neuron, marked["gain"])
    return cls(**drawn, **marked)


def _train(dice: Dice) -> list[int]:
    """The steps of some forced spikes of one neuron."""
    return sorted({dice.whole(0, 3 * LONGEST_STIMULUS) for _ in range(dice.whole(0, 7))})
