"""Rates of Poisson stimuli that a session writes hold from the next step on, as on the reference."""

from __future__ import annotations

import numpy as np
import pytest

import salhw
from salhw import (
    GLM,
    SAL,
    Exponential,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
    Spikes,
    SpikeTimes,
)

SURE = 1e6  # Hz: a step without a spike has the probability exp(-1000)


def network(delay: float = 1.0, learns: bool = False, **of_poisson: object) -> Network:
    """Three sources onto a GLM neuron: NEST exchanges spikes every ``delay``; its steps are halved where it learns."""
    rule = SAL(0.01, tau=10.0) if learns else None
    kernel = Rectangular(2.0) if learns else Exponential(5.0)
    return Network(
        name="rates", dt=1.0, populations=[Population("x", 3, Source()), Population("n", 1, GLM(bias=-3.0))],
        projections=[Projection("p", "x", "n", [[0.1, 0.2, 0.3]], kernel=kernel, delay=delay, plasticity=rule)],
        stimuli=[Poisson("x", **{"rate": 0.0} | of_poisson), SpikeTimes("x", [[5.0, 23.0], [6.0], []])],
        probes=[Spikes("x"), Spikes("n")],
    )  # fmt: skip


def steps(net: Network, target: str | salhw.Target, writes: list[tuple[float, object]]) -> np.ndarray:
    """Spikes of the sources, (instance, step, neuron), in two instances; a rate is written after each run."""
    spiked = np.zeros((2, 200, 3), dtype=bool)
    with salhw.compile(net, target).open(instances=2, seed=1) as session:
        for duration, rate in writes:
            trains = session.run(duration).spikes["x"]
            spiked[trains.instance, np.rint(trains.time / net.dt).astype(int), trains.neuron] = True
            session.set("stimuli[0].rate", rate)
    return spiked


WRITES = [
    (3.0, SURE), (7.0, 0.0), (1.0, [SURE, 0.0, 0.0]), (12.0, [[0.0, SURE, 0.0], [0.0, 0.0, SURE]]), (5.0, 0.0),
    (30.0, 0.0),
]  # fmt: skip


@pytest.mark.parametrize("net", [network(0.0), network(4.0), network(17.0), network(3.0, learns=True)])
def test_sure_and_impossible_spikes_are_the_references(net: Network) -> None:
    """To the step, whatever is under way, beside forced spikes, per neuron and instance."""
    here, there = (steps(net, target, WRITES) for target in ("nest", "reference"))
    assert there.sum() > 40
    assert np.array_equal(here, there)


def test_courses_go_on_from_where_the_time_is() -> None:
    """Points of 4 ms from 6 ms on; other ones are written at 13 and 40 ms, within a point and after the last."""
    net = network(2.0, rate=[0.0, SURE, 0.0, SURE, 0.0], every=4.0, start=6.0, stop=60.0)
    writes = [(13.0, [SURE, 0.0, SURE, 0.0, 0.0]), (27.0, [0.0, 0.0, 0.0, 0.0, SURE]), (40.0, 0.0)]
    writes = [(duration, np.broadcast_to(np.atleast_1d(rate)[:, None], (5, 3))) for duration, rate in writes]
    here, there = (steps(net, target, writes) for target in ("nest", "reference"))
    assert there.sum() > 40
    assert np.array_equal(here, there)


def test_written_rates_are_those_of_the_spikes() -> None:
    """400 Hz in the steps that sources are told and in those that NEST draws: 1 - exp(-.4) each, to 4.5 standard errors
    (7e-6) of 1,200 and 12,000 decisions."""
    net, p, counts = network(3.0), -np.expm1(-0.4), {5: 0, 50: 0}
    with salhw.compile(net.replace(stimuli=net.stimuli[:1]), "nest").open(instances=20, seed=2) as session:
        for _ in range(4):
            session.set("stimuli[0].rate", 400.0)
            for duration in counts:
                counts[duration] += int(session.run(duration).counts["x"].sum())
            session.set("stimuli[0].rate", 0.0)
            assert session.run(7.0).counts["x"].sum() == 0
    for duration, count in counts.items():
        decisions = 4 * 20 * 3 * duration
        assert abs(count - p * decisions) < 4.5 * np.sqrt(p * (1 - p) * decisions)
