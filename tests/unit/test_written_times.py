"""Spike times that a session writes: what acts, what is read, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import salhw
from salhw import (
    GLM,
    SAL,
    Exponential,
    Network,
    Population,
    Projection,
    Rectangular,
    SessionError,
    Source,
    Spikes,
    SpikeTimes,
    Target,
)
from salhw.description.stimuli import padded
from salhw.session.paths import Address
from salhw.session.trains import as_trains

ALGORITHMS = ("event-driven", "time-driven", "vectorised")
PATH = "stimuli[0].times"
NAN = np.nan


def network(*more: SpikeTimes, neuron: Any = None, kernel: Any = None) -> Network:
    """The example of docs/semantics.md, onto neurons of every target."""
    return Network(
        name="n", dt=0.5,
        populations=[
            Population("s", 2, Source() if neuron is None else neuron),
            Population("g", 2, GLM(bias=-3.0, discretisation="exact")),
        ],
        projections=[Projection("p", "s", "g", [[1.0, 1.0], [1.0, 1.0]], kernel=kernel or Rectangular(tau_syn=10.0))],
        stimuli=[SpikeTimes("s", [[1.0, 5.0, 5.5], [30.0]]), *more], probes=[Spikes("s"), Spikes("g")],
    )  # fmt: skip


def targets() -> list[Any]:
    known = {name: salhw.target("reference").with_options(algorithm=name) for name in ALGORITHMS}
    known |= {name: salhw.target(name) for name in ("nest", "brainscales2")}
    known["loihi2"] = salhw.target("loihi2").with_options(execution="in-process")
    return [pytest.param(target, id=name) for name, target in known.items()]


def kernel_of(target: Target) -> Any:
    """A kernel that a target has."""
    return (Rectangular if "Rectangular" in target.kernels else Exponential)(tau_syn=10.0)


@pytest.mark.parametrize("target", targets())
def test_written_times_are_those_that_happen(target: Target) -> None:
    """From the present step on, of each instance its own; what has passed stays; two stimuli of one population."""
    with salhw.compile(network(SpikeTimes("s", [[], []]), kernel=kernel_of(target)), target).open(
        instances=2, seed=1
    ) as session:
        assert session.get(PATH).shape == (2, 2, 3)
        session.run(10.0)
        session.set(PATH, [[10.0, 17.5], []])
        session.set("stimuli[1].times", [[[], [10.5, 30.0]], [[11.0], []]])
        assert np.array_equal(session.get(PATH)[1], [[1.0, 5.0, 5.5, 10.0, 17.5], [NAN] * 5], equal_nan=True)
        spikes = session.run(30.0).spikes["s"]
        assert [[spikes.times(n, b).tolist() for n in (0, 1)] for b in (0, 1)] == [
            [[10.0, 17.5], [10.5, 30.0]], [[10.0, 11.0, 17.5], []],
        ]  # fmt: skip
        for held in (session.get(PATH), session.get(PATH)[0]):
            session.set(PATH, held)
            assert np.array_equal(session.get(PATH)[0], held if held.ndim == 2 else held[0], equal_nan=True)
        session.set(PATH, [[], [41.0]])
        assert session.run(5.0).spikes["s"].time.tolist() == [41.0, 41.0]


@pytest.mark.parametrize(
    ("value", "at", "supported", "fix"),
    [
        ([[5.0], []], "[0]", "times from 10 ms on", "leave out those before 10 ms"),
        ([[1.0, 5.5, 20.0], []], "[0]", "times from 10 ms on", "leave out"),
        ([[20.2], []], "[0][0]", "whole multiples of dt = 0.5 ms", "np.round"),
        ([[], [20.0, 12.0]], "[1][1]", "later than the one before it", "sort"),
        ([[], [20.0, 20.0]], "[1][1]", "later", "keep each once"),
        ([[np.inf], []], "[0][0]", "finite", "replace"),
        ([[NAN, 20.0], []], "[0][0]", "finite", "replace"),
        ([[-1.0], []], "[0][0]", ">= 0 ms", "shift"),
        ([[20.0]], "", "a list of times for each of 2 neurons", "an empty list"),
        ([[[], []]] * 3, "", "or 2 of these lists", "an empty list"),
        ([[["x"], []]] * 2, "", "a list of times", "an empty list"),
        (3.0, "", "a list of times", "an empty list"),
        ("20", "", "a list of times", "an empty list"),
        (None, "", "a list of times", "an empty list"),
    ],
)
def test_what_is_no_list_of_coming_times_is_refused_and_changes_nothing(
    value: Any, at: str, supported: str, fix: str
) -> None:
    with salhw.compile(network(), "reference").open(instances=2) as session:
        session.run(10.0)
        before = session.get(PATH)
        with pytest.raises(SessionError) as refused:
            session.set(PATH, value)
        (finding,) = refused.value.diagnostics
        assert (finding.code, finding.path) == ("SAL403", PATH + at)
        assert supported in finding.supported
        assert fix in finding.fix
        assert np.array_equal(session.get(PATH), before, equal_nan=True)


@pytest.mark.parametrize("target", ["nest", "brainscales2"])
def test_times_of_neurons_that_are_forced_stay(target: str) -> None:
    """But what is read is written back."""
    forced = network(neuron=GLM(discretisation="exact"), kernel=Exponential(tau_syn=10.0)).replace(
        stimuli=[SpikeTimes("s", [[1.0, 15.0], [30.0]])]
    )
    with salhw.compile(forced, target).open() as session:
        session.set(PATH, session.get(PATH))
        with pytest.raises(SessionError, match="those of Source populations"):
            session.set(PATH, [[2.0], []])


def test_on_loihi_spikes_leave_room_for_potentials() -> None:
    """Words have 24 bits; what is refused changes nothing."""
    net = network(kernel=Exponential(tau_syn=1000.0))
    weights = [p.replace(weights=[[3.9, 3.9]] * 2) for p in net.projections]
    target = salhw.target("loihi2").with_options(execution="in-process")
    with salhw.compile(net.replace(projections=weights), target).open(instances=2) as session:
        with pytest.raises(SessionError) as refused:
            session.set(PATH, [[[], []], [np.arange(0.0, 2000.0, 0.5), []]])
        assert [(f.code, f.path) for f in refused.value.diagnostics] == [("SAL403", PATH)]
        assert "potential" in refused.value.diagnostics[0].asked
        session.set(PATH, [[[4.0], []], [[], [3.0, 5.0]]])
        session.set("projections.p.weights", np.full((2, 2), 3.5))
        assert session.run(6.0).spikes["s"].time.tolist() == [4.0, 3.0, 5.0]


def test_on_loihi_spikes_leave_room_for_what_learns() -> None:
    """Traces of the chip hold 127 at most, and in an epoch a neuron spikes once."""
    rule = SAL(learning_rate=0.03, tau=10.0, pairing="all", update="every 2 ms")
    net = network().replace(stimuli=[SpikeTimes("s", [[1.0, 9.0], [3.0]])])
    net = net.replace(projections=[p.replace(plasticity=rule) for p in net.projections])
    target = salhw.target("loihi2").with_options(execution="in-process")
    with salhw.compile(net, target).open() as session:
        for times, asked in (
            ([[1.0, 2.5], []], "3 steps apart"),
            ([np.arange(0.0, 60.0, 2.0), []], "traces of 5.5 spikes"),
        ):
            with pytest.raises(SessionError) as refused:
                session.set(PATH, times)
            assert asked in refused.value.diagnostics[0].asked
        session.set(PATH, [[2.0], [10.0, 18.0]])
        assert session.run(20.0).spikes["s"].time.tolist() == [2.0, 10.0, 18.0]


def test_a_forced_neuron_spikes_at_written_times_whatever_its_state() -> None:
    net = network(neuron=GLM(bias=-50.0))
    for algorithm in ALGORITHMS:
        with salhw.compile(net, salhw.target("reference").with_options(algorithm=algorithm)).open() as session:
            session.set(PATH, [[0.0, 0.5, 3.0], [2.0]])
            spikes = session.run(20.0).spikes["s"]
            assert (spikes.times(0).tolist(), spikes.times(1).tolist()) == ([0.0, 0.5, 3.0], [2.0])


def test_division_into_runs_makes_no_difference() -> None:
    """Spikes of neurons that decide at random included."""

    def spikes(*durations: float) -> Any:
        with salhw.compile(network(), "reference").open(seed=3) as session:
            session.set(PATH, [[4.0, 9.5, 30.0], [0.5, 9.5]])
            return np.concatenate([session.run(each).spikes["g"].time for each in durations])

    assert np.array_equal(spikes(40.0), spikes(4.0, 5.5, 0.5, 30.0))


trains = st.lists(st.integers(0, 60), max_size=6, unique=True).map(
    lambda steps: 0.5 * np.array(sorted(steps), dtype=float)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(trains, min_size=3, max_size=3), st.lists(trains, min_size=3, max_size=3), st.integers(0, 60))
def test_what_is_held_is_what_has_passed_and_what_was_written(before: list[Any], after: list[Any], step: int) -> None:
    """And it can be written again, with or without what has passed, as lists or as one array, of one instance or of
    each."""
    address, held = Address(PATH, "s", "times", (3, 0), trains=True), np.tile(padded(before), (2, 1, 1))
    coming = [train[train >= 0.5 * step] for train in after]
    now = as_trains(address, coming, held, step, 0.5)
    for b in (0, 1):
        for n in range(3):
            expected = [*before[n][before[n] < 0.5 * step], *coming[n]]
            assert now[b, n][~np.isnan(now[b, n])].tolist() == expected
    assert now.shape[2] == max(np.sum(~np.isnan(now), axis=2).max(), 0)
    for value in (now, now[0], [[*map(list, coming)]] * 2, padded(coming)):
        assert np.array_equal(as_trains(address, value, now, step, 0.5), now, equal_nan=True)
