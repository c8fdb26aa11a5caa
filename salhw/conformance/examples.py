"""A small network for everything that a target declares, and one for everything that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any, get_args

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.lab import Lab
from salhw.description.connectivity import BEYOND, Connector, Sparse
from salhw.description.fields import Model
from salhw.description.kernels import Kernel
from salhw.description.kinds import Kind, parts_of
from salhw.description.markers import Mark, mark_of, marks, structure
from salhw.description.network import Network
from salhw.description.neurons import Neuron
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import PlasticityRule
from salhw.description.probes import Probe
from salhw.description.short_term import ShortTerm
from salhw.description.stimuli import Stimulus
from salhw.description.ties import Tie
from salhw.description.traces import Average, Trace
from salhw.description.windows import Window
from salhw.diagnostics import DescriptionError
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.support import names_in
from salhw.substrate.target import Target

WEIGHT = mark_of(Projection, "weights")
GROUPS: tuple[type[Kind], ...] = (Neuron, Kernel, Window, PlasticityRule, Stimulus, Probe, Average, ShortTerm)
"""The groups of kinds that targets declare one by one."""

SECTIONS: dict[str, dict[str, type[Any]]] = {group.section: group.members for group in GROUPS}
SCHEDULES = {"spike": "spike", "every": "every {} ms", "run end": "run end"}
FACTOR = 100.0  # range ends are tried where they lie within this factor of an ordinary value


@dataclass(frozen=True)
class Example:
    """A network that needs ``what`` (``kernels.Alpha``, ``plasticity.PairSTDP.pairing = all``) of ``target``; where it
    has to be refused, ``code`` is the diagnostic's."""

    what: str
    net: Network
    target: Target
    code: str = ""


def ordinary(model: type[Kind], dt: float) -> dict[str, Any]:
    """What the fields of a kind are where nothing else is asked for."""
    fields = {name: mark.at(mark.ordinary, dt) for name, mark in marks(model)}
    return fields | {name: _times(s.example, dt) for name, s in structure(model) if s.example is not None}


def _times(example: Any, dt: float) -> Any:
    return [_times(item, dt) for item in example] if isinstance(example, tuple) else example * dt


def example(lab: Lab, section: str = "", kind: str = "", offers: str = "", **wishes: Any) -> Network:
    """A network with one thing of a kind, onto neurons with what they have to ``offer``, and the plainest of everything
    else that it needs."""
    target, dt = lab.target, lab.dt

    def made(where: str, name: str, **fixed: Any) -> Any:
        capability: Capability = getattr(target, where).get(name, {})
        model = SECTIONS[where][name]
        fixed = {field: value for field, value in fixed.items() if field in model.model_fields}
        return rigs.fitted(model, capability, dt, ordinary(model, dt) | wishes, **fixed)

    def first(where: str, *preferred: str) -> str:
        declared: dict[str, Capability] = getattr(target, where)
        return kind if section == where else next((name for name in (*preferred, *declared) if name in declared), "")

    model = SECTIONS.get(section, {}).get(kind)
    needs = offers or getattr(model, "needs", "spikes")
    owners = _names_of(model, needs) if model else {}
    traced = section == "averages" or "t" in owners.values()
    wanted = {"membrane"} if needs in ("rate", "spikes") else {needs, "membrane"} if traced else {needs}
    cell = _cell(target, wanted, kind if section == "neurons" else "")
    populations = [Population(name="a", size=2, neuron=made("neurons", cell))]
    form = kind if section == "connectivity" else (*_names(target.projections.get("connectivity")), "Dense")[0]
    fed = needs == "rate" or (section == "neurons" and kind != cell)
    if fed or not Connector.members[form].within_population:
        given = any("rate" in getattr(Neuron.members.get(name), "offers", ()) for name in target.neurons)
        feeder = kind if section == "neurons" and fed else _cell(target, {"rate"}) if fed or given else cell
        populations.append(Population(name="x", size=2, neuron=made("neurons", feeder)))
    if Connector.members[form].placed:
        populations = [p.replace(positions=np.arange(float(p.size))[:, None]) for p in populations]
    pre = populations[-1].name
    projections: tuple[Projection, ...] = ()
    if psp := first("kernels", *(("Exponential",) if offers == "conductance" else ("Rectangular",))):
        rules: tuple[PlasticityRule, ...] = ()
        if section in ("plasticity", "windows"):
            name = first("plasticity", "PairSTDP") or "PairSTDP"
            parts = {field: made(part.section, first(part.section, "Exponential") or "Exponential")
                     for field, part in parts_of(SECTIONS["plasticity"][name])}  # fmt: skip
            rules = (made("plasticity", name, **parts, **_names_of(SECTIONS["plasticity"][name])),)
        delay = target.projections.get("delay")
        weight = rigs.within(rigs.weight_range(lab), WEIGHT.ordinary)
        projections = (
            Projection(
                name="p",
                pre=pre,
                post="a",
                weights=_weights(form, weight, recurrent=pre == "a"),
                kernel=made("kernels", psp),
                plasticity=rules,
                delay=0.0 if delay is None else rigs.within(delay, 0.0, dt),
                short_term=made("short_term", first("short_term", "TsodyksMarkram") or "TsodyksMarkram")
                if section == "short_term" or kind == "SynapseVariable"
                else None,
            ),
        )
    traces: tuple[Trace, ...] = ()
    if traced:
        average = made("averages", first("averages", "Boxcar") or "Boxcar")
        traces = (Trace(name="t", population="a", of="inputs", window=average),)
    stimuli = (made("stimuli", kind, **owners),) if section == "stimuli" else ()
    probes: list[Any] = [made("probes", "Spikes", population="a")] if "Spikes" in target.probes else []
    if section == "probes":
        probes = [*(p for p in probes if p.kind != kind), made("probes", kind, **owners)]
    return Network(
        name="example", dt=dt, populations=populations, projections=projections, stimuli=stimuli, probes=probes,
        traces=traces,
    )  # fmt: skip


def _names_of(model: type[Kind], needs: str = "") -> dict[str, str]:
    """What a kind's fields name in an example."""
    named = {"population": "x" if needs == "rate" else "a", "projection": "p", "trace": "t"}
    return {field: named[marker.names] for field, marker in structure(model) if marker.names}


def _cell(target: Target, needs: set[str], kind: str = "") -> str:
    """A kind of neuron that offers all that is needed: ``kind``, or the first of the target's, or else of any."""
    declared = [name for name in ("GLM", "LIF", *target.neurons) if name in target.neurons]
    offers = {name: cls.offers | cls.variables.keys() for name, cls in Neuron.members.items()}
    return next(name for name in (kind, *declared, *offers) if needs <= {*offers.get(name, ())})


def _weights(form: str, value: float, recurrent: bool) -> Connector:
    connector: Connector = Connector.members[form].example(value, recurrent)
    return connector


def _beyond_pairs(net: Network, beyond: str) -> Network:
    """The example with a list of two synapses, the second of which is a neuron's own, or one that is there already."""
    (p,) = net.projections
    back = beyond == "autapses"
    weights = Sparse(post=[1, 1], pre=[0, int(back)], weight=[np.max(p.weights.stored)] * 2, **{beyond: True})
    return net.replace(projections=[p.replace(weights=weights, pre=p.post if back else p.pre)])


def edited(net: Network, section: str, field: str, value: Any) -> Network:
    """The example with one field of its ``section`` changed.

    Raises:
        DescriptionError: there is no such network.
    """
    if section == "network":
        return net.replace(**{field: value})
    if section == "neurons":
        chosen = next(p for p in reversed(net.populations) if field in type(p.neuron).model_fields)
        new = chosen.replace(neuron=chosen.neuron.replace(**{field: value}))
        return net.replace(populations=[new if p.name == chosen.name else p for p in net.populations])
    if section == "averages":
        (trace,) = net.traces
        return net.replace(traces=[trace.replace(window=trace.window.replace(**{field: value}))])
    if section in ("stimuli", "probes"):
        *before, last = getattr(net, section)
        return net.replace(**{section: [*before, last.replace(**{field: value})]})
    (p,) = net.projections
    if section == "projections":
        p = p.replace(**{field: value})
    elif section in ("kernels", "short_term"):
        name = "kernel" if section == "kernels" else section
        p = p.replace(**{name: getattr(p, name).replace(**{field: value})})
    else:
        (rule,) = p.plasticity
        if section == "plasticity":
            rule = rule.replace(**{field: value})
        else:
            name, part = next((name, part) for name, part in rule.parts() if part.section == section)
            rule = rule.replace(**{name: part.replace(**{field: value})})
        p = p.replace(plasticity=rule)
    return net.replace(projections=[p])


def tied(net: Network) -> Network:
    """The example with a copy of its projection."""
    (p,) = net.projections
    return net.replace(projections=[p, p.replace(name="q")], ties=[Tie(projection="q", to="p")])


def fields(target: Target) -> Iterator[tuple[str, str, Capability, type[Model]]]:
    """(section, kind, capability, model) of everything that the target declares fields of."""
    yield "projections", "", target.projections, Projection
    for section, models in SECTIONS.items():
        for kind, capability in getattr(target, section).items():
            if kind in models:
                yield section, kind, capability, models[kind]


def declared(lab: Lab) -> Iterator[Example]:
    """A network for every kind that the target has, every option, and the ends of every range."""
    target = lab.target
    yield Example("a network", example(lab), target)
    step = target.network.get("dt")
    if isinstance(step, Range) and step.min <= lab.dt / 2:
        yield from _changed("dt", example(lab), "network", "dt", lab.dt / 2, target)
    for kind in _names(target.projections.get("connectivity")):
        yield Example(f"projections.connectivity = {kind}", example(lab, "connectivity", kind), target)
    for beyond in _names(target.projections.get("synapses")):
        yield Example(f"projections.synapses = {beyond}", _beyond_pairs(example(lab), beyond), target)
    if target.ties is not None and target.kernels:
        yield Example("ties", tied(example(lab)), target)
    for section, kind, capability, model in fields(target):
        if section in ("kernels", "projections", "short_term") and not target.kernels:
            continue
        base = example(lab, section, kind)
        path = f"{section}.{kind}".rstrip(".")
        if section != "projections":
            yield Example(path, base, target)
        known = dict(marks(model))
        for field, entry in capability.items():
            if field in known:
                base = example(lab, section, kind, known[field].needs)
                for value in _allowed(lab, field, known[field], entry):
                    if known[field].dotted:  # a variable, of neurons that have it; all that have a membrane have inputs
                        base = example(lab, section, kind, "" if value == "inputs" else value)
                    yield from _changed(f"{path}.{field}", base, section, field, value, target)
                if field in _names(capability.get("arrays")) and isinstance(entry, Range):
                    array = _array(lab, section, known[field], entry)
                    yield from _changed(f"{path}.{field}", base, section, field, array, target)


def _allowed(lab: Lab, field: str, mark: Mark, entry: Range | tuple[str, ...]) -> list[Any]:
    """Every choice; of a range, an ordinary value and the ends that are within FACTOR of it."""
    dt = lab.dt
    if isinstance(entry, tuple):
        return [SCHEDULES.get(name, name).format(repr(lab.period(10) * dt)) for name in entry]
    usual = mark.at(mark.other, dt)
    if usual is None:
        return []
    grid = dt if mark.grid is not None else None
    if field == "bounds":
        return [tuple(rigs.within(entry, bound) for bound in usual)]
    if mark.per == "input":
        return [{name: rigs.within(entry, gain) for name, gain in usual.items()}]
    values = [rigs.within(entry, usual, grid)]
    for end in (entry.min, entry.max):
        if usual and abs(usual) / FACTOR <= abs(end) <= abs(usual) * FACTOR:
            values.append(rigs.within(entry, end, grid))
    return [_weights("Dense", value, recurrent=True) for value in values] if field == "weights" else values


def _array(lab: Lab, section: str, mark: Mark, entry: Range | tuple[str, ...]) -> Any:
    """One value for each neuron or synapse of the example."""
    shape = rigs.weight_shape(example(lab, section)) if mark.per == "synapse" else (2,)
    return np.full(shape, rigs.within(entry, mark.at(mark.other, lab.dt)))


def undeclared(lab: Lab) -> Iterator[Example]:
    """A network for everything that the target does not have: kinds, options, values beyond the ranges, numbers of
    neurons; and for every kind that it has, one for a copy of the target without it."""
    target, dt = lab.target, lab.dt
    for section, models in SECTIONS.items():
        if section in ("windows", "plasticity", "short_term") and not target.kernels:
            continue
        for kind in models:
            have: dict[str, Capability] = getattr(target, section)
            if section == "probes" and kind == "Weights" and not target.kernels:
                continue
            without = target.replace(**{section: {name: c for name, c in have.items() if name != kind}})
            yield Example(f"{section}.{kind}", example(lab, section, kind), without, "SAL101")
    if target.kernels:
        yield Example("ties", tied(example(lab)), target.replace(ties=None), "SAL101")
    forms = rigs.forms(lab)
    for form in Connector.members if target.kernels else ():
        fewer = target.projections | {"connectivity": tuple(name for name in forms if name != form)}
        net = example(lab, "connectivity", form)
        yield Example(f"projections.connectivity = {form}", net, target.replace(projections=fewer), "SAL101")
    fewer = {name: entry for name, entry in target.projections.items() if name != "synapses"}
    for beyond in BEYOND if "Sparse" in forms else ():
        net = _beyond_pairs(example(lab), beyond)
        yield Example(f"projections.synapses = {beyond}", net, target.replace(projections=fewer), "SAL101")
    for section, kind, capability, model in fields(target):
        if section in ("kernels", "projections", "windows", "plasticity", "short_term") and not target.kernels:
            continue
        base, path = example(lab, section, kind), f"{section}.{kind}".rstrip(".")
        for field, mark in marks(model):
            entry = capability.get(field)
            base = example(lab, section, kind, mark.needs)
            if entry is None:
                if mark.other is not None and not model.model_fields[field].is_required():
                    value = mark.at(mark.other, dt)
                    yield from _changed(f"{path}.{field}", base, section, field, value, target, "SAL102")
                continue
            if field in names_in(capability, "required"):
                yield from _changed(f"{path}.{field}", base, section, field, None, target, "SAL104")
            for value, code in _beyond(lab, field, mark, entry, model):
                yield from _changed(f"{path}.{field}", base, section, field, value, target, code)
            if field == "update" and isinstance(periods := capability.get("every"), Range):
                too_short = SCHEDULES["every"].format(repr(ceil(periods.min / dt - 1.0) * dt))
                yield from _changed(f"{path}.every", base, section, field, too_short, target, "SAL104")
            one_for_all = mark.may_be_array and field != "weights" and isinstance(entry, Range)
            if one_for_all and field not in _names(capability.get("arrays")):
                array = _array(lab, section, mark, entry)
                yield from _changed(f"{path}.{field}", base, section, field, array, target, "SAL105")
    step = target.network.get("dt")
    lasting = {name: cls for name, cls in Neuron.members.items() if np.isinf(cls.longest_dt)}
    timeless = [name for name, cls in lasting.items() if all(mark.unit != "ms" for _, mark in marks(cls))]
    if isinstance(step, Range) and (kind := next((name for name in timeless if name in target.neurons), "")):
        population = next(p for p in example(lab, "neurons", kind).populations if p.neuron.kind == kind)
        for value in (step.min / 2, step.max * 2):
            net = Network(name="example", dt=value, populations=[population])
            yield Example(f"dt = {value}", net, target, "SAL104")
    most = target.resources.get("neurons")
    if most is not None:
        (population, *others) = example(lab).populations
        yield Example(
            f"{most + 1} neurons",
            Network(name="example", dt=dt, populations=[population.replace(size=most + 1), *others]),
            target,
            "SAL201",
        )


def _beyond(
    lab: Lab, field: str, mark: Mark, entry: Range | tuple[str, ...], model: type[Model]
) -> Iterator[tuple[Any, str]]:
    """Values that an entry does not allow, with the code that refuses them."""
    if isinstance(entry, tuple):
        for name in SCHEDULES if field == "update" else get_args(model.model_fields[field].annotation):
            if isinstance(name, str) and name not in entry:
                choice = SCHEDULES.get(name, name).format(repr(lab.period(10) * lab.dt))
                yield choice, "SAL101" if field == "update" else "SAL103"
        return
    for value in (entry.max + max(1.0, abs(entry.max)), entry.min - max(1.0, abs(entry.min))):
        if mark.grid is not None:
            value = round(value / lab.dt) * lab.dt
        if field == "bounds":
            yield ((0.0, value) if value > 0 else (value, 0.0)), "SAL104"
        elif field == "weights":
            yield _weights("Dense", value, recurrent=True), "SAL104"
        elif mark.per == "input":
            yield dict.fromkeys(mark.other, value), "SAL104"
        else:
            yield value, "SAL104"


def _changed(
    what: str, base: Network, section: str, field: str, value: Any, target: Target, code: str = ""
) -> Iterator[Example]:
    """The example with one field changed, if there is such a network at all."""
    try:
        net = edited(base, section, field, value)
    except DescriptionError:
        return
    shown = f"shape {value.shape}" if isinstance(value, np.ndarray) else getattr(value, "kind", value)
    yield Example(f"{what} = {shown}", net, target, code)


def _names(entry: Range | tuple[str, ...] | None) -> tuple[str, ...]:
    return entry if isinstance(entry, tuple) else ()
