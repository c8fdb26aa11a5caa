"""SynapseVariable probes: what docs/semantics.md says of u and x, on every algorithm and NEST, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import salhw
from salhw import (
    GLM,
    DescriptionError,
    Exponential,
    Izhikevich,
    Membrane,
    Network,
    Population,
    Projection,
    Recording,
    Source,
    Sparse,
    SpikeTimes,
    SynapseVariable,
    TsodyksMarkram,
    UnsupportedNetworkError,
    Variable,
)
from salhw.diagnostics import Diagnostic

BOTH = TsodyksMarkram(U=0.5, tau_rec=20.0, tau_facil=50.0)
TIMES = [10.0, 20.0, 25.0, 60.0, 61.0]
STEPWISE = ("time-driven", "vectorised")


def network(*probes: Any, times: Any = (TIMES, [7.0]), dt: float = 1.0, **options: Any) -> Network:
    """The example of docs/semantics.md, and a second source, onto two neurons with delays that differ."""
    options = {"kernel": Exponential(5.0), "delay": [[0.0, 2.0], [5.0, 0.0]], "short_term": BOTH} | options
    return Network(
        name="n", dt=dt, populations=[Population("s", 2, Source()), Population("g", 2, GLM(bias=-3.0))],
        projections=[Projection("p", "s", "g", [[1.0, 2.0], [0.5, 1.0]], **options)],
        stimuli=[SpikeTimes("s", times)], probes=[SynapseVariable("p", "u"), SynapseVariable("p", "x"), *probes],
    )  # fmt: skip


def on(algorithm: str) -> salhw.Target:
    return salhw.target("reference").with_options(algorithm=algorithm)


@pytest.mark.parametrize("target", [*map(on, STEPWISE), salhw.target("nest")], ids=[*STEPWISE, "nest"])
def test_the_example_of_the_semantics(target: salhw.Target) -> None:
    """As a spike at that step finds them, whatever the delays are; whether all is one run or several."""
    with salhw.compile(network(), target).open(instances=2) as session:
        parts = [session.run(duration).traces for duration in (21.0, 1.0, 43.0)]
    u, x = (np.concatenate([part[f"p.{of}"].values for part in parts], axis=1)[1] for of in "ux")
    assert np.allclose(u[[0, 10, 20, 22, 61], 0], [0.5, 0.5, 0.7047, 0.8385, 0.8447], atol=6e-5)
    assert np.allclose(x[[0, 10, 20, 22, 61], 0], [1.0, 1.0, 0.6967, 0.2813, 0.2853], atol=6e-5)
    assert np.allclose((u * x)[np.array(TIMES, int), 0], [0.5, 0.491, 0.3123, 0.5895, 0.241], atol=6e-5)
    assert np.array_equal(u[:, 0], u[:, 2])  # synapses of one source, of delays that differ
    assert np.all(u[:8, 1] == 0.5)


@pytest.mark.parametrize("algorithm", STEPWISE)
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_a_part_is_the_whole_there(algorithm: str, seed: int) -> None:
    """Of random spikes and parameters u x is the strength of each PSP; some synapses and times are the whole there, and
    spikes are what they are without probes."""
    rng = np.random.default_rng(seed)
    short_term = TsodyksMarkram(
        rng.uniform(0.01, 1.0), rng.uniform(1.0, 99.0), rng.choice([0.0, rng.uniform(1.0, 99.0)])
    )
    times = [0.5 * np.unique(rng.integers(0, 60, 9)) for _ in range(2)]
    net = network(Membrane("g"), times=times, dt=0.5, short_term=short_term)
    whole = salhw.run(net, on(algorithm), duration=30.0)
    for k, train in enumerate(times):
        found = np.prod([whole.traces[f"p.{of}"].values[0, np.rint(train / 0.5).astype(int), k] for of in "ux"], axis=0)
        assert np.allclose(found, short_term.of_train(train), rtol=1e-12)
    some = net.replace(probes=[SynapseVariable("p", "x", every=1.5, synapses=[1, 2]), Membrane("g")])
    part = salhw.run(some, on(algorithm), duration=30.0)
    assert np.array_equal(part.traces["p.x"].values, whole.traces["p.x"].values[:, ::3][:, :, [1, 2]])
    assert part.traces["p.x"].dims == ("instance", "time", "synapse")
    assert part.traces["p.x"].synapse.values.tolist() == [1, 2]
    assert np.array_equal(part.membrane["g"], whole.membrane["g"])


def test_a_projection_without_synapses_shows_none() -> None:
    (p,) = network().projections
    empty = network().replace(projections=[p.replace(weights=Sparse(post=[], pre=[], weight=[]), delay=0.0)])
    for target in map(on, STEPWISE):
        assert salhw.run(empty, target, duration=5.0).traces["p.u"].shape == (1, 5, 0)


def test_a_recording_keeps_them(tmp_path: Path) -> None:
    recorded = salhw.run(network(), duration=30.0)
    again = Recording.load(recorded.save(tmp_path / "run.h5"))
    assert again.traces["p.u"].equals(recorded.traces["p.u"])


def test_it_takes_an_algorithm_that_keeps_them() -> None:
    rectangular = network(kernel=salhw.Rectangular(5.0))
    assert "probes of variables" in str(salhw.compile(rectangular, "reference").report)
    with pytest.raises(UnsupportedNetworkError, match="probes of variables"):
        salhw.compile(rectangular, on("event-driven"))


def findings(make: Any) -> list[Diagnostic]:
    with pytest.raises((DescriptionError, UnsupportedNetworkError)) as refused:
        make()
    return [*refused.value.diagnostics]


def test_what_there_is_not_is_refused() -> None:
    (finding,) = findings(lambda: network(SynapseVariable("p", "w")))
    assert (finding.code, finding.path, finding.supported) == ("SAL009", "probes[2].of", "one of u, x")
    plain = findings(lambda: network(short_term=None))
    assert [(f.code, f.supported) for f in plain] == [("SAL009", "none of p, which has no short-term plasticity")] * 2
    assert {f.code for f in findings(lambda: network(SynapseVariable("q", "u")))} == {"SAL009"}
    assert {f.code for f in findings(lambda: network(SynapseVariable("p", "u", synapses=[4])))} >= {"SAL003"}
    assert {f.code for f in findings(lambda: network(SynapseVariable("p", "x")))} == {"SAL006"}


def test_a_name_in_traces_stands_for_one_thing() -> None:
    def both() -> Network:
        net = network()
        cells = [*net.populations, Population("p", 1, Izhikevich())]
        return net.replace(populations=cells, probes=[SynapseVariable("p", "u"), Variable("p", "u")])

    (finding,) = findings(both)
    assert (finding.code, finding.asked) == ("SAL006", "SynapseVariable and Variable of p.u")


@pytest.mark.parametrize("name", ["brainscales2", "loihi2"])
def test_chips_show_none(name: str) -> None:
    assert ("SAL101", "SynapseVariable") in [
        (f.code, f.asked) for f in findings(lambda: salhw.compile(network(), name))
    ]
