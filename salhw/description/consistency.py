"""What makes a network as a whole consistent: names, shapes, the time grid, and what goes with what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from salhw.description.connectivity import count, synapses, wrong_shape
from salhw.description.distributions import Distribution
from salhw.description.fields import IntArray, defaults
from salhw.description.grid import off_grid
from salhw.description.kinds import Kind
from salhw.description.markers import marks, structure
from salhw.description.neurons import Neuron
from salhw.description.parts import Population, Projection, rule_name, variables
from salhw.description.plasticity import PlasticityRule
from salhw.description.plasticity.rule import narrowest_bounds, reference_of
from salhw.description.probes import Probe, SynapseVariable, Variable
from salhw.description.stimuli import Course, Stimulus
from salhw.description.ties import Tie, originals
from salhw.description.traces import Trace
from salhw.diagnostics import Diagnostic
from salhw.diagnostics.wording import nearest, number, one_of, shown


def contradictions(
    dt: float,
    populations: Sequence[Population],
    projections: Sequence[Projection],
    stimuli: Sequence[Stimulus],
    probes: Sequence[Probe],
    traces: Sequence[Trace] = (),
    ties: Sequence[Tie] = (),
) -> Iterator[Diagnostic]:
    """Every contradiction between the parts of a network, with its path."""
    known = {p.name: p for p in populations}
    names = {
        "population": [*known], "projection": [p.name for p in projections], "trace": [t.name for t in traces],
    }  # fmt: skip
    yield from chain(
        _names({"populations": populations, "projections": projections, "traces": traces}),
        (f for p in populations for f in _fields(f"populations.{p.name}", p.neuron, dt, p.size)),
        (f for p in populations for f in _positions(p)),
        (f for p in populations for f in _too_coarse(p, dt)),
        (f for p in projections for f in _projection(p, known, traces, dt)),
        (f for k, s in enumerate(stimuli) for f in _stimulus(f"stimuli[{k}]", s, known, traces, dt)),
        (f for k, p in enumerate(probes) for f in _probe(f"probes[{k}]", p, known, names, projections, dt)),
        (f for k, p in enumerate(probes) for f in _synapses_of_probe(f"probes[{k}]", p, projections, known)),
        (f for t in traces for f in _trace(t, known, dt)),
        _repeated(probes),
        _reference_phase(projections, stimuli),
        (f for k in range(len(ties)) for f in _tie(k, ties, {p.name: p for p in projections}, known, dt)),
    )


def counts_synapses(projections: Sequence[Projection], ties: Sequence[Tie]) -> bool:
    """Whether something has to fit synapses that are yet to be drawn: an array with an entry for each, or copies."""
    drawn = {p.name: p for p in projections if p.weights.drawn}
    arrays = (value for p in drawn.values() for value in (p.weights.stored, p.delay, *_of_synapses(p.plasticity)))
    return any(isinstance(value, np.ndarray) for value in arrays) or any(
        name in drawn for tie in ties for name in (tie.projection, tie.to)
    )


def _of_synapses(items: Iterable[Kind]) -> Iterator[Any]:
    """The values of some rules and their parts that may be one for each synapse."""
    for item in items:
        yield from (getattr(item, name) for name, mark in marks(type(item)) if mark.per == "synapse")
        yield from _of_synapses(part for _, part in item.parts())


def _names(groups: Mapping[str, Sequence[Population | Projection | Trace]]) -> Iterator[Diagnostic]:
    for group, items in groups.items():
        for name, times in Counter(item.name for item in items).items():
            if times > 1:
                yield Diagnostic("SAL006", f"{group}.{name}", f"{times} times", "every name once", "rename the others")


def _fields(path: str, item: Kind | Projection | Tie, dt: float, neurons: int) -> Iterator[Diagnostic]:
    """What the markers say of an item's fields: arrays per neuron have ``neurons`` entries, times are on the grid."""
    for name, mark in marks(type(item)):
        value = getattr(item, name)
        if mark.per == "neuron":
            yield from wrong_shape(f"{path}.{name}", value, (neurons,))
        if mark.grid is not None and not isinstance(value, Distribution):  # of which steps are drawn
            yield from off_grid(f"{path}.{name}", value, dt, mark.grid)


def _positions(p: Population) -> Iterator[Diagnostic]:
    if p.positions is not None and (len(p.positions) != p.size or not 1 <= p.positions.shape[1] <= 3):
        supported = f"shape ({p.size}, 1), ({p.size}, 2) or ({p.size}, 3)"
        fix = "one row of coordinates per neuron"
        yield Diagnostic("SAL003", f"populations.{p.name}.positions", f"shape {p.positions.shape}", supported, fix)


def _too_coarse(p: Population, dt: float) -> Iterator[Diagnostic]:
    if dt > p.neuron.longest_dt:
        limit = f"<= {number(p.neuron.longest_dt)} ms"
        supported = f"{limit} for {p.neuron.kind} neurons, such as {p.name}"
        yield Diagnostic("SAL012", "dt", f"{number(dt)} ms", supported, f"dt {limit}")


def _named(path: str, item: Kind | Projection | Trace | Tie, names: dict[str, list[str]]) -> Iterator[Diagnostic]:
    """Names that nothing has."""
    for field, marker in structure(type(item)):
        known = names.get(marker.names, [])
        if marker.names in names and (name := getattr(item, field)) not in known:
            fix = nearest(name, known, "check the spelling, or add it")
            yield Diagnostic("SAL009", f"{path}.{field}", shown(name), one_of(known), fix)


def _projection(
    p: Projection, known: dict[str, Population], traces: Sequence[Trace], dt: float
) -> Iterator[Diagnostic]:
    path = f"projections.{p.name}"
    unknown = [*_named(path, p, {"population": [*known]})]
    yield from unknown
    yield from _fields(path, p, dt, 0)
    yield from _fields(f"{path}.kernel", p.kernel, dt, 0)
    if p.short_term is not None:
        yield from _fields(f"{path}.short_term", p.short_term, dt, 0)
    for k, rule in enumerate(p.plasticity):
        yield from off_grid(f"{path}.{rule_name(p, k)}.update", rule.period, dt)
    if unknown:
        return
    yield from _input(f"{path}.into", p.into, known[p.post])
    for field, mark in marks(Projection):
        if mark.needs and getattr(p, field) != defaults(Projection)[field]:
            yield from _needed(f"{path}.{field}", mark.needs, known[p.post])
    if p.e_rev is not None:
        yield from _conductances(path, p)
    sizes = known[p.post].size, known[p.pre].size
    yield from p.weights.contradictions(f"{path}.weights", *sizes, p.recurrent)
    if p.recurrent and p.plasticity and "autapses" in p.weights.beyond:
        supported, fix = "synapses between two neurons, if they learn", "give autapses a projection without rules"
        yield Diagnostic("SAL012", f"{path}.weights.autapses", "true", supported, fix)
    shape = None if p.weights.drawn else p.weights.shape(*sizes)
    if shape is not None:
        yield from wrong_shape(f"{path}.delay", p.delay, shape, _each(shape))
    if p.weights.placed:
        yield from _placed(f"{path}.weights", known[p.post], known[p.pre])
    for k, rule in enumerate(p.plasticity):
        yield from _needed(f"{path}.{rule_name(p, k)}", rule.needs, known[p.post])
        yield from _read(f"{path}.{rule_name(p, k)}", rule, p.post, traces)
        if shape is not None:
            yield from _per_synapse(f"{path}.{rule_name(p, k)}", rule, shape)
        if rule.bounds is not None:
            yield from p.weights.outside(f"{path}.weights", *rule.bounds, p.recurrent)


def _conductances(path: str, p: Projection) -> Iterator[Diagnostic]:
    """Conductances that are negative, or might become so."""
    if p.into is not None:
        yield Diagnostic("SAL012", f"{path}.into", "conductances", "currents", "scale the weights, and leave it out")
    low, high = narrowest_bounds(p.plasticity)
    if p.plasticity and low < 0.0:
        asked, fix = f"bounds {number(low)}..{number(high)}", "bounds = (0, ...)"
        yield Diagnostic("SAL012", f"{path}.plasticity", asked, "bounds of conductances, from 0 on", fix)
    elif not p.weights.drawn and np.any(np.asarray(p.weights.stored) < 0.0):
        least = number(float(np.min(p.weights.stored)))
        supported, fix = "conductances >= 0", "positive weights; a low e_rev makes them inhibit"
        yield Diagnostic("SAL005", f"{path}.weights", least, supported, fix)


def _input(path: str, name: str | None, population: Population) -> Iterator[Diagnostic]:
    """A finding if a population has no input of that name."""
    inputs = [*population.neuron.input_gains]
    if name is not None and name not in inputs:
        fix = nearest(name, inputs, f"give it a gain in populations.{population.name}.inputs")
        yield Diagnostic("SAL009", path, shown(name), one_of(inputs), fix)


def _placed(path: str, post: Population, pre: Population) -> Iterator[Diagnostic]:
    """A finding if the neurons of two populations have no distance."""
    dimensions = {p.name: 0 if p.positions is None else p.positions.shape[1] for p in (pre, post)}
    for name in [name for name, axes in dimensions.items() if not axes]:
        supported, fix = f"positions of {name}", f"give Population({name!r}, ..., positions=...)"
        yield Diagnostic("SAL012", path, "distances", supported, fix)
    if len({*dimensions.values()} - {0}) > 1:
        asked = ", ".join(f"{name} in {axes} dimensions" for name, axes in dimensions.items())
        yield Diagnostic("SAL012", path, asked, "positions in the same space", "give both equally many coordinates")


def _trace(trace: Trace, known: dict[str, Population], dt: float) -> Iterator[Diagnostic]:
    path = f"traces.{trace.name}"
    unknown = [*_named(path, trace, {"population": [*known]})]
    yield from unknown
    yield from _fields(f"{path}.window", trace.window, dt, 0)
    if not unknown:
        population = known[trace.population]
        needs = "spikes" if trace.quantity == "spikes" else "membrane"
        yield from _needed(f"{path}.population", needs, population)
        yield from _input(f"{path}.of", trace.input, population)


def _per_synapse(path: str, item: Kind, shape: tuple[int, ...]) -> Iterator[Diagnostic]:
    """Arrays of a rule, and of its parts, that do not have an entry for each synapse."""
    for name, mark in marks(type(item)):
        if mark.per == "synapse":
            yield from wrong_shape(f"{path}.{name}", getattr(item, name), shape, _each(shape))
    for name, part in item.parts():
        yield from _per_synapse(f"{path}.{name}", part, shape)


def _each(shape: tuple[int, ...]) -> str:
    """What an array of a connector's shape has an entry for."""
    return "synapse" if len(shape) == 1 else "synapse, [post, pre]"


def _read(path: str, item: PlasticityRule | Stimulus, population: str, traces: Sequence[Trace]) -> Iterator[Diagnostic]:
    """Traces that an item names and that are not there, not of the population that it acts on, or of what it cannot
    read."""
    unknown = [*_named(path, item, {"trace": [trace.name for trace in traces]})]
    yield from unknown
    for field, marker in structure(type(item)):
        if marker.names == "trace" and not unknown:
            trace = next(trace for trace in traces if trace.name == getattr(item, field))
            if marker.whose == "its own" and trace.population != population:
                asked, supported = f"{trace.name}, of {trace.population}", f"traces of {population}"
                yield Diagnostic("SAL012", f"{path}.{field}", asked, supported, "name another trace, or add one")
            elif trace.quantity not in item.reads:
                asked, supported = f"{trace.name}, of {trace.of}", f"traces of {' or '.join(sorted(item.reads))}"
                yield Diagnostic("SAL012", f"{path}.{field}", asked, supported, "name another trace, or add one")


def _tie(
    k: int, ties: Sequence[Tie], projections: dict[str, Projection], known: dict[str, Population], dt: float
) -> Iterator[Diagnostic]:
    path, tie = f"ties[{k}]", ties[k]
    unknown = [*_named(path, tie, {"projection": [*projections]})]
    yield from unknown
    yield from _fields(path, tie, dt, 0)
    ends = {p for name in (tie.projection, tie.to) if name in projections for p in _ends(projections[name])}
    if unknown or not ends <= known.keys():
        return
    if any(other.projection == tie.projection for other in ties[:k]):
        yield Diagnostic("SAL006", f"{path}.projection", f"{tie.projection} twice", "one tie for each", "keep one")
    if projections[tie.projection].plasticity:
        supported, fix = "a projection without plasticity", "let the original learn"
        yield Diagnostic("SAL012", f"{path}.projection", f"{tie.projection}, which learns", supported, fix)
    for field, p in (("projection", projections[tie.projection]), ("to", projections[tie.to])):
        if p.e_rev is not None:
            yield Diagnostic("SAL012", f"{path}.{field}", f"{p.name}, of conductances", "currents", "write its weights")
    if tie.to in {other.projection for other in ties}:
        yield Diagnostic("SAL012", f"{path}.to", f"{tie.to}, a copy itself", "an original", "tie it to the original")
        return
    both = projections[tie.projection], projections[tie.to]
    if any([*_shapes(p, known)] or p.weights.drawn for p in both):
        return
    copies, of = (synapses(p.weights, known[p.post].size, known[p.pre].size, p.recurrent) for p in both)
    missing = np.flatnonzero(originals(copies, of, tie.transpose) < 0)
    for at in missing[:1]:
        asked = f"{tie.projection}[{copies[0][at]}][{copies[1][at]}]"
        supported = f"synapses that {tie.to} has{', transposed' * tie.transpose}"
        yield Diagnostic("SAL012", f"{path}.projection", asked, supported, "leave that synapse out, or transpose")


def _shapes(p: Projection, known: dict[str, Population]) -> Iterator[Diagnostic]:
    """What is wrong with a projection's synapses, which is said at the projection."""
    return p.weights.contradictions("", known[p.post].size, known[p.pre].size, p.recurrent)


def _ends(p: Projection) -> tuple[str, str]:
    return p.pre, p.post


def _stimulus(
    path: str, stimulus: Stimulus, known: dict[str, Population], traces: Sequence[Trace], dt: float
) -> Iterator[Diagnostic]:
    unknown = [*_named(path, stimulus, {"population": [*known]})]
    yield from unknown
    if unknown:
        return
    population = known[stimulus.population]
    yield from _read(path, stimulus, population.name, traces)
    otherwise = "drive a Source population and project from it" if stimulus.needs == "rate" else ""
    yield from _needed(f"{path}.population", stimulus.needs, population, otherwise)
    yield from stimulus.contradictions(path, population.size, dt)
    yield from _beyond(path, stimulus, "neuron", population.size, population.name)
    yield from _fields(path, stimulus, dt, stimulus.neurons_of(population.size))


def _reference_phase(projections: Sequence[Projection], stimuli: Sequence[Stimulus]) -> Iterator[Diagnostic]:
    """What does not go with a phase in which all weights are zero and the session's time stands still."""
    paths = {
        f"projections.{p.name}.{rule_name(p, k)}": rule for p in projections for k, rule in enumerate(p.plasticity)
    }
    phases = {path: phase for path, rule in paths.items() if (phase := reference_of(rule)) is not None}
    first = next(iter(phases.values()), None)
    for path, phase in phases.items():
        if phase != first:
            yield Diagnostic(
                "SAL012", f"{path}.reference", str(phase), f"one phase for all rules, {first}", "take that"
            )
    for p in projections if phases else ():
        if sum(reference_of(rule) is not None for rule in p.plasticity) > 1:
            path, fix = f"projections.{p.name}.plasticity", "leave one reference out"
            yield Diagnostic("SAL012", path, "several rules with a reference phase", "one on a projection", fix)
        low, high = narrowest_bounds(p.plasticity)
        if not low <= 0.0 <= high:
            path, asked = f"projections.{p.name}.plasticity", f"bounds {number(low)}..{number(high)}"
            supported = "bounds that hold 0, as all weights are silent in a reference phase"
            yield Diagnostic("SAL012", path, asked, supported, "widen the bounds, or leave the reference out")
    for k, stimulus in enumerate(stimuli if phases else ()):
        listed = any(marker.unit == "ms" for _, marker in structure(type(stimulus)))
        changes = isinstance(stimulus, Course) and stimulus.every is not None
        if listed or changes or stimulus.span != (0.0, None):
            supported = "stimuli that last, as the session's time stands still in a reference phase"
            fix = "leave start and stop out (or the stimulus, or the reference)"
            yield Diagnostic("SAL012", f"stimuli[{k}]", f"{stimulus.kind} at set times", supported, fix)


def _beyond(path: str, item: Stimulus | Probe, of: str, size: int, name: str) -> Iterator[Diagnostic]:
    """A finding if a number ``of`` a neuron or synapse is not one of the ``size`` that ``name`` has."""
    fields = {field: getattr(item, field) for field, marker in structure(type(item)) if marker.index == of}
    chosen: dict[str, IntArray] = {field: numbers for field, numbers in fields.items() if numbers is not None}
    for field, numbers in chosen.items():
        for k in np.flatnonzero((numbers < 0) | (numbers >= size))[:1]:
            at, asked, fix = f"{path}.{field}[{k}]", str(numbers[k]), f"{name} has {size} {of}s, counted from 0"
            yield Diagnostic("SAL003", at, asked, f"0..{size - 1}" if size else f"none of no {of}s", fix)


def _needed(path: str, needs: str, population: Population, otherwise: str = "") -> Iterator[Diagnostic]:
    """A finding if the neurons of a population do not offer what is needed."""
    if needs not in population.neuron.offers:
        able = [name for name, cls in Neuron.members.items() if needs in cls.offers]
        asked = f"{population.name} of {population.neuron.kind} neurons"
        yield Diagnostic("SAL011", path, asked, " or ".join(able), otherwise or "choose another population")


def _probe(
    path: str,
    probe: Probe,
    known: dict[str, Population],
    names: dict[str, list[str]],
    projections: Sequence[Projection],
    dt: float,
) -> Iterator[Diagnostic]:
    unknown = [*_named(path, probe, names)]
    yield from unknown
    if (name := getattr(probe, "population", None)) is not None and not unknown:
        population = known[name]
        yield from _needed(f"{path}.population", probe.needs, population)
        yield from _beyond(path, probe, "neuron", population.size, name)
        if isinstance(probe, Variable) and probe.of not in (known_here := variables(population, projections)):
            fix = nearest(probe.of, known_here, "choose another population")
            yield Diagnostic("SAL009", f"{path}.of", shown(probe.of), one_of(known_here), fix)
        if probe.largest is not None and population.size > probe.largest:
            limit = f"at most {probe.largest} neurons (2**n states)"
            yield Diagnostic("SAL005", f"{path}.population", f"{population.size} neurons", limit, "split it")
    if isinstance(probe, SynapseVariable) and not unknown:
        short_term = next(p.short_term for p in projections if p.name == probe.projection)
        able = {} if short_term is None else short_term.variables
        if probe.of not in able:
            plain = f"none of {probe.projection}, which has no short-term plasticity"
            fix = nearest(probe.of, able, "choose one of these" if able else "leave the probe out, or give it some")
            yield Diagnostic("SAL009", f"{path}.of", shown(probe.of), one_of(able) if able else plain, fix)
    yield from _fields(path, probe, dt, 0)


def _synapses_of_probe(
    path: str, probe: Probe, projections: Sequence[Projection], known: dict[str, Population]
) -> Iterator[Diagnostic]:
    """Synapses that a projection has not; of one that is yet to draw them nothing is known."""
    name = getattr(probe, "projection", None)
    whole = (p for p in projections if {p.pre, p.post} <= known.keys() and not p.weights.drawn)
    for p in whole:
        if p.name == name and not [*_shapes(p, known)]:
            size = count(p.weights, known[p.post].size, known[p.pre].size, p.recurrent)
            yield from _beyond(path, probe, "synapse", size, p.name)


def _repeated(probes: Sequence[Probe]) -> Iterator[Diagnostic]:
    for (kind, name), times in Counter((p.kind, p.about) for p in probes).items():
        if times > 1:
            yield Diagnostic("SAL006", "probes", f"{times} {kind} probes of {name}", "one of a kind", "keep one")
    for label, kinds in {p.label: sorted({q.kind for q in probes if q.label == p.label}) for p in probes}.items():
        if len(kinds) > 1:
            asked = f"{' and '.join(kinds)} of {label}"
            yield Diagnostic("SAL006", "probes", asked, "a name for each in recording.traces", "rename a population")
