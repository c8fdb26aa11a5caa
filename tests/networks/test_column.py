"""Potjans and Diesmann's column: its numbers in full, what scaling keeps, and reference and nest against each other."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import salhw
from salhw import LIF, FixedTotalNumber, Membrane, Network, Normal, Poisson, Population, Projection, Source, SpikeTimes
from salhw_networks.activity import apart
from salhw_networks.column import rates
from salhw_networks.column.network import (
    INPUTS,
    OUTSIDE,
    POPULATIONS,
    RATES,
    SIZES,
    TAU_M,
    amplitudes,
    indegrees,
    network,
)


@pytest.fixture(scope="module")
def small() -> Network:
    return network(neurons=0.04, synapses=0.05)


def test_the_whole_column_has_the_numbers_of_the_paper() -> None:
    """77,169 neurons, .3 billion synapses, 87.8 pA onto 250 pF (their Table 5)."""
    assert SIZES.sum() == 77_169
    assert (indegrees() * SIZES[:, None]).sum() == pytest.approx(0.2989e9, rel=1e-3)
    assert amplitudes()[0, 0] * 250.0 / TAU_M == pytest.approx(87.8, abs=0.05)


def test_a_psp_reaches_its_size(small: Network) -> None:
    """.15 mV, of one spike of a source onto a neuron at rest, at steps of .1 ms."""
    kernel = small.projection("L4E_L4E").kernel
    net = Network(
        name="one", dt=0.1,
        populations=[Population("x", 1, Source()), Population("y", 1, LIF(tau_m=TAU_M, v_thresh=1.0))],
        projections=[Projection("p", "x", "y", weights=[[amplitudes()[0, 0]]], kernel=kernel)],
        stimuli=[SpikeTimes("x", [[1.0]])], probes=[Membrane("y")],
    )  # fmt: skip
    v = salhw.run(net, target="reference", duration=10.0).membrane_traces["y"].values
    assert v.max() == pytest.approx(0.15, rel=0.01)


def test_pairs_are_drawn_with_repetition_where_that_is_asked() -> None:
    single, repeated = (network(0.02, 0.02, repeated=each).synapses("L5I_L5E") for each in (False, True))
    pairs = [len(np.unique(table.post * 1000 + table.pre)) for table in (single, repeated)]
    assert len(single) == len(repeated) == pairs[0] > pairs[1]


def test_scaling_keeps_mean_and_variance_of_the_input(small: Network) -> None:
    """Of every population, at the rates of the whole column: synapses as they are described, sources and biases."""
    area = small.projections[0].kernel.height / np.expm1(0.1 / 0.5) * 0.1 / 1000.0
    full_mean = (amplitudes() * indegrees() * RATES).sum(axis=1) + amplitudes()[0, 0] * INPUTS * OUTSIDE
    full_square = (amplitudes() ** 2 * indegrees() * RATES).sum(axis=1) + amplitudes()[0, 0] ** 2 * INPUTS * OUTSIDE
    for k, name in enumerate(POPULATIONS):
        population, square = small.population(name), 0.0
        assert isinstance(population.neuron, LIF)
        mean = float(population.neuron.bias)
        for p in small.projections:
            if p.post == name and p.pre in POPULATIONS:
                assert isinstance(p.weights, FixedTotalNumber)
                assert isinstance(p.weights.weight, Normal)
                weight = p.weights.weight.mean
                arriving = p.weights.n / population.size * RATES[POPULATIONS.index(p.pre)]
                mean += arriving * weight * area
                square += arriving * weight**2
        (rate,) = (s.rate for s in small.stimuli if isinstance(s, Poisson) and s.population == f"to_{name}")
        chance, weight = float(-np.expm1(-rate * 1e-4)), float(small.projection(f"to_{name}").weights.stored)
        mean += chance / 1e-4 * weight * area
        square += chance * (1.0 - chance) / 1e-4 * weight**2
        assert mean == pytest.approx(full_mean[k] * 0.5 / 1000.0, rel=2e-3)  # whole numbers of synapses
        assert square == pytest.approx(full_square[k], rel=2e-3)


def test_no_pair_has_two_synapses(small: Network) -> None:
    listed = small.synapses("L5I_L5E")
    assert len(listed.post) == pytest.approx(0.05 * indegrees()[4, 5] * 194, abs=1)
    assert len({*zip(listed.post.tolist(), listed.pre.tolist(), strict=True)}) == len(listed.post)
    assert listed.weight.max() < 0.0


def test_what_is_not_asynchronous_and_irregular_is_refused() -> None:
    """Rates of the whole column, a cv of .8 and a synchrony of 3 agree; each population out of the range is named."""
    rows = np.zeros((8, 5, 2))
    rows[:, 0, 0], rows[:, 1, 0], rows[:, 4, 0] = RATES, 0.8, 3.0
    scale = rates.SCALES["default"]
    assert all(claim.agrees for claim in rates.judge({"activity": rows}, scale))
    rows[4, 0, 0], rows[2, 1, 0], rows[6, 4, 0] = 31.0, 0.6, 8.5
    found = [claim.what for claim in rates.judge({"activity": rows}, scale) if not claim.agrees]
    assert found == [*(f"{name}: rate, cv, synchrony" for name in ("L4E", "L5E", "L6E")), "slowest two, fastest"]
    figure = Figure()
    rates.draw(figure, {"activity": rows, "times": np.array([1.0, 399.0]), "neurons": np.array([0, 7716])}, scale)
    assert [len(axes.patches) for axes in figure.axes] == [0, 8, 8]


@pytest.mark.slow
def test_spikes_are_the_same_on_reference_and_nest_where_the_input_is() -> None:
    """A fiftieth of the column for 250 ms, its sources made to spike at times that are drawn beforehand: what follows
    from 55 projections with weights and delays of each synapse is the same, spike by spike."""
    net, random = network(neurons=0.02, synapses=0.02), np.random.default_rng(1)
    forced = []
    for s in net.stimuli:
        assert isinstance(s, Poisson)
        chance = -np.expm1(-float(np.max(s.rate)) * 1e-4)
        drawn = random.random((net.population(s.population).size, 2500)) < chance
        forced.append(SpikeTimes(s.population, [np.flatnonzero(train) * 0.1 for train in drawn]))
    net = net.replace(stimuli=forced)
    first, second = (salhw.run(net, target=t, duration=250.0, seed=1).spikes for t in ("reference", "nest"))
    assert sum(len(first[name]) for name in POPULATIONS) > 200
    for name in POPULATIONS:
        np.testing.assert_array_equal(first[name].neuron, second[name].neuron)
        np.testing.assert_allclose(first[name].time, second[name].time, atol=1e-9)


@pytest.mark.slow
def test_reference_and_nest_agree_at_a_tenth() -> None:
    """7,717 neurons, 3 million synapses, 5 s. Both targets have the same synapses and other noise: of 40 numbers that
    are compared none may be 4.5 standard errors off (by chance, with 18 degrees of freedom: one run in 90)."""
    scale = rates.SCALES["default"]
    first, second = (rates.spontaneous(target, scale, False, lambda _: None) for target in ("reference", "nest"))
    assert np.nanmax(np.abs(apart(first["activity"], second["activity"]))) < 4.5
    for run in (first, second):
        assert [claim.what for claim in rates.judge(run, scale) if not claim.agrees] == []
