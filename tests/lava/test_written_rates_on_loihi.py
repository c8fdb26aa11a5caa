"""Rates of Poisson stimuli that a session writes hold from the next step on, as on the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import salhw
from salhw import GLM, Exponential, Network, Poisson, Population, Projection, SessionError, Source, Spikes, SpikeTimes

SURE = 1e6  # Hz: a step without a spike has the probability exp(-1000)
IN_PROCESS = salhw.target("loihi2").with_options(execution="in-process")


def network(weight: float = 0.1, tau: float = 5.0, **of_poisson: Any) -> Network:
    """Three sources, of which some spikes are forced, onto a neuron."""
    p = Projection("p", "x", "n", [[weight] * 3], kernel=Exponential(tau))
    return Network(
        name="rates", dt=1.0, populations=[Population("x", 3, Source()), Population("n", 1, GLM(bias=-3.0))],
        projections=[p], probes=[Spikes("x")],
        stimuli=[SpikeTimes("x", [[5.0, 23.0], [6.0], []]), Poisson("x", **{"rate": 0.0} | of_poisson)],
    )  # fmt: skip


def spikes(net: Network, target: Any, writes: list[tuple[float, Any]]) -> set[tuple[int, int, int]]:
    """(instance, step, neuron) of the sources in two instances; a rate is written after each run."""
    found = set()
    with salhw.compile(net, target).open(instances=2, seed=1) as session:
        for duration, rate in writes:
            trains = session.run(duration).spikes["x"]
            found |= {*zip(trains.instance, np.rint(trains.time).astype(int), trains.neuron, strict=True)}
            session.set("stimuli[1].rate", rate)
    return found


COURSE = {"rate": [0.0, SURE, 0.0, SURE, 0.0], "every": 4.0, "start": 6.0, "stop": 60.0}


def points(*rates: float) -> Any:
    return np.tile(np.array(rates)[:, None], 3)


@pytest.mark.parametrize(
    ("net", "writes"),
    [
        (network(), [(3.0, SURE), (7.0, [SURE, 0.0, 0.0]), (9.0, [[0.0, SURE, 0.0], [0.0, 0.0, SURE]]), (8.0, 0.0)]),
        (network(**COURSE), [(13.0, points(SURE, 0, SURE, 0, 0)), (27.0, points(0, 0, 0, 0, SURE)), (30.0, 0.0)]),
    ],
)
def test_sure_and_impossible_spikes_are_the_references(net: Network, writes: list[tuple[float, Any]]) -> None:
    here, there = (spikes(net, target, writes) for target in (IN_PROCESS, "reference"))
    assert len(there) > 30
    assert here == there


def test_rates_that_might_outgrow_a_word_are_refused_and_forgotten() -> None:
    """The potential's word has 24 bits; what is refused changes nothing, so that others can be written then."""
    with salhw.compile(network(weight=3.0, tau=1000.0, rate=1.0), IN_PROCESS).open() as session:
        with pytest.raises(SessionError) as refused:
            session.set("stimuli[1].rate", SURE)
        assert [(f.code, f.path) for f in refused.value.diagnostics] == [("SAL403", "stimuli[1].rate")]
        session.set("stimuli[1].rate", 2.0)
        session.set("projections.p.weights", [[2.5] * 3])
        assert session.get("stimuli[1].rate").max() == 2.0
