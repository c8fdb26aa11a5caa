"""Every kind of every group, by what its markers say; and classes that are no kinds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salhw import DescriptionError, FixedIndegree, Network
from salhw.description.connectivity import Connector
from salhw.description.distributions import Distribution
from salhw.description.fields import Milliseconds, Model, Number
from salhw.description.kernels import Kernel
from salhw.description.kinds import Kind, parts_of
from salhw.description.markers import Mark, Structure, marks, structure, unmarked
from salhw.description.neurons import Neuron
from salhw.description.parts import Population, Projection
from salhw.description.plasticity import PlasticityRule
from salhw.description.probes import Probe, SynapseVariable
from salhw.description.short_term import ShortTerm
from salhw.description.stimuli import Stimulus
from salhw.description.traces import Average
from salhw.description.windows import Window

GROUPS: tuple[type[Kind], ...] = (
    Neuron, Kernel, Window, PlasticityRule, Connector, Distribution, Stimulus, Probe, Average, ShortTerm
)  # fmt: skip
KINDS = [pytest.param(cls, id=f"{group.section}-{name}") for group in GROUPS for name, cls in group.members.items()]
FIELDS = [
    pytest.param(cls, name, mark, id=f"{group.section}-{kind}-{name}")
    for group in GROUPS
    for kind, cls in group.members.items()
    for name, mark in marks(cls)
]
STEPS = (0.1, 0.25, 1.0)


def ordinary(cls: type[Kind], dt: float) -> dict[str, Any]:
    """The fields of a kind as its markers give them, names and parts included."""
    fields: dict[str, Any] = {name: mark.at(mark.ordinary, dt) for name, mark in marks(cls)}
    for name, marker in structure(cls):
        if marker.names:
            fields[name] = {"population": "a", "projection": "p", "trace": "t"}[marker.names]
        elif marker.example is not None:
            fields[name] = [[step * dt for step in train] for train in marker.example]
    for name, group in parts_of(cls):
        part = next(iter(group.members.values()))
        fields[name] = part(**ordinary(part, dt))
    return fields


def network(cls: type[Kind], fields: dict[str, Any], dt: float) -> tuple[dict[str, Any], str]:
    """The data of a network with one item of a kind, and the item's path."""
    item = {"kind": cls.model_fields["kind"].default, **fields}
    needs = cls.needs if issubclass(cls, Stimulus | Probe | PlasticityRule) and cls.needs != "spikes" else "bias"
    cell = next(model for model in Neuron.members.values() if needs in model.offers)
    a: dict[str, Any] = {"name": "a", "size": 2, "neuron": cell(**ordinary(cell, dt))}
    p: dict[str, Any] = {"name": "p", "pre": "a", "post": "a", "weights": [[0.0, 0.5], [0.5, 0.0]]}
    if issubclass(cls, SynapseVariable):
        able = next(kind for kind in ShortTerm.members.values() if kind.variables)
        p["short_term"] = able(**ordinary(able, dt))
    boxcar = Average.members["Boxcar"]
    of = "spikes" if needs == "rate" else "inputs"
    t = {"name": "t", "population": "a", "of": of, "window": boxcar(**ordinary(boxcar, dt))}
    net: dict[str, Any] = {"name": "example", "dt": dt, "populations": [a], "projections": [p], "traces": [t]}
    if issubclass(cls, Distribution):
        drawn = FixedIndegree(n=1, weight=0.5).model_dump() | {"weight": item}
        return net | {"projections": [p | {"weights": drawn}]}, "projections.p.weights.weight"
    if issubclass(cls, Connector):
        placed = a | {"name": "b", "size": 3, "positions": [[0.0], [1.0], [2.0]]}
        between = p | {"pre": "b", "post": "b", "weights": {"weight": 0.5} | item}
        return net | {"populations": [a, placed], "projections": [between]}, "projections.p.weights"
    if issubclass(cls, Average):
        return net | {"traces": [t | {"window": item}]}, "traces.t.window"
    if issubclass(cls, Neuron):
        return net | {"populations": [a | {"neuron": item}]}, "populations.a"
    if issubclass(cls, Stimulus | Probe):
        return net | {cls.section: [item]}, f"{cls.section}[0]"
    if issubclass(cls, Kernel | ShortTerm):
        name = "kernel" if issubclass(cls, Kernel) else cls.section
        return net | {"projections": [p | {name: item}]}, f"projections.p.{name}"
    if issubclass(cls, PlasticityRule):
        return net | {"projections": [p | {"plasticity": [item]}]}, "projections.p.plasticity"
    assert issubclass(cls, Window)
    rule = next(rule for rule in PlasticityRule.members.values() if any(part is Window for _, part in parts_of(rule)))
    part = next(name for name, group in parts_of(rule) if group is Window)
    holder = {"kind": rule.model_fields["kind"].default, **ordinary(rule, dt), part: item}
    return net | {"projections": [p | {"plasticity": [holder]}]}, f"projections.p.plasticity.{part}"


def test_every_group_has_kinds_and_every_mark_is_looked_at() -> None:
    assert all(group.members for group in GROUPS)
    assert set(GROUPS) == set(Kind.__subclasses__())
    assert len(FIELDS) == sum(len([*marks(cls)]) for group in GROUPS for cls in group.members.values()) > 30


@pytest.mark.parametrize("cls", KINDS)
def test_every_field_of_a_kind_has_a_marker(cls: type[Kind]) -> None:
    assert unmarked(cls) == []


@pytest.mark.parametrize("model", [Network, Population, Projection])
def test_every_field_of_the_rest_has_a_marker(model: type[Model]) -> None:
    assert unmarked(model) == []


@pytest.mark.parametrize(("cls", "field", "mark"), FIELDS)
@settings(deadline=None)
@given(dt=st.sampled_from(STEPS))
def test_both_examples_are_inside_and_differ(cls: type[Kind], field: str, mark: Mark, dt: float) -> None:
    fields = ordinary(cls, dt)
    usual, other = (Network.model_validate(network(cls, fields | {field: mark.at(value, dt)}, dt)[0])
                    for value in (mark.ordinary, mark.other))  # fmt: skip
    assert mark.other is not None
    assert usual != other
    assert usual.content_hash != other.content_hash


@pytest.mark.parametrize(("cls", "field", "mark"), [entry for entry in FIELDS if entry.values[2].outside is not None])
@settings(deadline=None)
@given(dt=st.sampled_from(STEPS))
def test_the_example_outside_is_refused_at_the_field(cls: type[Kind], field: str, mark: Mark, dt: float) -> None:
    data, path = network(cls, ordinary(cls, dt) | {field: mark.at(mark.outside, dt)}, dt)
    with pytest.raises(DescriptionError) as refused:
        Network.model_validate(data)
    assert [finding.path for finding in refused.value.diagnostics] == [f"{path}.{field}"]


@pytest.mark.parametrize(("model", "field", "mark"), [
    pytest.param(model, name, mark, id=f"{model.__name__}-{name}")
    for model in (Network, Projection) for name, mark in marks(model) if mark.outside is not None
])  # fmt: skip
def test_the_example_outside_of_the_rest_is_refused(model: type[Model], field: str, mark: Mark) -> None:
    cell = next(iter(Neuron.members.values()))
    p = {"name": "p", "pre": "a", "post": "a", "weights": [[0.0, 0.5], [0.5, 0.0]]}
    net = {"name": "n", "dt": 1.0, "populations": [{"name": "a", "size": 2, "neuron": cell(**ordinary(cell, 1.0))}]}
    change = {field: mark.at(mark.outside, 1.0)}
    data = net | change if model is Network else net | {"projections": [p | change]}
    with pytest.raises(DescriptionError) as refused:
        Network.model_validate(data)
    assert refused.value.diagnostics[0].path == (field if model is Network else f"projections.p.{field}")


@pytest.mark.parametrize(("cls", "field", "mark"), [
    entry for entry in FIELDS if entry.values[2].grid is not None
])  # fmt: skip
def test_times_on_the_grid_are_refused_between_two_steps(cls: type[Kind], field: str, mark: Mark) -> None:
    data, path = network(cls, ordinary(cls, 0.5) | {field: 5.75}, 0.5)
    with pytest.raises(DescriptionError) as refused:
        Network.model_validate(data)
    assert [(f.code, f.path) for f in refused.value.diagnostics] == [("SAL008", f"{path}.{field}")]


@pytest.mark.parametrize("cls", [entry for entry in KINDS if issubclass(entry.values[0], Connector)])
@pytest.mark.parametrize("recurrent", [False, True])
def test_examples_of_connectors_connect(cls: type[Connector], recurrent: bool) -> None:
    made = cls.example(0.5, recurrent)
    if recurrent and not cls.within_population:
        assert [f.code for f in made.contradictions("weights", 2, 2, recurrent)] == ["SAL010"]
        return
    assert [*made.contradictions("weights", 2, 2, recurrent)] == []
    places = np.zeros((2, 2, 1))
    post, pre, position = made.listed("p", 2, 2, recurrent, places=(places[0], places[1])).synapses(2, 2, recurrent)
    assert len(post) == len(pre) == len(position) > 0
    assert np.max(made.with_weights(made.stored).stored) == 0.5


@pytest.mark.parametrize("cls", [entry for entry in KINDS if issubclass(entry.values[0], Window)])
@settings(deadline=None)
@given(first=st.floats(0.0, 30.0), second=st.floats(0.0, 30.0))
def test_windows_are_as_far_and_as_memoryless_as_they_say(cls: type[Window], first: float, second: float) -> None:
    window = cls(**ordinary(cls, 1.0))
    one, two, both = (float(window.shape(np.array(lag))) for lag in (first, second, first + second))
    if cls.memoryless:
        assert both == pytest.approx(one * two)
    if first >= window.extent:
        assert one == 0.0
    else:
        assert one > 0.0


@pytest.mark.parametrize("cls", [entry for entry in KINDS if issubclass(entry.values[0], Stimulus)])
def test_a_stimulus_acts_from_its_start_until_its_stop(cls: type[Stimulus]) -> None:
    fields = ordinary(cls, 1.0)
    assert cls(**fields).span == (0.0, None)
    if {"start", "stop"} <= cls.model_fields.keys():
        assert cls(**fields | {"start": 3.0, "stop": 8.0}).span == (3.0, 8.0)


# classes that are no kinds --------------------------------------------------------------------------------------------


def test_a_field_without_a_marker_is_an_error_that_names_it(kinds_forgotten: None) -> None:
    with pytest.raises(TypeError, match=r"^Adaptive: no marker on tau_w, jump; add a Mark or a Structure"):

        class Adaptive(Neuron):
            kind: Literal["Adaptive"] = "Adaptive"
            tau_ref: Annotated[Milliseconds, Mark(10, 12, -1, unit="ms", grid=1)] = 10.0
            tau_w: Milliseconds = 100.0
            jump: Annotated[Number, "a jump"] = 0.0

    assert "Adaptive" not in Neuron.members


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.section)
def test_a_second_kind_of_one_name_is_an_error_that_names_both(group: type[Kind], kinds_forgotten: None) -> None:
    name, first = next(iter(group.members.items()))
    with pytest.raises(TypeError, match=f"^Second: {group.section} has a kind '{name}', .*{first.__name__}$"):
        type("Second", (first,), {"__annotations__": {"kind": Literal[name]}, "kind": name, "__module__": __name__})
    assert group.members[name] is first


def test_kinds_of_one_name_stand_in_different_groups() -> None:
    assert Kernel.members["Exponential"] is not Window.members["Exponential"]


@pytest.mark.parametrize("group", [group for group in GROUPS if group.common], ids=lambda group: group.section)
def test_what_every_kind_of_a_group_has_must_be_there(group: type[Kind], kinds_forgotten: None) -> None:
    last = next(iter(group.members.values())).model_fields[group.common[-1]]
    present = {group.common[-1]: Annotated[(last.annotation, *last.metadata)], "kind": Literal["Bare"]}  # type: ignore[valid-type]
    missing = ", ".join(group.common[:-1])
    with pytest.raises(TypeError, match=f"^Bare: every kind of {group.section} has the fields {missing}$"):
        type("Bare", (group,), {"__annotations__": present, "kind": "Bare", "__module__": __name__})
    assert "Bare" not in group.members


def test_a_group_knows_a_kind_as_soon_as_its_class_is_made(kinds_forgotten: None) -> None:
    class Delta(Kernel):
        kind: Literal["Delta"] = "Delta"
        charge: Annotated[float, Structure()] = 1.0

    assert Kernel.members["Delta"] is Delta
