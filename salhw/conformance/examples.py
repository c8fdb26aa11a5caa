"""A small network for everything that a target declares, and one for everything that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any, get_args

import numpy as np

from salhw.conformance import rigs
from salhw.conformance.lab import Lab
from salhw.description.connectivity import AllToAll, Dense, OneToOne, Sparse
from salhw.description.fields import Model
from salhw.description.kernels import Kernel
from salhw.description.network import Network, Population, Projection
from salhw.description.neurons import Neuron
from salhw.description.plasticity import PairSTDP
from salhw.description.probes import Probe
from salhw.description.stimuli import Stimulus
from salhw.description.windows import Window
from salhw.diagnostics import DescriptionError
from salhw.substrate.capabilities import Capability, Range
from salhw.substrate.target import Target


def _kinds(union: Any) -> dict[str, type[Model]]:
    return {model.model_fields["kind"].default: model for model in get_args(get_args(union)[0])}


SECTIONS: dict[str, dict[str, type[Model]]] = {
    "neurons": _kinds(Neuron),
    "kernels": _kinds(Kernel),
    "windows": _kinds(Window),
    "plasticity": {"PairSTDP": PairSTDP},
    "stimuli": _kinds(Stimulus),
    "probes": _kinds(Probe),
}
CONNECTIVITY = ("Dense", "Sparse", "OneToOne", "AllToAll")
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


def ordinary(dt: float) -> dict[str, Any]:
    """What a field is where nothing else is asked for."""
    return {
        "bias": 0.0, "tau_ref": 10 * dt, "tau_m": 10 * dt, "v_rest": 0.0, "v_reset": 0.0, "v_thresh": 1.0,
        "discretisation": "logistic", "tau_syn": 10 * dt, "superposition": "sum", "delay": 0.0, "amplitude": 1.0,
        "tau": 10 * dt, "pairing": "nearest_restricted", "learning_rate": 0.01, "update": "spike",
        "rate": 20.0 / dt, "start": 0.0, "every": 5 * dt, "state": 1, "weights": 0.5,
    }  # fmt: skip


def other(dt: float) -> dict[str, Any]:
    """What a field may be instead of its default."""
    return {
        "bias": 0.5, "tau_ref": 12 * dt, "tau_m": 20 * dt, "v_rest": -0.5, "v_reset": -0.25, "v_thresh": 2.0,
        "discretisation": "exact", "tau_syn": 12 * dt, "area": 5 * dt, "superposition": "last", "delay": 2 * dt,
        "amplitude": 0.5, "tau": 12 * dt, "pairing": "all", "learning_rate": 0.02, "update": "run end",
        "bounds": (-1.0, 1.0), "rate": 10.0 / dt, "start": 2 * dt, "stop": 12 * dt,
        "every": 7 * dt, "state": 0, "weights": 0.25,
    }  # fmt: skip


def example(lab: Lab, section: str = "", kind: str = "", **wishes: Any) -> Network:
    """A network with one thing of a kind, and the plainest of everything else that it needs."""
    target, dt = lab.target, lab.dt

    def made(where: str, name: str, **fixed: Any) -> Any:
        capability: Capability = getattr(target, where).get(name, {})
        return rigs.fitted(SECTIONS[where][name], capability, dt, ordinary(dt) | wishes, **fixed)

    def first(where: str, *preferred: str) -> str:
        declared: dict[str, Capability] = getattr(target, where)
        return kind if section == where else next((name for name in (*preferred, *declared) if name in declared), "")

    source = kind == "Poisson" or (section, kind) == ("neurons", "Source")
    cell = first("neurons", "GLM", "LIF")
    if cell == "Source":
        cell = next((name for name in ("GLM", "LIF") if name in target.neurons), "Source")
    cell = "GLM" if kind == "Clamp" else cell or "GLM"
    populations = [Population(name="a", size=2, neuron=made("neurons", cell))]
    if source or kind == "OneToOne":
        feeder = "Source" if source or "Source" in target.neurons else cell
        populations.append(Population(name="x", size=2, neuron=made("neurons", feeder)))
    pre = populations[-1].name
    projections: tuple[Projection, ...] = ()
    if psp := first("kernels", "Rectangular"):
        rules: tuple[PairSTDP, ...] = ()
        if section in ("plasticity", "windows"):
            window = made("windows", first("windows", "Exponential") or "Exponential")
            rules = (made("plasticity", "PairSTDP", causal=window, anticausal=window),)
        form = kind if section == "connectivity" else (*_names(target.projections.get("connectivity")), "Dense")[0]
        delay = target.projections.get("delay")
        projections = (
            Projection(
                name="p",
                pre=pre,
                post="a",
                weights=_weights(form, rigs.within(rigs.weight_range(lab), 0.5), recurrent=pre == "a"),
                kernel=made("kernels", psp),
                plasticity=rules,
                delay=0.0 if delay is None else rigs.within(delay, 0.0, dt),
            ),
        )
    stimuli: tuple[Any, ...] = ()
    if section == "stimuli":
        times = {"times": [[3 * dt, 15 * dt], [4 * dt]]} if kind == "SpikeTimes" else {}
        stimuli = (made("stimuli", kind, population="x" if kind == "Poisson" else "a", **times),)
    probes: list[Any] = [made("probes", "Spikes", population="a")] if "Spikes" in target.probes else []
    if section == "probes":
        owner = {"projection": "p"} if kind == "Weights" else {"population": "a"}
        probes = [*(p for p in probes if p.kind != kind), made("probes", kind, **owner)]
    return Network(
        name="example", dt=dt, populations=populations, projections=projections, stimuli=stimuli, probes=probes
    )


def _weights(form: str, value: float, recurrent: bool) -> Any:
    if form == "AllToAll":
        return AllToAll(weight=value)
    if form == "OneToOne":
        return OneToOne(weight=value)
    if form == "Sparse":
        return Sparse(post=[1], pre=[0], weight=[value])
    return Dense(values=np.where(np.eye(2, dtype=np.bool_) & recurrent, 0.0, value))


def edited(net: Network, section: str, field: str, value: Any) -> Network:
    """The example with one field of its ``section`` changed.

    Raises:
        DescriptionError: there is no such network.
    """
    if section == "network":
        return net.replace(**{field: value})
    if section == "neurons":
        chosen = net.populations[-1] if net.populations[-1].neuron.kind == "Source" else net.populations[0]
        new = chosen.replace(neuron=chosen.neuron.replace(**{field: value}))
        return net.replace(populations=[new if p.name == chosen.name else p for p in net.populations])
    if section in ("stimuli", "probes"):
        *before, last = getattr(net, section)
        return net.replace(**{section: [*before, last.replace(**{field: value})]})
    (p,) = net.projections
    if section == "projections":
        p = p.replace(**{field: value})
    elif section == "kernels":
        p = p.replace(kernel=p.kernel.replace(**{field: value}))
    else:
        (rule,) = p.plasticity
        change = {field: value} if section == "plasticity" else {"causal": rule.causal.replace(**{field: value})}
        p = p.replace(plasticity=rule.replace(**change))
    return net.replace(projections=[p])


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
    for section, kind, capability, model in fields(target):
        if section in ("kernels", "projections") and not target.kernels:
            continue
        base = example(lab, section, kind)
        path = f"{section}.{kind}".rstrip(".")
        if section != "projections":
            yield Example(path, base, target)
        for field, entry in capability.items():
            if field in model.model_fields and field != "connectivity":
                for value in _allowed(lab, field, entry):
                    yield from _changed(f"{path}.{field}", base, section, field, value, target)
                if field in _names(capability.get("arrays")) and isinstance(entry, Range):
                    array = _array(lab, section, field, entry)
                    yield from _changed(f"{path}.{field}", base, section, field, array, target)


def _allowed(lab: Lab, field: str, entry: Range | tuple[str, ...]) -> list[Any]:
    """Every choice; of a range, an ordinary value and the ends that are within FACTOR of it."""
    dt = lab.dt
    if isinstance(entry, tuple):
        return [SCHEDULES.get(name, name).format(repr(lab.period(10) * dt)) for name in entry]
    usual = other(dt).get(field)
    if usual is None:
        return []
    grid = dt if field in rigs.ON_GRID else None
    if field == "bounds":
        return [tuple(rigs.within(entry, bound) for bound in usual)]
    values = [rigs.within(entry, usual, grid)]
    for end in (entry.min, entry.max):
        if abs(usual) / FACTOR <= abs(end) <= abs(usual) * FACTOR:
            values.append(rigs.within(entry, end, grid))
    if field == "weights":
        return [_weights("Dense", value, recurrent=True) for value in values]
    return values if field != "state" else [0]


def _array(lab: Lab, section: str, field: str, entry: Range | tuple[str, ...]) -> Any:
    shape = rigs.weight_shape(example(lab, section)) if section in ("windows", "plasticity") else (2,)
    values = np.full(shape, rigs.within(entry, other(lab.dt)[field]))
    return values.astype(np.int64) if field == "state" else values


def undeclared(lab: Lab) -> Iterator[Example]:
    """A network for everything that the target does not have: kinds, options, values beyond the ranges, numbers of
    neurons; and for every kind that it has, one for a copy of the target without it."""
    target, dt = lab.target, lab.dt
    for section, models in SECTIONS.items():
        if section in ("windows", "plasticity") and not target.kernels:
            continue
        for kind in models:
            have: dict[str, Capability] = getattr(target, section)
            if section == "probes" and kind == "Weights" and not target.kernels:
                continue
            without = target.replace(**{section: {name: c for name, c in have.items() if name != kind}})
            yield Example(f"{section}.{kind}", example(lab, section, kind), without, "SAL101")
    forms = rigs.forms(lab)
    for form in CONNECTIVITY if target.kernels else ():
        fewer = target.projections | {"connectivity": tuple(name for name in forms if name != form)}
        net = example(lab, "connectivity", form)
        yield Example(f"projections.connectivity = {form}", net, target.replace(projections=fewer), "SAL101")
    for section, kind, capability, model in fields(target):
        if section in ("kernels", "projections", "windows", "plasticity") and not target.kernels:
            continue
        base, path = example(lab, section, kind), f"{section}.{kind}".rstrip(".")
        for field, info in model.model_fields.items():
            entry = capability.get(field)
            if entry is None:
                if field in other(dt) and not info.is_required() and field != "weights":
                    value = other(dt)[field]
                    yield from _changed(f"{path}.{field}", base, section, field, value, target, "SAL102")
                continue
            for value, code in _beyond(lab, field, entry, model):
                yield from _changed(f"{path}.{field}", base, section, field, value, target, code)
            if field == "update" and isinstance(periods := capability.get("every"), Range):
                too_short = SCHEDULES["every"].format(repr(ceil(periods.min / dt - 1.0) * dt))
                yield from _changed(f"{path}.every", base, section, field, too_short, target, "SAL104")
            one_for_all = field in ("bias", "amplitude", "learning_rate", "rate") and isinstance(entry, Range)
            if one_for_all and field not in _names(capability.get("arrays")):
                array = _array(lab, section, field, entry)
                yield from _changed(f"{path}.{field}", base, section, field, array, target, "SAL105")
    step = target.network.get("dt")
    if isinstance(step, Range) and "Source" in target.neurons:
        (source,) = (p for p in example(lab, "neurons", "Source").populations if p.neuron.kind == "Source")
        for value in (step.min / 2, step.max * 2):
            yield Example(f"dt = {value}", Network(name="example", dt=value, populations=[source]), target, "SAL104")
    most = target.resources.get("neurons")
    if most is not None:
        (population, *others) = example(lab).populations
        yield Example(
            f"{most + 1} neurons",
            Network(name="example", dt=dt, populations=[population.replace(size=most + 1), *others]),
            target,
            "SAL201",
        )


def _beyond(lab: Lab, field: str, entry: Range | tuple[str, ...], model: type[Model]) -> Iterator[tuple[Any, str]]:
    """Values that an entry does not allow, with the code that refuses them."""
    if isinstance(entry, tuple):
        for name in SCHEDULES if field == "update" else get_args(model.model_fields[field].annotation):
            if isinstance(name, str) and name not in entry:
                choice = SCHEDULES.get(name, name).format(repr(lab.period(10) * lab.dt))
                yield choice, "SAL101" if field == "update" else "SAL103"
        return
    for value in (entry.max + max(1.0, abs(entry.max)), entry.min - max(1.0, abs(entry.min))):
        if field in rigs.ON_GRID:
            value = round(value / lab.dt) * lab.dt
        if field == "bounds":
            yield ((0.0, value) if value > 0 else (value, 0.0)), "SAL104"
        elif field == "weights":
            yield _weights("Dense", value, recurrent=True), "SAL104"
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
