"""Several synapses of a pair in NEST: each has its weight and delay, is read and written at its place, and learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import (
    LIF,
    SAL,
    AllToAll,
    Exponential,
    FixedIndegree,
    Izhikevich,
    Membrane,
    Network,
    Population,
    Projection,
    Rectangular,
    Source,
    Sparse,
    Spikes,
    SpikeTimes,
    TsodyksMarkram,
    Uniform,
)
from salhw.conformance import replay

FOUR = Sparse(post=[0, 0, 0, 1, 1, 1], pre=[0, 0, 0, 0, 1, 1], weight=[0.3, -0.1, 0.3, 0.2, 0.5, 0.1], multapses=True)


def network(weights: Any = FOUR, neuron: Any = None, **of_p: Any) -> Network:
    """Two sources onto two neurons, which show their membranes."""
    cell = neuron or LIF(bias=0.5, tau_m=10.0, tau_ref=2.0)
    p = {"kernel": Exponential(5.0), "delay": 1.0} | of_p
    return Network(
        name="several", dt=0.5, populations=[Population("x", 2, Source()), Population("n", 2, cell)],
        projections=[Projection("p", "x", "n", weights, **p)],
        stimuli=[SpikeTimes("x", [[2.0, 9.0, 21.5, 40.0, 61.0], [4.0, 9.0, 33.0, 55.5]])],
        probes=[Spikes("x"), Spikes("n"), Membrane("n")],
    )  # fmt: skip


@pytest.mark.parametrize(
    "net",
    [
        network(),
        network(delay=[1.0, 1.0, 3.0, 1.0, 2.0, 0.5]),
        network(FixedIndegree(7, weight=Uniform(-0.1, 0.4), multapses=True), delay=Uniform(1.0, 4.0)),
        network(short_term=TsodyksMarkram(U=0.5, tau_rec=20.0, tau_facil=50.0)),
        network(kernel=Rectangular(2.0), delay=[1.0, 1.0, 3.0, 1.0, 2.0, 0.5], neuron=Izhikevich(bias=2.0)),
        network(
            delay=0.5, kernel=Rectangular(3.0),
            plasticity=SAL(0.05, tau=10.0, update="every 10 ms").replace(execution="host"),
        ),
    ],
    ids=["one delay", "delays", "drawn", "short-term", "repeated", "learning"],
)  # fmt: skip
def test_sessions_do_what_the_description_says(net: Network) -> None:
    """Membranes and weights, which are written in between, one by one and in each of two instances."""
    executable = salhw.compile(net, "nest")
    count = len(net.synapses("p"))
    written = 0.1 * np.arange(2.0 * count).reshape(2, count) - 0.3
    writes = (replay.Write("projections.p.weights", written),)
    schedule = replay.Schedule((replay.Part((), 30), replay.Part(writes, 60), replay.Part((), 60)), (0, 1))
    trial = replay.perform(executable, schedule)
    assert replay.departures(trial, replay.Tolerance.of(executable.target))[0] == []
    after = trial.stretches[1].before["projections.p.weights"]
    np.testing.assert_allclose(after, written, rtol=0, atol=1e-9)


def test_each_of_many_is_found_again() -> None:
    """Of some hundred synapses, most of pairs that have several, those with odd numbers are written."""
    connector = FixedIndegree(40, weight=Uniform(0.0, 1.0), multapses=True)
    net = network(connector, delay=Uniform(0.5, 2.5))
    net = net.replace(populations=[Population("x", 6, Source()), Population("n", 9, LIF())], stimuli=[], probes=[])
    with salhw.compile(net, "nest").open(instances=2) as session:
        drawn = session.get("projections.p.weights")
        np.testing.assert_allclose(drawn, np.tile(net.synapses("p").weight, (2, 1)), rtol=1e-12)
        drawn[:, 1::2] *= -1.0
        session.set("projections.p.weights", drawn)
        session.run(2.0)
        np.testing.assert_allclose(session.get("projections.p.weights"), drawn, rtol=1e-12)


def test_what_nest_learns_itself_has_one_synapse_of_a_pair() -> None:
    net = network(kernel=Exponential(5.0), delay=0.5, plasticity=SAL(0.05, tau=10.0))
    (finding,) = salhw.problems(net, "nest")
    assert (finding.code, finding.path) == ("SAL107", "projections.p.plasticity.execution")
    (by_host,) = salhw.fit(net, "nest", sized=False).network.projection("p").plasticity
    assert (by_host.execution, by_host.update) == ("host", "every 200 ms")
    fixed = net.replace(projections=[net.projections[0].replace(weights=AllToAll(0.1))])
    assert salhw.problems(fixed, "nest") == []
