"""Probes of some neurons or synapses, and of rates: what they show is what whole probes show there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    SAL,
    DescriptionError,
    FixedIndegree,
    Membrane,
    Network,
    Population,
    Projection,
    Rates,
    Recording,
    SessionError,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
    Weights,
)

SOME, FEW = [1, 2, 5], [0, 3]


def network(*probes: Any) -> Network:
    return Network(
        name="n",
        dt=0.5,
        populations=[Population("g", 8, GLM(bias=0.5, tau_ref=5.0)), Population("l", 3, GLM(bias=-0.5))],
        projections=[Projection("p", "g", "g", FixedIndegree(2, weight=0.3), plasticity=SAL(0.01, bounds=(-2.0, 2.0)))],
        probes=probes,
    )


def recordings(target: str, *probes: Any) -> list[Recording]:
    """Of two runs whose border is no multiple of any period."""
    with salhw.compile(network(*probes), target).open(instances=2, seed=3) as session:
        return [session.run(47.0), session.run(66.5)]


@pytest.mark.parametrize("target", ["reference", "nest"])
def test_a_part_is_what_the_whole_is_there(target: str, tmp_path: Path) -> None:
    whole = recordings(target, Spikes("g"), Membrane("g", every=2.5), Weights("p", every=10.0))
    parts = recordings(
        target, Spikes("g", neurons=SOME), Membrane("g", every=2.5, neurons=SOME), Rates("g", every=20.0),
        Weights("p", every=10.0, synapses=FEW),
    )  # fmt: skip
    for every, part in zip(whole, parts, strict=True):
        part = Recording.load(part.save(tmp_path / f"{part.start}.h5"))
        assert np.array_equal(every.counts["g"], part.counts["g"])
        for neuron in SOME:
            assert np.array_equal(every.spikes["g"].times(neuron, 1), part.spikes["g"].times(neuron, 1))
        assert len(part.spikes["g"]) == every.counts["g"][:, SOME].sum() > 0
        assert len(part.spikes["g"].to_neo().segments[0].spiketrains) == len(SOME)
        with pytest.raises(SessionError, match="3 neurons that were recorded"):
            part.spikes["g"].times(0)
        assert np.array_equal(every.membrane["g"][:, :, SOME].values, part.membrane["g"].values)
        assert part.membrane["g"].sel(neuron=5).shape == every.membrane["g"].shape[:2]
        assert np.array_equal(every.weights["p"][:, :, FEW].values, part.weights["p"].values)
        assert part.weights["p"].synapse.values.tolist() == FEW
        edges = [
            every.start,
            *(t for t in (20.0, 40.0, 60.0, 80.0, 100.0) if every.start < t <= every.start + every.duration),
        ]
        rates = part.traces["Rates.g"]
        assert rates.time.values.tolist() == edges[1:]
        for neuron in range(8):
            spikes = np.diff(np.searchsorted(every.spikes["g"].times(neuron, 1), edges))
            np.testing.assert_allclose(rates[1, :, neuron].values, spikes / (np.diff(edges) / 1000.0))


def test_synapses_are_numbered_as_the_network_numbers_them() -> None:
    """Whatever the order in which a list has them."""
    listed = Sparse(post=[2, 0, 1], pre=[0, 1, 0], weight=[0.3, 0.1, 0.2])
    net = network(Weights("p", every=5.0, synapses=[0, 2]))
    net = net.replace(projections=[Projection("p", "g", "g", listed)])
    assert net.synapses("p").weight.tolist() == [0.1, 0.2, 0.3]
    assert salhw.run(net, duration=5.0).weights["p"].values[0].tolist() == [[0.1, 0.3], [0.1, 0.3]]


@pytest.mark.parametrize("target", ["reference", "nest"])
def test_rates_are_spikes_over_time(target: str) -> None:
    """The worked example of docs/semantics.md."""
    times = [48.5, 54.0, 59.5, 65.5, 72.5, 77.5, 84.5, 89.5, 94.5, 99.5]
    net = Network(
        name="n", dt=0.5, populations=[Population("s", 1, Source())], stimuli=[SpikeTimes("s", [times])],
        probes=[Rates("s", every=20.0)],
    )  # fmt: skip
    with salhw.compile(net, target).open() as session:
        session.run(47.0)
        rates = session.run(66.5).traces["Rates.s"][0, :, 0]
    assert rates.time.values.tolist() == [60.0, 80.0, 100.0]
    assert rates.values.round(1).tolist() == [230.8, 150.0, 200.0]


@pytest.mark.parametrize(
    ("probe", "path"),
    [
        (lambda: Spikes("g", neurons=[2, 1]), "neurons[1]"),
        (lambda: Spikes("g", neurons=[]), "neurons"),
        (lambda: network(Spikes("g", neurons=[8])), "probes[0].neurons[0]"),
        (lambda: network(Membrane("l", neurons=[0, 3])), "probes[0].neurons[1]"),
        (lambda: network(Weights("p", every=1.0, synapses=[15, 16])).explicit, "probes[0].synapses[1]"),
        (lambda: network(Rates("g", every=0.75)), "probes[0].every"),
    ],
)
def test_what_is_not_there_is_refused(probe: Any, path: str) -> None:
    with pytest.raises(DescriptionError) as refused:
        probe()
    assert [finding.path for finding in refused.value.diagnostics] == [path]


def test_a_comparison_looks_at_whole_populations() -> None:
    net = network(Spikes("g", neurons=SOME), Weights("p", every=10.0, synapses=FEW))
    comparison = salhw.compare(net, ["nest"], duration=100.0, instances=2)
    assert comparison.outcomes[0].status == "ran"
    assert all(run.recording.spikes["g"].neurons is None for run in comparison.runs.values())


def bytes_of(recording: Recording) -> int:
    traces = (*recording.samples.values(), *recording.membrane_traces.values())
    return sum(count.nbytes for count in recording.counts.values()) + sum(t.values.nbytes for t in traces)


@pytest.mark.parametrize("seconds", [1, pytest.param(100, marks=pytest.mark.slow)])
def test_ten_thousand_neurons_leave_rates_instead_of_spikes(seconds: int) -> None:
    """100 s: 100 rates and a thousandth of the membranes of ten thousand neurons that spike 20 million times."""
    net = Network(
        name="many", dt=1.0, populations=[Population("n", 10_000, GLM(bias=-1.4, tau_ref=10.0))],
        probes=[Rates("n", every=1000.0), Membrane("n", every=100.0, neurons=range(10))],
    )  # fmt: skip
    recording = salhw.run(net, duration=1000.0 * seconds, seed=1)
    rates = recording.traces["Rates.n"]
    assert rates.shape == (1, seconds, 10_000)
    assert recording.spikes == {}
    assert rates.values.sum() == recording.counts["n"].sum()
    assert bytes_of(recording) == 80_000 * (seconds + 1) + 800 * seconds
